#include "inference/speech/segmentation.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "inference/files/files.hpp"
#include "inference/model/step_aside.hpp"
#include "inference/speech/utf8.hpp"
#include "inference/text/unicode.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t file_bytes_max = 256U << 20U;
constexpr std::int64_t frequency_max = std::int64_t{1} << 40;
constexpr std::size_t lines_between_pauses = 4096;

bool is_letter(char32_t c) noexcept { return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z'); }
bool is_digit(char32_t c) noexcept { return c >= U'0' && c <= U'9'; }
bool is_joined_alone(char32_t c) noexcept { return is_letter(c) || is_digit(c); }
// What jieba looks up in its dictionary; all else is a word by itself.
bool is_looked_up(char32_t c) noexcept {
  return (c >= 0x4E00 && c <= 0x9FD5) || is_joined_alone(c) ||
         std::u32string_view(U"+#&._%-").find(c) != std::u32string_view::npos;
}
bool is_english(std::u32string_view word) {
  return std::all_of(word.begin(), word.end(), [](char32_t c) { return is_letter(c) || c == U'\''; });
}

// As Python's bytes.strip().
std::string_view stripped(std::string_view line) {
  constexpr std::string_view blank = " \t\n\r\v\f";
  const auto first = line.find_first_not_of(blank);
  return first == line.npos ? std::string_view() : line.substr(first, line.find_last_not_of(blank) - first + 1);
}

std::optional<std::int64_t> frequency_of(std::string_view digits) {
  std::int64_t n = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (problem != std::errc() || end != digits.data() + digits.size() || n < 0 || n > frequency_max) return {};
  return n;
}

tl::unexpected<error> bad_line(const std::filesystem::path& file, std::size_t number, std::string_view line,
                               std::string expected) {
  return fail(error_code::unprocessable,
              file.string() + ':' + std::to_string(number) + ": no entry of a dictionary: \"" + printable(line) + '"',
              std::move(expected));
}

// f(line, its number) for each, stripped, but for empty ones.
template <class F>
result<void> for_lines(const std::filesystem::path& file, F f) {
  const auto text = read_small_file(file, file_bytes_max);
  if (!text) return tl::unexpected(text.error());
  std::size_t number = 0;
  for (std::size_t at = 0; at < text->size();) {
    const auto end = std::min(text->find('\n', at), text->size());
    if (++number % lines_between_pauses == 0) step_aside();
    const auto line = stripped(std::string_view(*text).substr(at, end - at));
    at = end + 1;
    if (line.empty()) continue;
    if (auto ok = f(line, number); !ok) return ok;
  }
  return {};
}

// Cuts " [chars]+" off the end, where something is left before it.
std::string_view take_last(std::string_view& line, bool (*belongs)(char32_t)) {
  auto at = line.size();
  while (at > 0 && belongs(static_cast<unsigned char>(line[at - 1]))) --at;
  if (at == line.size() || at < 2 || line[at - 1] != ' ') return {};
  const auto taken = line.substr(at);
  line = line.substr(0, at - 1);
  return taken;
}

std::size_t place_of(std::uint32_t from, std::uint32_t character) noexcept {
  std::uint64_t h = (std::uint64_t{from} << 21U) ^ character;
  h *= 0x9E3779B97F4A7C15ULL;
  return static_cast<std::size_t>(h ^ (h >> 32U));
}

}  // namespace

// -- the tree --------------------------------------------------------------------------------------------------------

word_dictionary::word_dictionary() : edges_(1U << 10U), frequencies_(1, 0) {}

std::uint32_t word_dictionary::child(std::uint32_t node, char32_t c) const noexcept {
  const auto mask = edges_.size() - 1;
  for (auto at = place_of(node + 1, c) & mask;; at = (at + 1) & mask) {
    const auto& e = edges_[at];
    if (e.from == 0) return none;
    if (e.from == node + 1 && e.character == c) return e.to;
  }
}

std::uint32_t word_dictionary::find(std::u32string_view word) const noexcept {
  auto node = root;
  for (const auto c : word)
    if (node = child(node, c); node == none) return none;
  return node;
}

void word_dictionary::grow() {
  std::vector<edge> wider(edges_.size() * 2);
  const auto mask = wider.size() - 1;
  for (const auto& e : edges_) {
    if (e.from == 0) continue;
    auto at = place_of(e.from, e.character) & mask;
    while (wider[at].from != 0) at = (at + 1) & mask;
    wider[at] = e;
  }
  edges_ = std::move(wider);
}

std::uint32_t word_dictionary::add(std::u32string_view word) {
  auto node = root;
  for (const auto c : word) {
    auto next = child(node, c);
    if (next == none) {
      if ((frequencies_.size() + 1) * 3 > edges_.size() * 2) grow();
      next = static_cast<std::uint32_t>(frequencies_.size());
      frequencies_.push_back(0);
      const auto mask = edges_.size() - 1;
      auto at = place_of(node + 1, c) & mask;
      while (edges_[at].from != 0) at = (at + 1) & mask;
      edges_[at] = {node + 1, static_cast<std::uint32_t>(c), next};
    }
    node = next;
  }
  return node;
}

std::uint64_t word_dictionary::memory_bytes() const noexcept {
  return edges_.capacity() * sizeof(edge) + frequencies_.capacity() * sizeof(std::int64_t);
}

// -- its files -------------------------------------------------------------------------------------------------------

