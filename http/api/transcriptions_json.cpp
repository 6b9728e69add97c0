#include "http/api/transcriptions_json.hpp"

#include <cmath>

#include "http/json/json_write.hpp"
#include "inference/speech/spoken_words.hpp"

namespace troupe::http {
namespace {

using s = schema;

// As they count it: whole seconds begun.
void write_usage(json_out& json, double sound_s) {
  json.key("usage")
      .object()
      .field("type", "duration")
      .field("seconds", static_cast<std::uint64_t>(std::ceil(sound_s)))
      .end_object();
}

schema usage_schema() { return s::object({{"type", s::one_of({"duration"})}, {"seconds", s::integer()}}); }

void write_segments(json_out& json, const heard_recording& all) {
  json.key("segments").array();
  std::uint64_t id = 0;
  for (const auto& one : all.sentences) {
    json.object().field("id", id++).field("start", one.begin_s).field("end", one.end_s).field("text", one.text);
    json.key("tokens").array();
    for (const auto& t : one.tokens) json.value(t.id);
    json.end_array().end_object();
  }
  json.end_array();
}

void write_words(json_out& json, const heard_recording& all) {
  json.key("words").array();
  for (const auto& one : all.sentences)
    for (const auto& w : inference::words_of(one.tokens))
      json.object().field("word", w.text).field("start", w.begin_s).field("end", w.end_s).end_object();
  json.end_array();
}

}  // namespace

std::string transcription_json(const heard_recording& all) {
  json_out json;
  json.object().field("text", all.text());
  write_usage(json, all.sound_s);
  return json.end_object().str();
}

schema transcription_schema() { return s::object({{"text", s::text()}, {"usage", usage_schema()}}); }

std::string verbose_transcription_json(const heard_recording& all, std::string_view language, bool words,
                                       bool segments) {
  json_out json;
  json.object().field("task", "transcribe").key("language");
  language.empty() ? json.value(nullptr) : json.value(language);
  json.field("duration", all.sound_s).field("text", all.text());
  if (segments) write_segments(json, all);
  if (words) write_words(json, all);
  write_usage(json, all.sound_s);
  return json.end_object().str();
}

schema verbose_transcription_schema() {
  const auto segment = s::object({{"id", s::integer()},
                                  {"start", s::number().nullable().says("In seconds")},
                                  {"end", s::number().nullable()},
                                  {"text", s::text()},
                                  {"tokens", s::list(s::integer())}});
  const auto word = s::object({{"word", s::text()}, {"start", s::number()}, {"end", s::number()}});
  return s::object({{"task", s::one_of({"transcribe"})},
                    {"language", s::text().nullable().says("The request's, else the registry's; null: not known")},
                    {"duration", s::number().says("In seconds")},
                    {"text", s::text()},
                    s::maybe("segments", s::list(segment).says("Sentences")),
                    s::maybe("words", s::list(word)),
                    {"usage", usage_schema()}});
}

std::string transcription_delta_json(std::string_view delta) {
  json_out json;
  return json.object().field("type", "transcript.text.delta").field("delta", delta).end_object().str();
}

std::string transcription_done_json(std::string_view text, double sound_s) {
  json_out json;
  json.object().field("type", "transcript.text.done").field("text", text);
  write_usage(json, sound_s);
  return json.end_object().str();
}

}  // namespace troupe::http
