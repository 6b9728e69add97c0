#pragma once
// A recording's text in OpenAI's JSON. Pure.

#include <string>
#include <string_view>

#include "http/api/hear.hpp"
#include "http/core/schema.hpp"

namespace troupe::http {

std::string transcription_json(const heard_recording& all);
schema transcription_schema();
// `language`: empty is not known. `words`, `segments`: which of them are told. What a model of ours does not know of a
// segment (log-probabilities and the like) is left out.
std::string verbose_transcription_json(const heard_recording& all, std::string_view language, bool words,
                                       bool segments);
schema verbose_transcription_schema();

// The events of a stream.
std::string transcription_delta_json(std::string_view delta);
std::string transcription_done_json(std::string_view text, double sound_s);

}  // namespace troupe::http
