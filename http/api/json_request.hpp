#pragma once
// What the families that take JSON ask of a request's head and body. Pure.

#include <string_view>

#include "http/core/exchange.hpp"
#include "http/json/json_read.hpp"

namespace troupe::http {

// Without its parameters: "application/json", which it is where the client does not say.
std::string_view media_type(const exchange& request);
bool is_json(std::string_view media_type) noexcept;
// unsupported_media: the body comes encoded.
result<void> check_coding(const exchange& request);

// The body as JSON, whatever form curl -d says that it is. bad_request: none, or no JSON; `right` says what to send.
// unsupported_media.
result<simdjson::dom::element> read_json(const exchange& request, json_body& document, std::string_view right);

// `token` stands in a list of them: "no-cache" in "max-age=0, No-Cache".
bool contains_token(std::optional<std::string_view> header, std::string_view token);
// Whether answers may come from the prediction cache: unless Cache-Control says no-cache or no-store.
bool takes_kept_answers(const exchange& request);

}  // namespace troupe::http
