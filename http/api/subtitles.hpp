#pragma once
// Sentences as subtitles: SubRip and WebVTT. Pure.

#include <span>
#include <string>

#include "inference/model/outputs.hpp"

namespace troupe::http {

// A cue a sentence, in order. A sentence without times follows the one before it; a cue lasts a millisecond at least.
std::string srt_of(std::span<const inference::transcript> sentences);
std::string vtt_of(std::span<const inference::transcript> sentences);

}  // namespace troupe::http
