#include "inference/text/library_tokenizer.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <utility>

#include "config/json_fault.hpp"
#include "inference/text/library/library.h"
#include "inference/text/unicode.hpp"

namespace troupe::inference {
namespace {

// What the library says, kept; a callback of C's, so nothing may be thrown out of it.
extern "C" void keep_text(void* context, const char* text, std::size_t size) noexcept {
  try {
    static_cast<std::string*>(context)->assign(text, size);
  } catch (const std::bad_alloc&) {
    static_cast<std::string*>(context)->clear();
  }
}

// Of a panic the library's words may be long; texts of others must not come out in them.
std::string shortened(std::string text) {
  if (const auto line = text.find('\n'); line != text.npos) text.resize(line);
  if (text.size() > 200) text.resize(200);
  while (!text.empty() && !decode_utf8(text)) text.pop_back();
  return text.empty() ? "it says nothing" : text;
}

std::string json_of(const library_token& token) {
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  return R"({"content":)" + json_quoted(token.content) + R"(,"single_word":)" + flag(token.single_word) +
         R"(,"lstrip":)" + flag(token.lstrip) + R"(,"rstrip":)" + flag(token.rstrip) + R"(,"normalized":)" +
         flag(token.normalized) + R"(,"special":)" + flag(token.special) + '}';
}
std::string json_of(const std::vector<library_token>& tokens) {
  std::string out = "[";
  for (const auto& token : tokens) out += (out.size() == 1 ? "" : ",") + json_of(token);
  return out + ']';
}

template <class Call>
result<void> told(Call call) {
  std::string words;
  if (call(static_cast<void*>(&words)) == 0) return {};
  return fail(error_code::unprocessable, "the tokenizers library refuses it: " + shortened(std::move(words)));
}

// What clean_up_tokenization() of transformers does, one after the other.
std::string cleaned_up(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> rules{{{" .", "."},
                                                                                 {" ?", "?"},
                                                                                 {" !", "!"},
                                                                                 {" ,", ","},
                                                                                 {" ' ", "'"},
                                                                                 {" n't", "n't"},
                                                                                 {" 'm", "'m"},
                                                                                 {" 's", "'s"},
                                                                                 {" 've", "'ve"},
                                                                                 {" 're", "'re"}}};
  for (const auto& [from, to] : rules) {
    std::string out;
    std::size_t done = 0;
    for (auto at = text.find(from); at != text.npos; at = text.find(from, done)) {
      out.append(text, done, at - done).append(to);
      done = at + from.size();
    }
    if (done > 0) text = out.append(text, done);
  }
  return text;
}

}  // namespace

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + 2);
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out += '"';
}

// ---- the handle ----

result<library_handle> library_handle::make(const library_parts& parts) {
  std::string json;
  json.reserve(parts.model.size() + parts.normalizer.size() + 4096);
  json.append(R"({"model":)").append(parts.model);
  for (const auto& [key, part] :
       {std::pair{"normalizer", &parts.normalizer}, std::pair{"pre_tokenizer", &parts.pre_tokenizer},
        std::pair{"post_processor", &parts.post_processor}, std::pair{"decoder", &parts.decoder}})
    json.append(",\"").append(key).append("\":").append(*part);
  json.append(R"(,"added_tokens":)").append(json_of(parts.added));
  json.append(R"(,"encode_special_tokens":)").append(parts.split_special_tokens ? "true}" : "false}");
  troupe_library* made = nullptr;
  const auto done =
      told([&](void* words) { return troupe_library_make(json.data(), json.size(), keep_text, words, &made); });
  if (!done) return tl::unexpected(done.error());
  return library_handle(made);
}

library_handle::~library_handle() { troupe_library_free(library_); }

result<void> library_handle::add(const std::vector<library_token>& tokens) {
  if (tokens.empty()) return {};
  const auto json = json_of(tokens);
  return told([&](void* words) { return troupe_library_add(library_, json.data(), json.size(), keep_text, words); });
}

result<void> library_handle::frame(std::string_view post_processor) {
  return told([&](void* words) {
    return troupe_library_frame(library_, post_processor.data(), post_processor.size(), keep_text, words);
  });
}

std::optional<std::int32_t> library_handle::id_of(std::string_view token) const {
  const auto id = troupe_library_id(library_, token.data(), token.size());
  if (id < 0 || id > INT32_MAX) return std::nullopt;
  return static_cast<std::int32_t>(id);
}

std::size_t library_handle::vocabulary_size() const noexcept { return troupe_library_vocabulary_size(library_); }

struct library_tokenizer::question {
  troupe_library_question asked{};
  std::size_t length_max = 0;
  bool is_pair = false, may_be_empty = false;
};

