#pragma once
// JSON in: simdjson's DOM with our bounds and messages. The parser is the calling thread's own; an element
// lives until the next parse on that thread.

#include <simdjson.h>

#include <string>
#include <string_view>

#include "config/error.hpp"

namespace troupe::http {

inline constexpr std::size_t max_json_depth = 64;

// A request's body, or a message, as JSON. The whole text is validated (grammar, UTF-8, depth, numbers). Errors are
// bad_request and say what is wrong.
class json_body {
 public:
  json_body() = default;
  json_body(const json_body&) = delete;
  json_body& operator=(const json_body&) = delete;

  // `what` it is, for the errors.
  result<simdjson::dom::element> parse(std::string_view text, std::string_view what = "body");

 private:
  simdjson::dom::parser large_;  // for large texts: its memory goes with the request
};

// "a string", "an array", ..
std::string_view kind_of(simdjson::dom::element value) noexcept;

}  // namespace troupe::http
