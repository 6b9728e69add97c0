#include "cache/catalog/redis/outbox.hpp"

#include <hiredis/hiredis.h>

#include <new>
#include <utility>

namespace troupe::cache {
namespace {

constexpr std::size_t large_bytes = 16 * 1024;    // to copy less than that costs less than another piece
constexpr std::size_t joined_bytes = 128 * 1024;  // of one piece, about
constexpr std::size_t command_bytes_max = 1u << 30;
constexpr std::size_t few_words = 16;

}  // namespace

void redis_command::freed::operator()(char* text) const { redisFreeCommand(text); }

redis_command::redis_command(const std::vector<std::string>& words) {
  std::array<const char*, few_words> few_texts;
  std::array<std::size_t, few_words> few_sizes;
  std::vector<const char*> many_texts;
  std::vector<std::size_t> many_sizes;
  const char** texts = few_texts.data();
  std::size_t* sizes = few_sizes.data();
  if (words.size() > few_words) {
    many_texts.resize(words.size());
    many_sizes.resize(words.size());
    texts = many_texts.data();
    sizes = many_sizes.data();
  }
  std::size_t total = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    texts[i] = words[i].data();
    sizes[i] = words[i].size();
    total += sizes[i] + few_words * 2;  // "$..\r\n" and "\r\n"
    if (total > command_bytes_max) return;
  }
  if (words.empty()) return;  // "*0": Redis would not answer it, and every later answer would be another's
  char* text = nullptr;
  const int size = redisFormatCommandArgv(&text, static_cast<int>(words.size()), texts, sizes);
  if (size < 0) throw std::bad_alloc();
  text_.reset(text);
  size_ = static_cast<std::size_t>(size);
}

void outbox::add(redis_command command) {
  if (command.size() >= large_bytes) {
    pieces_.push_back({{}, std::move(command)});
    return;
  }
  if (empty() || pieces_.back().joined.empty() || pieces_.back().joined.size() >= joined_bytes) {
    if (empty()) clear();
    pieces_.emplace_back();
    pieces_.back().joined.swap(spare_);
  }
  pieces_.back().joined += command.text();
}

void outbox::take(outbox& other) {
  if (empty()) {
    clear();
    std::swap(*this, other);
    return;
  }
  for (auto i = other.first_; i < other.pieces_.size(); ++i) {
    auto& next = other.pieces_[i];
    auto& last = pieces_.back().joined;
    if (!last.empty() && !next.joined.empty() && last.size() < joined_bytes)
      last += next.joined;
    else
      pieces_.push_back(std::move(next));
  }
  other.clear();
}

std::array<std::string_view, outbox::gathered_max> outbox::front() const {
  std::array<std::string_view, gathered_max> out;
  for (std::size_t i = 0; i < gathered_max && first_ + i < pieces_.size(); ++i) out[i] = pieces_[first_ + i].text();
  out[0].remove_prefix(offset_);
  return out;
}

void outbox::written(std::size_t bytes) {
  offset_ += bytes;
  while (!empty() && offset_ >= pieces_[first_].text().size()) {
    offset_ -= pieces_[first_].text().size();
    pieces_[first_].large = {};
    ++first_;
  }
  if (empty()) clear();
}

void outbox::clear() {
  for (auto& p : pieces_)
    if (p.joined.capacity() > spare_.capacity() && p.joined.capacity() <= 2 * joined_bytes) spare_.swap(p.joined);
  spare_.clear();
  pieces_.clear();
  first_ = offset_ = 0;
}

}  // namespace troupe::cache
