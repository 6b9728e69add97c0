#pragma once
// The messages of /ws/{client_id}: JSON both ways, sound in base64. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "config/error.hpp"
#include "inference/audio/sample_formats.hpp"

namespace troupe::http {

enum class client_request : std::uint8_t { start, sound, stop };

struct client_message {
  client_request what = client_request::stop;
  // Of start: how the sound will come.
  inference::sample_format format = inference::sample_format::f32;
  std::uint32_t rate_hz = 16000;
  // Of sound: its bytes.
  std::string bytes;
};

// bad_request: no such message; unprocessable: what it says of sound, or its sound, is not usable.
result<client_message> read_client_message(std::string_view text);
// Whether these bytes can be the next ones of a sound. unprocessable: no whole number of samples, or some that are no
// numbers: they are of another format, most likely, and would be noise.
result<void> check_sound(std::string_view bytes, inference::sample_format format);

std::string write_client_result(std::string_view text, bool last);
std::string write_client_status(std::string_view message, std::string_view code);
std::string write_client_error(std::string_view code, const error& why);
// "MODEL_UNAVAILABLE", ..
std::string_view client_error_code(error_code code) noexcept;

}  // namespace troupe::http
