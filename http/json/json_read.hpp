#pragma once
// JSON in: simdjson's DOM with our bounds and messages. The parser is the calling thread's own; an element
// lives until the next parse on that thread.

#include <simdjson.h>

#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::http {

inline constexpr std::size_t max_json_depth = 64;

// The whole text is validated (grammar, UTF-8, depth, numbers). Errors are bad_request and say what is wrong.
class json_document {
 public:
  json_document() = default;
  json_document(const json_document&) = delete;
  json_document& operator=(const json_document&) = delete;

  result<simdjson::dom::element> parse(std::string_view text);

 private:
  simdjson::dom::parser large_;  // for large texts: its memory goes with the request
};

// "a string", "an array", ..
std::string_view kind_of(simdjson::dom::element value) noexcept;

}  // namespace troupe::http
