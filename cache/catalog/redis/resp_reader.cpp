#include "cache/catalog/redis/resp_reader.hpp"

#include <hiredis/read.h>

#include <algorithm>
#include <charconv>
#include <new>

namespace troupe::cache {
namespace {

// The reader moves its rest to the front after each reply of 1 KiB or more: fed little at a time, that is little.
constexpr std::size_t piece_bytes = 8 * 1024;
constexpr std::size_t kept_bytes = 1 << 20;   // more is given back when the next reply comes
constexpr std::size_t number_bytes_max = 32;  // "-9223372036854775808\r\n"
constexpr std::size_t line_bytes_max = 64 * 1024;
constexpr std::size_t reserved_max = 1024;     // elements on a claim's word
constexpr std::uint64_t limit_max = 1u << 30;  // hiredis counts in int here and there

}  // namespace

struct resp_reader::building {
  std::uint64_t bytes_max;
  std::uint64_t bytes = 0;
  bool too_large = false;
  redis_reply root;

  bool take(std::uint64_t more) {
    if (more > bytes_max - bytes)
      too_large = true;
    else
      bytes += more;
    return !too_large;
  }

  // The place of the reader's task: the root, or the next element of the list above. A list grows only when its last
  // element is whole, so no list that is still filled is moved.
  static redis_reply* place(const redisReadTask* task) {
    if (task->parent == nullptr) return &self(task).root;
    return &static_cast<redis_reply*>(task->parent->obj)->items()->emplace_back();
  }
  static building& self(const redisReadTask* task) { return *static_cast<building*>(task->privdata); }

  // Null, which ends the reading: over the limit, or no memory.
  template <class F>
  static void* make(const redisReadTask* task, std::uint64_t bytes, const F& fill) noexcept {
    try {
      if (!self(task).take(bytes)) return nullptr;
      auto* at = place(task);
      fill(at->value);
      return at;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }

  static void* make_string(const redisReadTask* task, char* text, std::size_t size) {
    return make(task, size, [&](auto& value) {
      switch (task->type) {
        case REDIS_REPLY_STATUS: value = redis_reply::status{std::string(text, size)}; break;
        case REDIS_REPLY_ERROR: value = redis_reply::failure{std::string(text, size)}; break;
        default: value.template emplace<std::string>(text, size);
      }
    });
  }
  static void* make_list(const redisReadTask* task, int elements) {
    return make(task, elements * sizeof(redis_reply), [&](auto& value) {
      value.template emplace<redis_reply::list>().reserve(std::min<std::size_t>(elements, reserved_max));
    });
  }
  static void* make_integer(const redisReadTask* task, long long number) {
    return make(task, 0, [&](auto& value) { value = static_cast<std::int64_t>(number); });
  }
  static void* make_nil(const redisReadTask* task) {
    return make(task, 0, [](auto& value) { value = redis_reply::nil{}; });
  }
  static void forget(void*) {}  // all is in `root`
};

resp_reader::resp_reader(std::uint64_t reply_bytes_max) : building_(std::make_unique<building>()) {
  static redisReplyObjectFunctions functions = {building::make_string, building::make_list, building::make_integer,
                                                building::make_nil, building::forget};
  building_->bytes_max = std::min(reply_bytes_max, limit_max);
  reader_ = redisReaderCreateWithFunctions(&functions);
  if (reader_ == nullptr) throw std::bad_alloc();
  reader_->maxbuf = kept_bytes;
  reader_->privdata = building_.get();
}

resp_reader::~resp_reader() { redisReaderFree(reader_); }

result<bool> resp_reader::next(redis_reply& reply) {
  for (;;) {
    void* whole = nullptr;
    if (redisReaderGetReply(reader_, &whole) != REDIS_OK) {
      if (building_->too_large) return fail(error_code::payload_too_large, "a reply of Redis is larger than the limit");
      return fail(error_code::unavailable, std::string("not what Redis would say: ") + reader_->errstr);
    }
    if (whole != nullptr) {
      reply.value = std::move(building_->root.value);
      building_->bytes = 0;
      return true;
    }
    if (auto ok = look_at_unfinished(); !ok) return tl::unexpected(ok.error());
    if (rest_.empty()) return false;
    const auto piece = rest_.substr(0, wanted_bytes_);
    rest_.remove_prefix(piece.size());
    if (redisReaderFeed(reader_, piece.data(), piece.size()) != REDIS_OK)
      return fail(error_code::unavailable, std::string("no memory for a reply of Redis: ") + reader_->errstr);
  }
}

// The reader waits for the whole of an item, whatever it claims: whether it may come is seen here. A text is then fed
// to its end and no further, so that nothing is left to be moved.
result<void> resp_reader::look_at_unfinished() {
  wanted_bytes_ = piece_bytes;
  if (reader_->ridx < 0 || reader_->len == 0) return {};
  const auto type = reader_->rstack[reader_->ridx].type;
  if (type < 0) return {};
  const std::string_view there(reader_->buf + reader_->pos, reader_->len - reader_->pos);
  const bool is_line = type != REDIS_REPLY_STRING && type != REDIS_REPLY_ARRAY && type != REDIS_REPLY_INTEGER;
  const auto end = is_line ? std::string_view::npos : there.substr(0, number_bytes_max).find("\r\n");
  if (end == std::string_view::npos) {
    if (there.size() < (is_line ? line_bytes_max : number_bytes_max)) return {};
    return fail(error_code::unavailable, "not what Redis would say: a line without end");
  }
  std::uint64_t size = 0;
  std::from_chars(there.data(), there.data() + end, size);
  if (size > building_->bytes_max - building_->bytes)
    return fail(error_code::payload_too_large, "a reply of Redis is larger than the limit");
  wanted_bytes_ = std::max<std::uint64_t>(end + 2 + size + 2 - there.size(), 1);
  return {};
}

}  // namespace troupe::cache
