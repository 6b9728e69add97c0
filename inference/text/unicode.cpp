#include "inference/text/unicode.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include <utf8proc.h>

namespace troupe::inference {
namespace {

struct code_range {
  char32_t first, last;
};
struct lower_exception {
  char32_t from, to[2];
  constexpr lower_exception(char32_t f, char32_t a, char32_t b) : from(f), to{a, b} {}
};
#include "inference/text/unicode_tables.inc"

template <std::size_t N>
bool contains(const code_range (&table)[N], char32_t c) noexcept {
  const auto after = std::upper_bound(std::begin(table), std::end(table), c,
                                      [](char32_t value, const code_range& r) { return value < r.first; });
  return after != std::begin(table) && c <= std::prev(after)->last;
}

// A bit a character, for the first 128.
template <std::size_t N>
constexpr std::uint64_t ascii_bits(const code_range (&table)[N], unsigned half) {
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < 64; ++i)
    for (const auto& r : table)
      if (r.first <= half * 64 + i && half * 64 + i <= r.last) bits |= std::uint64_t{1} << i;
  return bits;
}
template <const auto& table>
bool contains_fast(char32_t c) noexcept {
  static constexpr std::uint64_t low = ascii_bits(table, 0), high = ascii_bits(table, 1);
  if (c < 64) return (low >> c & 1U) != 0;
  if (c < 128) return (high >> (c - 64) & 1U) != 0;
  return contains(table, c);
}

int combining_class(char32_t c) noexcept {
  return c < 0x300 || !contains(ordered_ranges, c)
             ? 0
             : utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

}  // namespace

std::optional<std::u32string> decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      out.push_back(lead);
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i < length) return std::nullopt;
    char32_t c = lead & (0xffU >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0U) != 0x80) return std::nullopt;
      c = c << 6U | (next & 0x3fU);
    }
    if ((length == 3 && c < 0x800) || (length == 4 && c < 0x10000) || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
      return std::nullopt;
    out.push_back(c);
    i += length;
  }
  return out;
}

bool is_removed_by_cleaning(char32_t c) noexcept { return c == 0 || contains_fast<removed_ranges>(c); }

bool is_space(char32_t c) noexcept {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

bool is_nonspacing_mark(char32_t c) noexcept { return c >= 0x300 && contains(nonspacing_ranges, c); }
bool is_mark(char32_t c) noexcept { return c >= 0x300 && contains(mark_ranges, c); }
bool is_punctuation(char32_t c) noexcept { return contains_fast<punctuation_ranges>(c); }
bool is_word_character(char32_t c) noexcept { return contains_fast<word_ranges>(c); }

bool is_chinese(char32_t c) noexcept {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

void append_lower(char32_t c, std::u32string& out) {
  if (c < 0x80) {
    out.push_back(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return;
  }
  const auto found = std::lower_bound(std::begin(lower_exceptions), std::end(lower_exceptions), c,
                                      [](const lower_exception& e, char32_t value) { return e.from < value; });
  if (found != std::end(lower_exceptions) && found->from == c) {
    out.push_back(found->to[0]);
    if (found->to[1] != 0) out.push_back(found->to[1]);
    return;
  }
  out.push_back(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

std::u32string decompose(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size() + 16);
  for (const char32_t c : text) {
    if (c < 0xc0 || c == 0x11938) {  // the latter's decomposition is newer than the reference's tables
      out.push_back(c);
      continue;
    }
    utf8proc_int32_t parts[32];
    int boundary = 0;
    const auto count =
        utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32, UTF8PROC_DECOMPOSE, &boundary);
    if (count <= 0 || count > 32)
      out.push_back(c);
    else
      for (std::ptrdiff_t i = 0; i < count; ++i) out.push_back(static_cast<char32_t>(parts[i]));
  }
  for (std::size_t i = 0; i < out.size();) {
    if (combining_class(out[i]) == 0) {
      ++i;
      continue;
    }
    auto end = i + 1;
    while (end < out.size() && combining_class(out[end]) != 0) ++end;
    if (end - i > 1)
      std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(i), out.begin() + static_cast<std::ptrdiff_t>(end),
                       [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    i = end;
  }
  return out;
}

bool starts_new_cluster(char32_t c) noexcept {
  if (c < 0x300) return true;
  const auto* p = utf8proc_get_property(static_cast<utf8proc_int32_t>(c));
  return p->combining_class == 0 && p->category != UTF8PROC_CATEGORY_MN && p->category != UTF8PROC_CATEGORY_MC &&
         p->category != UTF8PROC_CATEGORY_ME;
}

}  // namespace troupe::inference
