#pragma once
// What a transcription session of /v1/realtime is set to, and how clients say so: OpenAI's present shape
// (audio.input.format.type, ..) and that of its beta (input_audio_format, ..). Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "config/error.hpp"
#include "http/json/json_read.hpp"
#include "http/json/json_write.hpp"
#include "inference/audio/sample_formats.hpp"

namespace troupe::http {

struct realtime_terms {
  inference::sample_format format = inference::sample_format::s16;  // or G.711
  std::uint32_t rate_hz = 24000;                                    // 8000 of G.711
  std::string model;                                                // a registered one; empty: the connection's
  std::vector<std::string> keywords;                                // hotwords
  bool turns = true;  // server_vad: each sentence is an item; else what is committed is
  bool operator==(const realtime_terms&) const = default;
};

// What was wrong with an event.
struct realtime_fault {
  error why;
  std::string param;     // "session.audio.input.format"; empty: none is to blame
  std::string code;      // in OpenAI's words; empty: as `why` has it
  std::string event_id;  // the client's own; empty: it gave none
};
template <class T>
using realtime_result = tl::expected<T, realtime_fault>;

tl::unexpected<realtime_fault> refuse_param(const std::string& param, std::string_view found, std::string_view allowed);

// Reads the `session` of an update. What only hints at how to hear (noise_reduction, language, prompt, thresholds and
// times of turn_detection, include) is passed over, and told as null: it has no effect. Unknown keys, and those of
// conversations (tools, instructions, ..), are refused by name. Leaves `terms` half read where it fails.
realtime_result<void> read_realtime_session(simdjson::dom::element session, realtime_terms& terms);

// The members of a session's object that say what it is set to.
void write_realtime_terms(json_out& json, const realtime_terms& terms, bool beta);

}  // namespace troupe::http
