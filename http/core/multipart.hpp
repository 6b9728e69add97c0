#pragma once
// A body of multipart/form-data (RFC 7578) taken apart where it lies: contents are views into it. Pure.
//
// (RESTinio's own helper refuses a whole form, without a reason, for bytes in a file that look like its boundary, and
// bounds nothing.)

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::http {

struct form_part {
  std::string name;
  std::optional<std::string> filename;  // as told, not to be trusted; empty optional: the part is a field, no file
  std::string_view type;                // its Content-Type; empty: none is told
  std::string_view content;
};

struct form_limits {
  std::size_t parts_max = 64;
  std::size_t head_bytes_max = 8192;  // of one part
};

// The parts in their order; a name may come more than once. `content_type` is the request's header, whose media type
// the caller has looked at. bad_request: says what is wrong with the form. The body must outlive what is given.
result<std::vector<form_part>> parse_form(std::string_view content_type, std::string_view body,
                                          const form_limits& limits = {});

// A parameter of a header's value: `boundary` of "multipart/form-data; boundary=x". Null: it has none, or is malformed
// before it. Quotes are taken off.
std::optional<std::string> header_parameter(std::string_view value, std::string_view name);

}  // namespace troupe::http