// ---- making one ----

result<std::shared_ptr<const library_tokenizer>> library_tokenizer::make(const library_parts& parts,
                                                                         library_facts facts) {
  auto library = library_handle::make(parts);
  if (!library) return tl::unexpected(library.error());
  return make(std::move(*library), std::move(facts));
}

result<std::shared_ptr<const library_tokenizer>> library_tokenizer::make(library_handle library, library_facts facts) {
  auto made = std::shared_ptr<library_tokenizer>(new library_tokenizer(std::move(library), std::move(facts)));
  const auto* handle = made->library_.get();
  made->special_count_ = static_cast<std::uint32_t>(std::min<std::size_t>(troupe_library_frame_size(handle, 0), 1000));
  made->pair_special_count_ =
      static_cast<std::uint32_t>(std::min<std::size_t>(troupe_library_frame_size(handle, 1), 1000));
  made->memory_bytes_ = sizeof *made + troupe_library_bytes(handle);
  // What would fail with every text fails now.
  for (const bool pair : {false, true}) {
    const auto specials = pair ? made->pair_special_count_ : made->special_count_;
    if (pair && specials == 0) continue;
    question q;
    q.asked.first = q.asked.second = "a";
    q.asked.first_size = q.asked.second_size = 1;
    if (!pair) q.asked.second = nullptr;
    q.asked.room = q.length_max = 4096;
    q.asked.special_tokens = q.asked.details = 1;
    q.is_pair = pair;
    q.may_be_empty = true;
    const auto rows = made->ask(q);
    if (!rows) return tl::unexpected(rows.error());
    const auto& special = rows->front().special;
    if (static_cast<std::size_t>(std::count(special.begin(), special.end(), 1)) != specials)
      return fail(error_code::unprocessable, "its post_processor does not put around a text what it says");
  }
  return made;
}

// ---- texts ----

namespace {

result<void> must_be_utf8(std::string_view text) {
  if (config::find_bad_utf8(text) == std::string::npos) return {};
  return fail(error_code::unprocessable, "the text is not valid UTF-8");
}

struct answer {
  std::vector<encoding> rows;
  std::string words;
  bool details = false, is_pair = false, no_memory = false;
};

extern "C" void say_in_answer(void* context, const char* text, std::size_t size) noexcept {
  keep_text(&static_cast<answer*>(context)->words, text, size);
}

extern "C" void take_row(void* context, const troupe_library_row* row) noexcept {
  auto& to = *static_cast<answer*>(context);
  try {
    encoding out;
    out.truncated = row->truncated != 0;
    out.ids.assign(row->ids, row->ids + row->size);
    if (to.is_pair || std::any_of(row->types, row->types + row->size, [](auto type) { return type != 0; })) {
      out.types.resize(row->size);
      for (std::size_t i = 0; i < row->size; ++i) out.types[i] = static_cast<std::uint8_t>(row->types[i]);
    }
    if (to.details) {
      out.words.assign(row->words, row->words + row->size);
      out.places.resize(row->size);
      out.special.resize(row->size);
      for (std::size_t i = 0; i < row->size; ++i) {
        out.places[i] = {row->places[2 * i], row->places[2 * i + 1]};
        out.special[i] = static_cast<std::uint8_t>(row->special[i]);
      }
    }
    to.rows.push_back(std::move(out));
  } catch (const std::bad_alloc&) {
    to.no_memory = true;
  }
}

}  // namespace

result<std::vector<encoding>> library_tokenizer::ask(const question& q) const {
  answer a;
  a.details = q.asked.details != 0;
  a.is_pair = q.is_pair;
  const int done = troupe_library_encode(library_.get(), &q.asked, take_row, say_in_answer, &a);
  if (a.no_memory) return fail(error_code::insufficient_memory, "no memory for the tokens of a text");
  if (done != 0)
    return fail(error_code::unprocessable, "the text could not be tokenized: " + shortened(std::move(a.words)));
  for (const auto& row : a.rows) {
    if (row.ids.empty() && !q.may_be_empty) return fail(error_code::unprocessable, "the text has no token");
    if (row.ids.size() > q.length_max)  // no frame that is known makes it so; a model must never see it
      return fail(error_code::unprocessable, "the text has more tokens than were asked for");
  }
  return std::move(a.rows);
}

