#include "config/json_fault.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <cstring>

#include <simdjson.h>

#include "config/located_json.hpp"

namespace troupe::config {
namespace {

class fault_finder {
 public:
  fault_finder(std::string_view text, json_numbers numbers, std::size_t max_depth)
      : text_(text), numbers_(numbers), max_depth_(max_depth) {}

  json_fault find() {
    if (!value(0)) return {fault_, message_};
    blanks();
    if (at_ < text_.size()) return {at_, "text after the end of the JSON value"};
    return {0, "not valid JSON"};
  }

 private:
  bool stop(std::size_t where, std::string message) {
    fault_ = where;
    message_ = std::move(message);
    return false;
  }
  bool stop_here(const std::string& expected) {
    if (at_ >= text_.size()) return stop(text_.size(), "the text ends where " + expected + " is expected");
    return stop(at_, "expected " + expected + ", found " + shown(text_.substr(at_, 1)));
  }
  void blanks() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) && text_[at_] != '\0') ++at_;
  }
  bool next_is(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool value(std::size_t depth) {
    blanks();
    if (depth > max_depth_) return stop(at_, "nested too deep: at most " + std::to_string(max_depth_) + " levels");
    if (at_ >= text_.size()) return stop_here("a value");
    switch (text_[at_]) {
      case '{': return object(depth);
      case '[': return array(depth);
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }
  bool object(std::size_t depth) {
    ++at_;
    if (next_is('}')) return true;
    do {
      blanks();
      if (at_ >= text_.size() || text_[at_] != '"') return stop_here("a key in double quotes");
      if (!string()) return false;
      if (!next_is(':')) return stop_here("':' after the key");
      if (!value(depth + 1)) return false;
    } while (next_is(','));
    return next_is('}') || stop_here("',' or '}'");
  }
  bool array(std::size_t depth) {
    ++at_;
    if (next_is(']')) return true;
    do {
      if (!value(depth + 1)) return false;
    } while (next_is(','));
    return next_is(']') || stop_here("',' or ']'");
  }
  bool string() {
    const auto start = at_++;
    for (; at_ < text_.size(); ++at_) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') return ++at_, true;
      if (c < 0x20) return stop(at_, "a control character (a line break?) inside a string");
      if (c == '\\' && !escape()) return false;
    }
    return stop(start, "a string that is never closed");
  }
  bool escape() {
    const auto start = at_++;
    if (at_ < text_.size() && text_[at_] == 'u') {
      for (int digits = 0; digits < 4; ++digits) {
        if (++at_ >= text_.size() || !std::isxdigit(static_cast<unsigned char>(text_[at_]))) {
          return stop(start, "\\u needs four hexadecimal digits");
        }
      }
      return surrogate(start);
    }
    if (at_ >= text_.size() || text_[at_] == '\0' || !std::strchr("\"\\/bfnrt", text_[at_])) {
      return stop(start, "an unknown escape in a string");
    }
    return true;
  }
  // The \u escape that ends here is at `start`: is it the half of a surrogate pair that must have another?
  bool surrogate(std::size_t start) {
    const auto unit = [&](std::size_t at) -> unsigned {
      unsigned value = 0;
      if (at + 6 > text_.size() || text_[at] != '\\' || text_[at + 1] != 'u') return 0;
      const auto* first = text_.data() + at + 2;
      return std::from_chars(first, first + 4, value, 16).ptr == first + 4 ? value : 0;
    };
    const auto first = unit(start);
    if (first < 0xD800 || first > 0xDFFF) return true;
    const auto second = unit(start + 6);
    if (first > 0xDBFF || second < 0xDC00 || second > 0xDFFF) return stop(start, "a \\u escape that is half of a pair");
    at_ = start + 11;
    return true;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return stop_here("a value");
    at_ += expected.size();
    return true;
  }
  bool digits() {
    const auto start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > start || stop_here("a digit");
  }
  bool number() {
    const auto start = at_;
    if (numbers_ == json_numbers::python) {
      for (const std::string_view name : {"NaN", "Infinity", "-Infinity"}) {
        if (text_.substr(at_, name.size()) == name) return at_ += name.size(), true;
      }
    }
    if (text_[at_] == '-') ++at_;
    if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') {
      at_ = start;
      return stop_here("a value");
    }
    if (text_[at_] == '0')
      ++at_;
    else
      digits();
    if (at_ < text_.size() && text_[at_] == '.' && (++at_, !digits())) return false;
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return false;
    }
    if (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '.')) {
      return stop(start, "a malformed number");
    }
    return numbers_ == json_numbers::python || in_range(text_.substr(start, at_ - start)) ||
           stop(start, "a number that is too large");
  }

  static bool in_range(std::string_view number) {
    const auto parses = [&](auto value) {
      return std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc{};
    };
    if (number.find_first_of(".eE") != std::string_view::npos) return parses(double{});
    return parses(std::uint64_t{}) || parses(std::int64_t{});
  }

  std::string_view text_;
  json_numbers numbers_;
  std::size_t max_depth_;
  std::size_t at_ = 0, fault_ = 0;
  std::string message_;
};

}  // namespace

json_fault find_json_fault(std::string_view text, json_numbers numbers, std::size_t max_depth) {
  if (const auto bad = find_bad_utf8(text); bad != std::string_view::npos) return {bad, "a byte that is not UTF-8"};
  return fault_finder(text, numbers, max_depth).find();
}

// First byte that is no UTF-8; npos if there is none.
std::size_t find_bad_utf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string_view::npos;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (i + length > text.size() || !simdjson::validate_utf8(text.data() + i, length)) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string place_in(std::string_view text, std::string_view file, std::size_t offset) {
  offset = std::min(offset, text.size());
  const auto before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return std::string(file) + ':' + std::to_string(line) + ':' + std::to_string(offset - line_start + 1);
}

}  // namespace troupe::config
