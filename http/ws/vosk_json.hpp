#pragma once
// vosk-server's messages: what a client says of its sound, and what it is told. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"
#include "inference/speech/spoken_words.hpp"

namespace troupe::http {

// What a connection's messages have said so far, vosk-server's defaults where nothing did.
struct vosk_terms {
  std::uint32_t rate_hz = 8000;
  bool words = true;                 // told with each sentence, and when each was spoken
  bool alternatives = false;         // the form that has a list of them: ours has one
  std::string model;                 // a registered one; empty: the connection's
  std::vector<std::string> phrases;  // a hint to a model that takes hotwords; never a grammar
};

enum class vosk_mark : std::uint8_t { none, reset, eof };

// Reads one message into `terms`: {"config": {..}}, {"eof" : 1}, {"reset" : 1}. Unknown keys within "config" are passed
// over. Errors name the key (bad_request), and leave `terms` as they were.
result<vosk_mark> read_vosk(std::string_view message, vosk_terms& terms);

// Sentences that have ended; empty: nothing was said.
struct vosk_text {
  std::string text;
  std::vector<inference::spoken_word> words;
};
std::string write_vosk_partial(std::string_view text);
// `conf` and `confidence` are null: no model here tells one.
std::string write_vosk_text(const vosk_text& said, const vosk_terms& terms);
std::string write_vosk_error(const error& why);

}  // namespace troupe::http
