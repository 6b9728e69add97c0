#pragma once
// What is heard in one recording as text for a terminal or a file, sentence after sentence. Pure; one thread.

#include <string>
#include <vector>

#include <simdjson.h>

#include "inference/model/outputs.hpp"

namespace troupe::app {

class recording_text {
 public:
  // "text": a sentence a line; "json": likewise, each an object; "srt" and "vtt": subtitles, which come with finish().
  static const std::vector<std::string>& formats();
  explicit recording_text(const std::string& format);  // REQUIRES one of formats()

  // What is to be printed when this sentence is there, and when all of them were.
  std::string add(inference::transcript sentence);
  std::string finish() const;

 private:
  std::string format_;
  std::vector<inference::transcript> kept_;  // of subtitles
};

// One of /transcribe's `sentences`.
inference::transcript sentence_of(const simdjson::dom::element& of_answer);

}  // namespace troupe::app
