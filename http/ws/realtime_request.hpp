#pragma once
// The events that clients of /v1/realtime send. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "http/ws/realtime_terms.hpp"

namespace troupe::http {

enum class realtime_what : std::uint8_t { append, commit, clear, update };

struct realtime_request {
  realtime_what what = realtime_what::commit;
  std::string event_id;  // the client's own; empty: it gave none
  std::string sound;     // of append: its bytes
  realtime_terms terms;  // of update: what holds from now on
  bool beta = false;     // of update: it asks in the beta's event
};

// `now`: what the session is set to. Faults: no JSON, an event that a transcription session does not know (by name), or
// one that says what it cannot be.
realtime_result<realtime_request> read_realtime(std::string_view message, const realtime_terms& now);

}  // namespace troupe::http
