#include "inference/speech/word_ids.hpp"

#include <algorithm>
#include <bit>
#include <functional>

#include <simdjson.h>

#include "inference/files/files.hpp"
#include "inference/model/step_aside.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t file_bytes_max = 256U << 20U;
constexpr std::size_t words_between_pauses = 4096;

}  // namespace

std::string_view word_ids::word(std::int32_t id) const noexcept {
  const auto i = static_cast<std::size_t>(id);
  const auto begin = i == 0 ? 0 : ends_[i - 1];
  return std::string_view(text_).substr(begin, ends_[i] - begin);
}

std::int32_t word_ids::find(std::string_view w) const noexcept {
  const auto mask = table_.size() - 1;
  for (auto at = std::hash<std::string_view>{}(w)&mask;; at = (at + 1) & mask)
    if (table_[at] < 0 || word(table_[at]) == w) return table_[at];
}

std::int32_t word_ids::of(std::string_view w) const {
  if (const auto id = find(w); id >= 0) return id;
  std::string small(w);
  for (auto& c : small)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const auto id = find(small);
  return id >= 0 ? id : unknown_;
}

std::uint64_t word_ids::memory_bytes() const noexcept {
  return text_.capacity() + ends_.capacity() * sizeof(std::uint32_t) + table_.capacity() * sizeof(std::int32_t);
}

result<word_ids> word_ids::parse(std::string_view json, const std::string& name, std::string_view unknown) {
  simdjson::dom::parser parser;
  simdjson::dom::array list;
  if (const auto problem = parser.parse(json.data(), json.size(), true).get(list))
    return fail(error_code::unprocessable, name + " is not a JSON list: " + simdjson::error_message(problem));
  word_ids made;
  const auto count = list.size();
  made.table_.assign(std::bit_ceil(std::max<std::size_t>(count, 4) * 2), -1);
  made.ends_.reserve(count);
  for (const auto& one : list) {
    const auto place = name + ": entry " + std::to_string(made.ends_.size());
    std::string_view text;
    if (one.get(text)) return fail(error_code::unprocessable, place + " is not a text");
    if (made.find(text) >= 0)
      return fail(error_code::unprocessable, place + " is there twice: \"" + printable(text) + '"');
    made.text_ += text;
    const auto id = static_cast<std::int32_t>(made.ends_.size());
    made.ends_.push_back(static_cast<std::uint32_t>(made.text_.size()));
    const auto mask = made.table_.size() - 1;
    auto at = std::hash<std::string_view>{}(text)&mask;
    while (made.table_[at] >= 0) at = (at + 1) & mask;
    made.table_[at] = id;
    if (made.ends_.size() % words_between_pauses == 0) step_aside();
  }
  made.unknown_ = made.find(unknown);
  if (made.unknown_ < 0)
    return fail(error_code::unprocessable, name + " has no \"" + printable(unknown) + '"',
                "the word that stands for those it does not know");
  return made;
}

result<word_ids> word_ids::read(const std::filesystem::path& file, std::string_view unknown) {
  const auto text = read_small_file(file, file_bytes_max);
  if (!text) return tl::unexpected(text.error());
  return parse(*text, file.string(), unknown);
}

}  // namespace troupe::inference
