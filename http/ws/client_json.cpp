#include "http/ws/client_json.hpp"

#include <cstring>
#include <utility>

#include "http/json/base64.hpp"
#include "http/json/json_write.hpp"
#include "http/json/text.hpp"
#include "http/ws/message_fields.hpp"
#include "inference/audio/sample.hpp"

namespace troupe::http {
namespace {

using inference::sample_format;
using simdjson::dom::element;

constexpr std::pair<std::string_view, sample_format> formats[] = {
    {"float32", sample_format::f32}, {"int16", sample_format::s16}, {"int32", sample_format::s32}};

result<void> read_format(element value, sample_format& out) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    for (const auto& [name, format] : formats) {
      if (text != name) continue;
      out = format;
      return {};
    }
  }
  return refuse_field("format", text.empty() ? std::string(kind_of(value)) : in_quotes(shown(text)),
                      "float32, int16, int32", error_code::unprocessable);
}

result<void> read_start(simdjson::dom::object all, client_message& out) {
  element value;
  if (all["format"].get(value) == simdjson::SUCCESS && !value.is_null()) {
    if (auto read = read_format(value, out.format); !read) return read;
  }
  if (all["sample_rate"].get(value) == simdjson::SUCCESS && !value.is_null()) {
    return read_rate_field(value, "sample_rate", out.rate_hz, error_code::unprocessable);
  }
  return {};
}

result<void> read_sound(simdjson::dom::object all, client_message& out) {
  std::string_view text;
  if (all["data"].get(text) != simdjson::SUCCESS) {
    return fail(error_code::unprocessable, "audio_chunk: \"data\" is missing, or no string", "samples in base64");
  }
  auto bytes = from_base64(text);
  if (!bytes) return fail(error_code::unprocessable, "audio_chunk: \"data\" is not base64", "samples in base64");
  out.bytes = std::move(*bytes);
  return {};
}

}  // namespace

result<client_message> read_client_message(std::string_view text) {
  json_body json;
  constexpr const char* known = "\"type\" is start_recording, audio_chunk or stop_recording";
  const auto all = read_message(json, text, known);
  if (!all) return tl::unexpected(all.error());
  std::string_view type;
  if ((*all)["type"].get(type) != simdjson::SUCCESS) {
    return fail(error_code::bad_request, "A message has a \"type\"", known);
  }
  client_message out;
  result<void> read;
  if (type == "start_recording") {
    out.what = client_request::start;
    read = read_start(*all, out);
  } else if (type == "audio_chunk") {
    out.what = client_request::sound;
    read = read_sound(*all, out);
  } else if (type == "stop_recording") {
    out.what = client_request::stop;
  } else {
    return fail(error_code::bad_request, "Unknown message type: " + in_quotes(shown(type)), known);
  }
  if (!read) return tl::unexpected(read.error());
  return out;
}

result<void> check_sound(std::string_view bytes, sample_format format) {
  const auto size = inference::size_bytes(format);
  if (bytes.size() % size != 0) {
    return fail(error_code::unprocessable,
                "audio_chunk: " + std::to_string(bytes.size()) + " bytes are no whole number of samples",
                std::string(inference::to_string(format)) + " has " + std::to_string(size) + " bytes a sample");
  }
  if (format != sample_format::f32) return {};
  std::size_t strange = 0;
  for (std::size_t at = 0; at < bytes.size(); at += size) {
    float sample = 0;
    std::memcpy(&sample, bytes.data() + at, sizeof sample);
    if (inference::heard(sample) != sample) ++strange;  // NaN is not itself, either
  }
  if (strange == 0) return {};
  return fail(error_code::unprocessable,
              "audio_chunk: " + std::to_string(strange) + " of " + std::to_string(bytes.size() / size) +
                  " samples are no numbers",
              "32-bit float, little-endian, -1 to 1; another format is named in start_recording");
}

std::string write_client_result(std::string_view text, bool last) {
  json_out json;
  json.object()
      .field("type", "recognition_result")
      .field("text", text)
      .field("is_final", last)
      .field("timestamp", std::chrono::system_clock::now())
      .field("confidence", nullptr);  // no model here tells one
  return json.end_object().str();
}

std::string write_client_status(std::string_view message, std::string_view code) {
  json_out json;
  return json.object().field("type", "status").field("message", message).field("code", code).end_object().str();
}

std::string write_client_error(std::string_view code, const error& why) {
  json_out json;
  json.object()
      .field("type", "error")
      .field("message", why.message)
      .field("code", code)
      .field("details", why.detail.empty() ? why.message : why.detail);
  return json.end_object().str();
}

std::string_view client_error_code(error_code code) noexcept {
  switch (code) {
    case error_code::model_not_found:
    case error_code::load_failed:
    case error_code::insufficient_memory:
    case error_code::unavailable:
    case error_code::model_failed: return "MODEL_UNAVAILABLE";
    case error_code::unprocessable: return "INVALID_AUDIO_FORMAT";
    case error_code::deadline_exceeded: return "CONNECTION_TIMEOUT";
    case error_code::payload_too_large: return "BUFFER_OVERFLOW";
    default: return "SESSION_ERROR";
  }
}

}  // namespace troupe::http
