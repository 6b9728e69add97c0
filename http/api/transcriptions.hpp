#pragma once
// OpenAI's POST /v1/audio/transcriptions: a recording as text, subtitles or JSON, or as events while it is heard.

#include "http/core/route.hpp"

namespace troupe::http {

// Among OpenAI's other routes.
void add_transcriptions(family_routes& add);

}  // namespace troupe::http
