#include "cache/catalog/providers/json_scalar.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "cache/catalog/offer.hpp"

namespace troupe::cache {
namespace {

constexpr std::int64_t time_s_max = 100'000'000'000;  // more are milliseconds
constexpr std::size_t number_bytes_max = 64;          // longer ones have digits that mean nothing

std::string_view trimmed(std::string_view text, std::string_view blanks = " \t\r\n") {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

template <class T>
std::optional<T> whole_number(std::string_view text) {
  T value{};
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  return read.ec == std::errc{} && read.ptr == end ? std::optional(value) : std::nullopt;
}

std::string_view digits_of(const json_scalar& from) {
  if (from.kind != scalar_kind::number && from.kind != scalar_kind::text) return {};
  const auto text = trimmed(from.text);
  return text.size() <= number_bytes_max ? text : std::string_view();
}

std::optional<int> fixed_number(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size()) return std::nullopt;
  const auto part = text.substr(at, digits);
  return part.front() == '-' ? std::nullopt : whole_number<int>(part);
}

// RFC 3339. Without a zone it is UTC.
std::optional<std::int64_t> parse_time(std::string_view text) {
  const auto year = fixed_number(text, 0, 4), month = fixed_number(text, 5, 2), day = fixed_number(text, 8, 2);
  const auto hour = fixed_number(text, 11, 2), minute = fixed_number(text, 14, 2), second = fixed_number(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  if (text[4] != '-' || text[7] != '-' || text[13] != ':' || text[16] != ':') return std::nullopt;
  if (std::string_view("Tt ").find(text[10]) == std::string_view::npos) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  auto zone = text.substr(19);
  if (zone.starts_with('.')) zone.remove_prefix(std::min(zone.size(), zone.find_first_not_of("0123456789", 1)));
  int offset_s = 0;
  if (!zone.empty() && zone != "Z" && zone != "z") {
    const auto hours = fixed_number(zone, 1, 2), minutes = fixed_number(zone, 4, 2);
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !hours || !minutes)
      return std::nullopt;
    offset_s = (*hours * 3600 + *minutes * 60) * (zone[0] == '-' ? -1 : 1);
  }
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(days).count() + *hour * 3600 + *minute * 60 + *second -
         offset_s;
}

}  // namespace

simdjson::error_code read_scalar(simdjson::ondemand::value& value, json_scalar& out) {
  out = {};
  const auto token = trimmed(value.raw_json_token());
  if (token.empty()) return simdjson::TAPE_ERROR;
  const char first = token.front();
  if (first == '"') {
    // In place where it stands as it is: the parser's own buffer would grow with every text of the page.
    if (token.size() >= 2 && token.find('\\') == token.npos) {
      out = {scalar_kind::text, token.substr(1, token.size() - 2)};
    } else {
      out.kind = value.get_string().get(out.text) == simdjson::SUCCESS ? scalar_kind::text : scalar_kind::other;
    }
    return simdjson::SUCCESS;
  }
  if (first == '-' || (first >= '0' && first <= '9')) {
    out = {scalar_kind::number, token};
  } else if (std::string_view("]},:").find(first) != std::string_view::npos) {
    return simdjson::TAPE_ERROR;
  } else if (token != "null") {
    out.kind = scalar_kind::other;
  }
  return simdjson::SUCCESS;
}

std::string_view key_of(simdjson::ondemand::field& field) {
  const char* begin = field.key().raw();
  const char* end = begin;
  while (*end != '"' && *end != '\\') ++end;  // the parser has found its end
  if (*end == '"') return {begin, static_cast<std::size_t>(end - begin)};
  std::string_view decoded;
  return field.unescaped_key().get(decoded) == simdjson::SUCCESS ? decoded : std::string_view();
}

std::optional<double> price_of(const json_scalar& from) {
  const auto value = whole_number<double>(digits_of(from));
  if (!value || !std::isfinite(*value) || *value < 0) return std::nullopt;
  return *value == 0 ? 0.0 : *value;  // no -0
}

std::optional<std::int64_t> token_count_of(const json_scalar& from) {
  const auto value = whole_number<double>(digits_of(from));
  if (!value || !(*value >= 1 && *value <= static_cast<double>(context_length_max))) return std::nullopt;
  const auto count = static_cast<std::int64_t>(*value);
  return static_cast<double>(count) == *value ? std::optional(count) : std::nullopt;
}

std::optional<std::int64_t> unix_time_of(const json_scalar& from) {
  auto seconds = from.kind == scalar_kind::text ? parse_time(trimmed(from.text)) : std::nullopt;
  if (!seconds)
    if (const auto value = whole_number<double>(digits_of(from)); value && std::abs(*value) < time_s_max)
      seconds = static_cast<std::int64_t>(*value);
  return seconds && *seconds > 0 && *seconds < time_s_max ? seconds : std::nullopt;
}

std::string shown_text_of(const json_scalar& from, bool several_lines) {
  if (from.kind != scalar_kind::text) return {};
  std::string out(cut_text(from.text));
  for (auto& c : out) {
    const auto code = static_cast<unsigned char>(c);
    if (code == 0x7F || (code < 0x20 && !(several_lines && (c == '\n' || c == '\t')))) c = ' ';
  }
  return std::string(trimmed(out));
}

}  // namespace troupe::cache
