#include "http/json/json_read.hpp"

#include <cstdint>

namespace troupe::http {
namespace {

// Up to here the thread's own parser is used: a few hundred kB a thread for good.
constexpr std::size_t reused_capacity = 64 * 1024;

std::string what_is_wrong(simdjson::error_code code) {
  switch (code) {
    case simdjson::DEPTH_ERROR: return "it is nested more than " + std::to_string(max_json_depth) + " levels deep";
    case simdjson::UTF8_ERROR: return "it is not valid UTF-8";
    case simdjson::NUMBER_ERROR: return "a number is malformed or out of range";
    case simdjson::STRING_ERROR: return "a string has a bad escape";
    case simdjson::UNCLOSED_STRING: return "a string is not closed";
    case simdjson::UNESCAPED_CHARS: return "a string has an unescaped control character";
    case simdjson::EMPTY: return "it is empty";
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
      return "a value is neither true, false, null, a number, a string, an array nor an object";
    default: return "its brackets, commas or colons do not match";
  }
}

}  // namespace

result<simdjson::dom::element> json_body::parse(std::string_view text, std::string_view what) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const auto no_memory = [&] {
    return fail(error_code::unavailable, "No memory to read the " + std::string(what), {}, 1);
  };
  thread_local simdjson::dom::parser reused;
  auto& parser = text.size() <= reused_capacity ? reused : large_;
  if (parser.capacity() < text.size() || parser.capacity() == 0) {
    const auto capacity = text.size() <= reused_capacity ? reused_capacity : text.size();
    if (parser.allocate(capacity, max_json_depth) != simdjson::SUCCESS) {
      return no_memory();
    }
  }
  simdjson::dom::element root;
  if (const auto code = parser.parse(text.data(), text.size(), true).get(root); code != simdjson::SUCCESS) {
    if (code == simdjson::MEMALLOC) return no_memory();
    return fail(error_code::bad_request, "The " + std::string(what) + " is not valid JSON: " + what_is_wrong(code),
                "send one JSON document in UTF-8");
  }
  return root;
}

std::string_view kind_of(simdjson::dom::element value) noexcept {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY: return "an array";
    case simdjson::dom::element_type::OBJECT: return "an object";
    case simdjson::dom::element_type::STRING: return "a string";
    case simdjson::dom::element_type::BOOL: return "a boolean";
    case simdjson::dom::element_type::NULL_VALUE: return "null";
    default: return "a number";
  }
}

}  // namespace troupe::http
