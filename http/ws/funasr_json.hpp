#pragma once
// FunASR's messages: what a client says of its sound, and what it is told. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/sessions.hpp"
#include "http/ws/funasr_stamps.hpp"

namespace troupe::http {

// What a connection's messages have said so far, the defaults where nothing did.
struct funasr_terms {
  actors::session_mode mode = actors::session_mode::two_pass;
  inference::live_options options;
  std::string wav_name = "wav-default-id";
  std::uint32_t rate_hz = 16000;
  // "pcm"; else a file's, whatever it is called: what it is, its bytes tell.
  std::string wav_format = "pcm";
};

enum class funasr_mark : std::uint8_t { none, begin, end };

// Reads one message into `terms`: any of the keys may be in it, at any time; unknown keys, and those that change
// nothing here (itn, svs_lang, svs_itn, chunk_interval), are passed over. Errors name the key (bad_request), and leave
// `terms` as they were.
result<funasr_mark> read_funasr(std::string_view message, funasr_terms& terms);

// "阿里巴巴 20" a line, a JSON map in a string, or words between spaces and commas.
std::vector<std::string> funasr_hotwords(std::string_view text);

// A result. `mode` is of the result: "2pass-online", ..
struct funasr_result {
  std::string mode, text;
  std::optional<funasr_stamps> stamps{};  // of a sentence
};
std::string write_funasr(const funasr_result& result, const std::string& wav_name, bool last);
std::string write_funasr_error(const std::string& mode, const std::string& wav_name, const error& why);

}  // namespace troupe::http
