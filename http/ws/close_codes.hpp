#pragma once
// With which code a protocol closes for an error.

#include "config/error.hpp"
#include "http/core/live_socket.hpp"

namespace troupe::http {

constexpr close_code close_code_of(error_code code) noexcept {
  switch (code) {
    case error_code::payload_too_large: return close_code::too_big;
    case error_code::too_many_requests:
    case error_code::insufficient_memory:
    case error_code::unavailable:
    case error_code::load_failed:
    case error_code::deadline_exceeded: return close_code::try_again_later;
    case error_code::model_failed:
    case error_code::internal: return close_code::internal;
    default: return close_code::policy;  // what the client asked
  }
}

}  // namespace troupe::http