result<encoding> library_tokenizer::encode(std::string_view text, const encode_options& options) const {
  if (text.empty()) return fail(error_code::unprocessable, "the text is empty");
  if (auto ok = must_be_utf8(text); !ok) return tl::unexpected(ok.error());
  const std::size_t around = options.special_tokens ? special_count_ : 0;
  question q;
  q.asked.first = text.data();
  q.asked.first_size = text.size();
  q.asked.room = options.length_max > around ? options.length_max - around : 0;
  q.asked.cut_left = options.cut_left.value_or(facts_.cut_left) ? 1 : 0;
  q.asked.special_tokens = options.special_tokens ? 1 : 0;
  q.asked.details = options.details ? 1 : 0;
  q.length_max = q.asked.room + around;
  auto rows = ask(q);
  if (!rows) return tl::unexpected(rows.error());
  return std::move(rows->front());
}

result<std::size_t> room_for_pair(const encode_options& options, std::size_t specials) {
  const auto around = options.special_tokens ? specials : 0;
  if (options.length_max < around + 2)
    return fail(error_code::unprocessable,
                "a length of " + std::to_string(options.length_max) + " leaves no room for two texts");
  return options.length_max - around;
}

result<encoding> library_tokenizer::encode_pair(std::string_view first, std::string_view second,
                                                const encode_options& options) const {
  if (pair_special_count_ == 0)
    return fail(error_code::unprocessable, "this model's tokenizer describes no pairs of texts");
  if (first.empty() && second.empty()) return fail(error_code::unprocessable, "both texts are empty");
  for (const auto text : {first, second})
    if (auto ok = must_be_utf8(text); !ok) return tl::unexpected(ok.error());
  const auto room = room_for_pair(options, pair_special_count_);
  if (!room) return tl::unexpected(room.error());
  question q;
  q.is_pair = true;
  q.asked.first = first.data();
  q.asked.first_size = first.size();
  q.asked.second = second.empty() ? "" : second.data();  // null would be: no second text
  q.asked.second_size = second.size();
  q.asked.room = *room;
  q.asked.cut_left = options.cut_left.value_or(facts_.cut_left) ? 1 : 0;
  q.asked.cut_first_only = options.cut_first_only ? 1 : 0;
  q.asked.special_tokens = options.special_tokens ? 1 : 0;
  q.asked.details = options.details ? 1 : 0;
  q.length_max = options.length_max;
  auto rows = ask(q);
  if (!rows) return tl::unexpected(rows.error());
  return std::move(rows->front());
}

result<std::vector<encoding>> library_tokenizer::encode_windows(std::string_view text, std::uint32_t stride,
                                                                const encode_options& options) const {
  if (text.empty()) return fail(error_code::unprocessable, "the text is empty");
  const std::size_t around = options.special_tokens ? special_count_ : 0;
  if (options.length_max <= around || stride >= options.length_max - around)
    return fail(error_code::unprocessable, "a length of " + std::to_string(options.length_max) +
                                               " leaves no room for a stride of " + std::to_string(stride));
  if (auto ok = must_be_utf8(text); !ok) return tl::unexpected(ok.error());
  question q;
  q.asked.first = text.data();
  q.asked.first_size = text.size();
  q.asked.room = options.length_max - around;
  q.asked.stride = stride;
  q.asked.windows = 1;
  q.asked.special_tokens = options.special_tokens ? 1 : 0;
  q.asked.details = options.details ? 1 : 0;
  q.length_max = options.length_max;
  return ask(q);
}

// ---- back to text ----

namespace {

std::vector<std::uint32_t> valid_ids(std::span<const std::int32_t> ids) {
  std::vector<std::uint32_t> out;
  out.reserve(ids.size());
  for (const auto id : ids)
    if (id >= 0) out.push_back(static_cast<std::uint32_t>(id));
  return out;
}

result<std::string> text_of_ids(const troupe_library* library, std::span<const std::int32_t> ids, bool skip_special,
                                bool joined) {
  const auto valid = valid_ids(ids);
  std::string text;
  if (troupe_library_decode(library, valid.data(), valid.size(), skip_special ? 1 : 0, joined ? 1 : 0, keep_text,
                            &text) != 0)
    return fail(error_code::unprocessable, "the tokens have no text: " + shortened(std::move(text)));
  return text;
}

}  // namespace

result<std::string> library_tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special,
                                              bool cleaned) const {
  auto text = text_of_ids(library_.get(), ids, skip_special, false);
  if (text && cleaned && facts_.clean_up) *text = cleaned_up(std::move(*text));
  return text;
}

result<std::string> library_tokenizer::join(std::span<const std::int32_t> ids) const {
  return text_of_ids(library_.get(), ids, false, true);
}

std::optional<std::string> library_tokenizer::token_of(std::int32_t id) const {
  std::string token;
  if (id < 0 || troupe_library_token(library_.get(), static_cast<std::uint32_t>(id), keep_text, &token) != 0)
    return std::nullopt;
  return token;
}

}  // namespace troupe::inference
