#pragma once
// The one error type of troupe. Every room returns `result<T>`; only http/core/errors.cpp knows HTTP
// statuses. Exceptions of libraries are caught where the library is called and become an `error`.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace troupe {

enum class error_code {
  bad_request,          // malformed or missing parameter
  unauthorized,         // no key given
  forbidden,            // wrong key, or the feature needs one that is not configured
  route_not_found,      //
  model_not_found,      // the registry does not know the name
  method_not_allowed,   //
  conflict,             // the action conflicts with what the model does now
  payload_too_large,    //
  header_too_large,     //
  uri_too_long,         //
  unsupported_media,    //
  unprocessable,        // well-formed, but cannot be used (empty text, wrong shape, bad artifact)
  too_many_requests,    // a bounded queue or admission limit is full
  insufficient_memory,  // nothing more may be evicted, or larger than the budget
  unavailable,          // draining, restarting
  load_failed,          // the artifact could not be loaded
  model_failed,         // the model threw, hung or died
  deadline_exceeded,    // the request's own deadline passed
  cancelled,            // the client left, or the work was called off
  internal,
};

// "MODEL_NOT_FOUND" and the like: `code` and `error_code` of the envelope.
std::string_view to_string(error_code code) noexcept;

struct error {
  error_code code = error_code::internal;
  std::string message;  // one line for a person: what was wrong
  std::string detail;   // what would be right; empty: the message says it all
  std::optional<int> retry_after_s;
};

template <class T>
using result = tl::expected<T, error>;

inline tl::unexpected<error> fail(error_code code, std::string message, std::string detail = {},
                                  std::optional<int> retry_after_s = std::nullopt) {
  return tl::unexpected<error>(error{code, std::move(message), std::move(detail), retry_after_s});
}

// Deadlines are data: a point on the steady clock, `no_deadline` where there is none.
using steady_clock = std::chrono::steady_clock;
using steady_time = steady_clock::time_point;
inline constexpr steady_time no_deadline = steady_time::max();

}  // namespace troupe
