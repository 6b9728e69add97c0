#pragma once
// The only place that knows which HTTP status an error has, and what the error envelope looks like.

#include <functional>
#include <optional>
#include <string_view>

#include "config/error.hpp"
#include "http/core/exchange.hpp"
#include "http/core/schema.hpp"

namespace troupe::http {

class json_out;

unsigned status_of(error_code code) noexcept;
// For requests that the edge refused with a status.
error_code code_of_status(unsigned status) noexcept;

// The envelope with its status, Retry-After where a retry can help, and a 401's challenge; `headers` are sent, too.
response error_response(const error& why, std::string_view request_id = {}, header_list headers = {});
// The same with a family's own words for its `status`, `error` and (where not empty) its codes, and the members that
// `more` writes.
response worded_error(std::string_view status, std::string_view text, const error& why, std::string_view request_id,
                      header_list headers, const std::function<void(json_out&)>& more = nullptr,
                      std::string_view code_word = {});
// What goes with an error whatever its words: Retry-After where a retry can help (told), and a 401's challenge.
std::optional<int> add_error_headers(const error& why, header_list& headers);
// The envelope's shape.
schema error_schema(std::string_view status = "error");

}  // namespace troupe::http
