#pragma once
// Where a text stops being JSON, and why: for messages, after a faster parser has refused it without telling
// the place.

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::config {

// python: also NaN, Infinity, -Infinity and numbers of any size, as its json module writes and reads them.
enum class json_numbers { standard, python };

struct json_fault {
  std::size_t offset = 0;
  std::string message;
};
// `max_depth`: deeper nesting is a fault.
json_fault find_json_fault(std::string_view text, json_numbers numbers, std::size_t max_depth);

// First byte that is no UTF-8; npos if there is none.
std::size_t find_bad_utf8(std::string_view text);

// "models.json:12:5": the file's name, line and column of `offset` in its text.
std::string place_in(std::string_view text, std::string_view file, std::size_t offset);

}  // namespace troupe::config
