#include "config/error.hpp"

namespace troupe {

std::string_view to_string(error_code code) noexcept {
  switch (code) {
    case error_code::bad_request: return "BAD_REQUEST";
    case error_code::unauthorized: return "UNAUTHORIZED";
    case error_code::forbidden: return "FORBIDDEN";
    case error_code::route_not_found: return "ROUTE_NOT_FOUND";
    case error_code::model_not_found: return "MODEL_NOT_FOUND";
    case error_code::method_not_allowed: return "METHOD_NOT_ALLOWED";
    case error_code::conflict: return "CONFLICT";
    case error_code::payload_too_large: return "PAYLOAD_TOO_LARGE";
    case error_code::header_too_large: return "HEADER_TOO_LARGE";
    case error_code::uri_too_long: return "URI_TOO_LONG";
    case error_code::unsupported_media: return "UNSUPPORTED_MEDIA";
    case error_code::unprocessable: return "UNPROCESSABLE";
    case error_code::too_many_requests: return "TOO_MANY_REQUESTS";
    case error_code::insufficient_memory: return "INSUFFICIENT_MEMORY";
    case error_code::unavailable: return "UNAVAILABLE";
    case error_code::load_failed: return "LOAD_FAILED";
    case error_code::model_failed: return "MODEL_FAILED";
    case error_code::deadline_exceeded: return "DEADLINE_EXCEEDED";
    case error_code::cancelled: return "CANCELLED";
    case error_code::internal: return "INTERNAL";
  }
  return "INTERNAL";
}

}  // namespace troupe
