#include "http/ws/realtime_request.hpp"

#include <utility>

#include "http/json/base64.hpp"
#include "http/json/text.hpp"
#include "http/ws/message_fields.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::element;

constexpr std::size_t event_id_bytes_max = 512;  // an error repeats it
constexpr std::string_view known =
    "session.update, transcription_session.update, input_audio_buffer.append, .commit and .clear";

realtime_result<void> read_event(std::string_view type, simdjson::dom::object all, realtime_request& out) {
  element value;
  if (type == "input_audio_buffer.append") {
    out.what = realtime_what::append;
    std::string_view text;
    if (all["audio"].get(value) != simdjson::SUCCESS) return refuse_param("audio", "nothing", "sound in base64");
    if (value.get(text) != simdjson::SUCCESS) return refuse_param("audio", kind_of(value), "sound in base64");
    auto bytes = from_base64(text);
    if (!bytes) return refuse_param("audio", "no base64", "sound in base64");
    out.sound = std::move(*bytes);
    return {};
  }
  if (type == "session.update" || type == "transcription_session.update") {
    out.what = realtime_what::update;
    out.beta = type != "session.update";
    if (all["session"].get(value) != simdjson::SUCCESS) return refuse_param("session", "nothing", "an object");
    return read_realtime_session(value, out.terms);
  }
  if (type == "input_audio_buffer.commit") {
    out.what = realtime_what::commit;
    return {};
  }
  if (type == "input_audio_buffer.clear") {
    out.what = realtime_what::clear;
    return {};
  }
  return tl::unexpected(realtime_fault{{error_code::bad_request,
                                        "No event of a transcription session: " + in_quotes(shown(type)),
                                        "it knows " + std::string(known),
                                        {}},
                                       "type",
                                       "unknown_event",
                                       {}});
}

}  // namespace

realtime_result<realtime_request> read_realtime(std::string_view message, const realtime_terms& now) {
  json_body json;
  const auto all = read_message(json, message, known);
  if (!all) return tl::unexpected(realtime_fault{all.error(), {}, {}, {}});
  realtime_request out;
  out.terms = now;
  const auto with_id = [&](realtime_fault fault) {
    fault.event_id = out.event_id;
    return tl::unexpected(std::move(fault));
  };
  element value;
  std::string_view text;
  if ((*all)["event_id"].get(value) == simdjson::SUCCESS && !value.is_null()) {
    if (value.get(text) != simdjson::SUCCESS || text.size() > event_id_bytes_max) {
      return refuse_param("event_id", kind_of(value), "a string of at most " + std::to_string(event_id_bytes_max));
    }
    out.event_id = text;
  }
  if ((*all)["type"].get(text) != simdjson::SUCCESS) {
    return with_id(refuse_param("type", "nothing, or no string", known).value());
  }
  if (auto read = read_event(text, *all, out); !read) return with_id(std::move(read.error()));
  return out;
}

}  // namespace troupe::http
