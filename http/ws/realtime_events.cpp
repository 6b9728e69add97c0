#include "http/ws/realtime_events.hpp"

#include "http/core/openai_words.hpp"

namespace troupe::http {
namespace {

void text_or_null(json_out& json, std::string_view key, std::string_view text) {
  json.key(key);
  text.empty() ? json.value(nullptr) : json.value(text);
}

void write_fault(json_out& json, const realtime_fault& fault) {
  json.key("error")
      .object()
      .field("type", openai_error_type(fault.why.code))
      .field("code", fault.code.empty() ? openai_error_code(fault.why.code) : fault.code)
      .field("message", openai_error_message(fault.why));
  text_or_null(json, "param", fault.param);
}

std::string whole(json_out& json) { return json.end_object().str(); }

}  // namespace

json_out& realtime_events::begin(json_out& json, std::string_view type) {
  return json.object().field("type", type).field("event_id", "event_" + id_ + "_" + std::to_string(++events_));
}

json_out& realtime_events::begin(json_out& json, std::string_view type, std::string_view item) {
  return begin(json, type).field("item_id", item).field("content_index", 0);
}

std::string realtime_events::session(std::string_view type, const realtime_terms& terms, bool beta) {
  json_out json;
  begin(json, type)
      .key("session")
      .object()
      .field("id", "sess_" + id_)
      .field("object", "realtime.transcription_session");
  write_realtime_terms(json, terms, beta);
  json.end_object();
  return whole(json);
}

std::string realtime_events::error(const realtime_fault& fault) {
  json_out json;
  begin(json, "error");
  write_fault(json, fault);
  text_or_null(json, "event_id", fault.event_id);
  json.end_object();
  return whole(json);
}

std::string realtime_events::cleared() {
  json_out json;
  begin(json, "input_audio_buffer.cleared");
  return whole(json);
}

std::string realtime_events::committed(std::string_view item, std::string_view previous) {
  json_out json;
  begin(json, "input_audio_buffer.committed");
  json.field("item_id", item);
  text_or_null(json, "previous_item_id", previous);
  return whole(json);
}

std::vector<std::string> realtime_events::item(std::string_view item, std::string_view previous) {
  std::vector<std::string> out;
  const auto add = [&](std::string_view type) {
    json_out json;
    begin(json, type);
    text_or_null(json, "previous_item_id", previous);
    json.key("item").object().field("id", item).field("object", "realtime.item").field("type", "message");
    json.field("status", "completed").field("role", "user").key("content").array();
    json.object().field("type", "input_audio").field("transcript", nullptr).end_object().end_array().end_object();
    out.push_back(whole(json));
  };
  if (beta_) {
    add("conversation.item.created");
  } else {
    add("conversation.item.added");
    add("conversation.item.done");
  }
  return out;
}

std::string realtime_events::speech_started(std::string_view item, std::int64_t at_ms) {
  json_out json;
  begin(json, "input_audio_buffer.speech_started");
  json.field("audio_start_ms", at_ms).field("item_id", item);
  return whole(json);
}

std::string realtime_events::speech_stopped(std::string_view item, std::int64_t at_ms) {
  json_out json;
  begin(json, "input_audio_buffer.speech_stopped");
  json.field("audio_end_ms", at_ms).field("item_id", item);
  return whole(json);
}

std::string realtime_events::delta(std::string_view item, std::string_view text) {
  json_out json;
  begin(json, "conversation.item.input_audio_transcription.delta", item);
  json.field("delta", text);
  return whole(json);
}

std::string realtime_events::completed(std::string_view item, std::string_view text, double sound_s) {
  json_out json;
  begin(json, "conversation.item.input_audio_transcription.completed", item);
  json.field("transcript", text);
  json.key("usage").object().field("type", "duration").field("seconds", sound_s).end_object();
  return whole(json);
}

std::string realtime_events::failed(std::string_view item, const realtime_fault& fault) {
  json_out json;
  begin(json, "conversation.item.input_audio_transcription.failed", item);
  write_fault(json, fault);
  json.end_object();
  return whole(json);
}

}  // namespace troupe::http
