#include "http/core/errors.hpp"

#include <algorithm>
#include <chrono>

#include "http/json/json_write.hpp"

namespace troupe::http {

unsigned status_of(error_code code) noexcept {
  switch (code) {
    case error_code::bad_request: return 400;
    case error_code::unauthorized: return 401;
    case error_code::forbidden: return 403;
    case error_code::route_not_found:
    case error_code::model_not_found: return 404;
    case error_code::method_not_allowed: return 405;
    case error_code::conflict:
    case error_code::cancelled: return 409;
    case error_code::payload_too_large: return 413;
    case error_code::uri_too_long: return 414;
    case error_code::unsupported_media: return 415;
    case error_code::unprocessable: return 422;
    case error_code::too_many_requests: return 429;
    case error_code::header_too_large: return 431;
    case error_code::insufficient_memory:
    case error_code::unavailable:
    case error_code::load_failed: return 503;
    case error_code::deadline_exceeded: return 504;
    case error_code::model_failed:
    case error_code::internal: return 500;
  }
  return 500;
}

error_code code_of_status(unsigned status) noexcept {
  switch (status) {
    case 401: return error_code::unauthorized;
    case 403: return error_code::forbidden;
    case 404: return error_code::route_not_found;
    case 405:
    case 501: return error_code::method_not_allowed;
    case 409: return error_code::conflict;
    case 413: return error_code::payload_too_large;
    case 414: return error_code::uri_too_long;
    case 415: return error_code::unsupported_media;
    case 422: return error_code::unprocessable;
    case 429: return error_code::too_many_requests;
    case 431: return error_code::header_too_large;
    case 503: return error_code::unavailable;
    case 504: return error_code::deadline_exceeded;
    default: return status >= 500 ? error_code::internal : error_code::bad_request;
  }
}

response error_response(const error& why, std::string_view request_id, header_list headers) {
  return worded_error("error", why.message, why, request_id, std::move(headers));
}

response worded_error(std::string_view status, std::string_view text, const error& why, std::string_view request_id,
                      header_list headers, const std::function<void(json_out&)>& more, std::string_view code_word) {
  response out;
  out.status = status_of(why.code);
  const auto code = code_word.empty() ? to_string(why.code) : code_word;
  const std::string detail = why.detail.empty() ? why.message : why.message + ": " + why.detail;
  json_out json;
  json.object()
      .field("status", status)
      .field("success", false)
      .field("error", text)
      .field("message", why.message)
      .field("code", code)
      .field("error_code", code)
      .field("detail", detail)
      .field("details", detail);
  if (const auto retry = add_error_headers(why, headers)) json.field("retry_after_seconds", *retry);
  if (!request_id.empty()) json.field("request_id", request_id);
  if (more) more(json);
  json.field("timestamp", std::chrono::system_clock::now()).end_object();
  out.body = json.str();
  out.headers = std::move(headers);
  return out;
}

std::optional<int> add_error_headers(const error& why, header_list& headers) {
  auto retry = why.retry_after_s;
  if (!retry && (why.code == error_code::too_many_requests || why.code == error_code::unavailable)) retry = 1;
  if (retry) {
    *retry = std::max(*retry, 1);
    headers.emplace_back("Retry-After", std::to_string(*retry));
  }
  if (why.code == error_code::unauthorized) headers.emplace_back("WWW-Authenticate", "Bearer");
  return retry;
}

schema error_schema(std::string_view status) {
  using s = schema;
  return s::object({{"status", s::one_of({std::string(status)})},
                    {"success", s::flag().with("enum", "[false]")},
                    {"error", s::text().says("What was wrong, in one line")},
                    {"message", s::text().says("The same")},
                    {"code", s::text().says("A word for programs: MODEL_NOT_FOUND, BAD_REQUEST, ..")},
                    {"error_code", s::text().says("The same")},
                    {"detail", s::text().says("The message, and what would be right")},
                    {"details", s::text().says("The same")},
                    s::maybe("retry_after_seconds", s::integer().says("When a retry can help; as Retry-After")),
                    s::maybe("request_id", s::text()),
                    {"timestamp", s::time()}});
}

}  // namespace troupe::http
