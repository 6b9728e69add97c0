#pragma once
// Whole recordings: a file of sound becomes sentences with times, told as they come. What the HTTP routes (and the CLI)
// may ask; live speech is sessions.hpp's.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "config/error.hpp"
#include "inference/audio/decode.hpp"
#include "inference/model/outputs.hpp"

namespace troupe::actors {

struct recording_request {
  std::span<const std::byte> file;    // as it came; decoded piece by piece, never copied
  std::shared_ptr<const void> holds;  // the file's bytes; dropped when the recording is over
  std::string model;                  // fed or for whole sounds; empty: recording_service::model()
  bool punctuate = true;              // where a model for it is there
  std::vector<std::string> hotwords;
  std::optional<std::uint64_t> timeout_ms;  // without progress; empty: request_timeout_ms
  std::string peer;                         // who asks, for the log
};

// -- events, in the order in which they happen ------------------------------------------------------------------

// The file is a sound that is heard from here on.
struct recording_begun {
  std::string model;
  inference::sound_info sound;
  bool uses_hotwords = false, punctuates = false;
};
// The next sentence, with its times in the whole sound; punctuated where that was asked and could be had.
struct recording_sentence {
  inference::transcript text;
};
// All was heard. Nothing comes after it.
struct recording_ended {
  double sound_s = 0;
};
// Likewise. Errors: unsupported_media, unprocessable, payload_too_large (the file), those of sessions and predictions
// (the model), deadline_exceeded, too_many_requests (max_recordings), unavailable (the server ends).
struct recording_failed {
  error why;
};
using recording_event = std::variant<recording_begun, recording_sentence, recording_ended, recording_failed>;

// Told on any thread, never concurrently; must not block.
using recording_listener = std::function<void(recording_event&&)>;

class recording_service {
 public:
  virtual ~recording_service() = default;
  // Every failure, too, is told (perhaps before this returns). What it gives calls the recording off: nothing is told
  // from then on but what is being told; any thread, any time, also late.
  virtual std::function<void()> transcribe(recording_request request, recording_listener listener) = 0;
  // Who hears a recording, and who punctuates, where a request names nobody. Empty: there is none.
  virtual std::string model() const = 0;
  virtual std::string punctuation() const = 0;
  // Whether that model, or if empty the one that live sessions ask, is registered and cannot be fed: sound that comes
  // live for it is a recording, once it has ended.
  virtual bool hears_whole(const std::string& model) const = 0;
};

}  // namespace troupe::actors