result<void> word_dictionary::read_base(const std::filesystem::path& file) {
  return for_lines(file, [&](std::string_view line, std::size_t number) -> result<void> {
    const auto space = line.find(' ');
    const auto word = decode_utf8(line.substr(0, space));
    const auto digits = space == line.npos ? std::string_view() : line.substr(space + 1);
    const auto frequency = frequency_of(digits.substr(0, digits.find(' ')));
    if (!word || word->empty() || !frequency) return bad_line(file, number, line, "\"word frequency\" in UTF-8");
    frequencies_[add(*word)] = *frequency;
    total_ += *frequency;
    return {};
  });
}

result<void> word_dictionary::read_added(const std::filesystem::path& file) {
  return for_lines(file, [&](std::string_view line, std::size_t number) -> result<void> {
    constexpr std::string_view mark = "\xEF\xBB\xBF";
    auto rest = line;
    while (rest.starts_with(mark)) rest.remove_prefix(mark.size());
    if (rest.empty()) return {};
    take_last(rest, [](char32_t c) { return c >= U'a' && c <= U'z'; });
    const auto digits = take_last(rest, is_digit);
    const auto word = decode_utf8(rest);
    if (!word) return bad_line(file, number, line, "UTF-8");
    const auto given = digits.empty() ? std::optional(suggested_frequency(*word)) : frequency_of(digits);
    if (!given) return bad_line(file, number, line, "a frequency below 2^40");
    frequencies_[add(*word)] = *given;
    total_ += *given;
    return {};
  });
}

result<word_dictionary> word_dictionary::read(const std::filesystem::path& base, const std::filesystem::path& added) {
  word_dictionary made;
  if (auto ok = made.read_base(base); !ok) return tl::unexpected(ok.error());
  if (made.total_ == 0) return fail(error_code::unprocessable, base.string() + " has no words");
  if (auto ok = made.read_added(added); !ok) return tl::unexpected(ok.error());
  return made;
}

// In doubles, step by step, as jieba: it is rounded down.
std::int64_t word_dictionary::suggested_frequency(std::u32string_view word) const {
  const auto known = [&](std::u32string_view w) {
    const auto node = find(w);
    return node == none ? 1 : frequencies_[node];
  };
  const auto total = static_cast<double>(total_);
  double share = 1;
  for (const auto& part : cut(word)) share *= static_cast<double>(known(part)) / total;
  const auto least = static_cast<std::int64_t>(std::min(share * total, static_cast<double>(frequency_max))) + 1;
  return std::max(least, known(word));
}

// -- cutting ---------------------------------------------------------------------------------------------------------

void word_dictionary::cut_block(std::u32string_view block, std::vector<std::u32string_view>& out) const {
  const auto n = block.size();
  const auto log_total = std::log(static_cast<double>(total_));
  std::vector<double> best(n + 1, 0);  // of what begins at a place
  std::vector<std::size_t> end(n + 1, n);
  for (auto at = n; at-- > 0;) {
    end[at] = 0;
    auto node = root;
    for (auto i = at; i < n && (node = child(node, block[i])) != none; ++i) {
      const auto frequency = frequencies_[node];
      if (frequency == 0) continue;
      const auto score = std::log(static_cast<double>(frequency)) - log_total + best[i + 1];
      if (end[at] != 0 && score < best[at]) continue;  // of equals the longer
      best[at] = score;
      end[at] = i + 1;
    }
    if (end[at] != 0) continue;
    best[at] = 0 - log_total + best[at + 1];
    end[at] = at + 1;
  }
  // Letters and digits that are words by themselves stay together.
  std::size_t begin_joined = 0;
  for (std::size_t at = 0; at < n; at = end[at]) {
    if (end[at] == at + 1 && is_joined_alone(block[at])) continue;
    if (begin_joined < at) out.push_back(block.substr(begin_joined, at - begin_joined));
    out.push_back(block.substr(at, end[at] - at));
    begin_joined = end[at];
  }
  if (begin_joined < n) out.push_back(block.substr(begin_joined));
}

std::vector<std::u32string_view> word_dictionary::cut(std::u32string_view text) const {
  std::vector<std::u32string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    auto end = at;
    while (end < text.size() && is_looked_up(text[end])) ++end;
    if (end == at)
      out.push_back(text.substr(at, ++end - at));
    else
      cut_block(text.substr(at, end - at), out);
    at = end;
  }
  return out;
}

namespace {

void split_characters(std::u32string_view piece, std::vector<std::string>& out) {
  for (std::size_t at = 0; at < piece.size();) {
    auto end = at + 1;
    if (piece[at] < 0x80)
      while (end < piece.size() && piece[end] < 0x80) ++end;
    out.push_back(encode_utf8(piece.substr(at, end - at)));
    at = end;
  }
}

}  // namespace

result<std::vector<std::string>> split_words(std::string_view text, const word_dictionary* dictionary) {
  const auto whole = decode_utf8(text);
  if (!whole) return fail(error_code::unprocessable, "the text is not UTF-8");
  std::vector<std::string> out;
  std::u32string together;  // pieces that are not English, until one is
  const auto flush = [&] {
    if (together.empty()) return;
    for (const auto& word : dictionary->cut(together)) out.push_back(encode_utf8(word));
    together.clear();
  };
  for (std::size_t at = 0; at < whole->size();) {
    auto end = at;
    while (end < whole->size() && !is_python_space((*whole)[end])) ++end;
    const auto piece = std::u32string_view(*whole).substr(at, end - at);
    at = end + 1;
    if (piece.empty()) continue;
    if (dictionary == nullptr) {
      split_characters(piece, out);
    } else if (is_english(piece)) {
      flush();
      out.push_back(encode_utf8(piece));
    } else {
      together += piece;
    }
  }
  flush();
  return out;
}

}  // namespace troupe::inference
