#include "http/json/text.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstdint>

namespace troupe::http {
namespace {

constexpr std::size_t max_parameters = 64;

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Length of the valid sequence at the front; 0 if it is not valid.
std::size_t sequence_length(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || length > text.size() || !is_utf8(text.substr(0, length))) return 0;
  return length;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept { return simdjson::validate_utf8(text.data(), text.size()); }

std::string make_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const auto length = sequence_length(text);
    out.append(length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string shown(std::string_view text, std::size_t limit) {
  const bool cut = text.size() > limit;
  auto out = make_utf8(text.substr(0, limit));
  for (auto& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (cut) out += "..";
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out(1, '\'');
  out.append(text).push_back('\'');
  return out;
}

bool is_blank(std::string_view utf8) noexcept {
  for (std::size_t i = 0; i < utf8.size();) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      ++i;
      continue;
    }
    if (c < 0x80) return false;
    const auto rest = utf8.substr(i);
    if (rest.starts_with("\xc2\x85") || rest.starts_with("\xc2\xa0")) {
      i += 2;
      continue;
    }
    if (rest.size() < 3) return false;
    const auto b = static_cast<unsigned char>(rest[1]), d = static_cast<unsigned char>(rest[2]);
    const auto point = static_cast<std::uint32_t>((c & 0x0fu) << 12 | (b & 0x3fu) << 6 | (d & 0x3fu));
    const bool space = (c & 0xf0) == 0xe0 &&
                       (point == 0x1680 || (point >= 0x2000 && point <= 0x200b) || point == 0x2028 || point == 0x2029 ||
                        point == 0x202f || point == 0x205f || point == 0x3000 || point == 0xfeff);
    if (!space) return false;
    i += 3;
  }
  return true;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(c == '+' && plus_is_space ? ' ' : c);
    }
  }
  return out;
}

result<parameter_list> parse_parameters(std::string_view encoded, std::string_view what) {
  parameter_list out;
  while (!encoded.empty()) {
    const auto end = std::min(encoded.find('&'), encoded.size());
    const auto part = encoded.substr(0, end);
    encoded.remove_prefix(std::min(end + 1, encoded.size()));
    if (part.empty()) continue;
    if (out.size() == max_parameters) {
      return fail(error_code::bad_request, "The " + std::string(what) + " has more than 64 parameters",
                  "give each parameter once");
    }
    const auto equals = std::min(part.find('='), part.size());
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = percent_decode(part.substr(std::min(equals + 1, part.size())), true);
    if (!name || !value) {
      return fail(
          error_code::bad_request,
          "Bad percent-encoding in the " + std::string(what) + " parameter '" + shown(part.substr(0, equals)) + "'",
          "'%' must be followed by two hexadecimal digits; a '%' itself is written %25");
    }
    if (!is_utf8(*name) || !is_utf8(*value)) {
      return fail(error_code::bad_request,
                  "The " + std::string(what) + " parameter '" + shown(*name) + "' is not valid UTF-8",
                  "encode the text as UTF-8 before percent-encoding it");
    }
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool equal_in_constant_time(std::string_view secret, std::string_view given) noexcept {
  // Walks what the client gave, so that its own input alone decides how long it takes.
  volatile unsigned char difference = secret.size() == given.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char other = secret.empty() ? '\0' : secret[i % secret.size()];
    difference = static_cast<unsigned char>(difference | (given[i] ^ other));
  }
  return difference == 0 && !secret.empty();
}

}  // namespace troupe::http
