#include "http/api/recordings_json.hpp"

#include <chrono>
#include <map>

#include "http/core/errors.hpp"
#include "http/json/json_write.hpp"
#include "inference/speech/utf8.hpp"
#include "inference/text/unicode.hpp"

namespace troupe::http {
namespace {

using s = schema;

void write_recognized(json_out& json, const heard_recording& all) {
  json.field("success", true)
      .field("text", all.text())
      .field("duration", all.sound_s)
      .field("processing_time", all.took_s())
      .key("segments")
      .array();
  for (const auto& one : all.sentences) {
    json.object()
        .field("start", one.begin_s)
        .field("end", one.end_s)
        .field("text", one.text)
        .field("confidence", nullptr)  // no model here tells it
        .end_object();
  }
  json.end_array().key("metadata").object();
  json.field("model", all.begun.model)
      .field("format", inference::to_string(all.begun.sound.format))
      .field("sample_rate", all.begun.sound.rate_hz)
      .field("channels", all.begun.sound.channels)
      .field("punctuated", all.begun.punctuates);
  if (all.hotwords_given) json.field("hotwords_used", all.begun.uses_hotwords);
  json.end_object();
}

std::vector<s::field> recognized_fields() {
  const auto time = s::number().nullable();
  const auto segment = s::object({{"start", time.says("In seconds")},
                                  {"end", time},
                                  {"text", s::text()},
                                  {"confidence", s::number().nullable().says("null: no model here tells it")}});
  return {{"success", s::flag().with("enum", "[true]")},
          {"text", s::text()},
          {"duration", s::number().says("Of the sound, in seconds")},
          {"processing_time", s::number().says("In seconds, from the request's end on")},
          {"segments", s::list(segment).says("Sentences, in order")},
          {"metadata", s::object({{"model", s::text()},
                                  {"format", s::text().says("WAV, FLAC, Ogg or MP3")},
                                  {"sample_rate", s::integer().says("Of the file")},
                                  {"channels", s::integer()},
                                  {"punctuated", s::flag()},
                                  s::maybe("hotwords_used", s::flag().says("Where hotwords were given"))})}};
}

struct counted_text {
  std::uint64_t characters = 0;
  std::map<std::string, std::int64_t> marks;
};

// REQUIRES UTF-8.
counted_text count(std::string_view text) {
  counted_text out;
  const auto characters = inference::decode_utf8(text).value_or(std::u32string());
  out.characters = characters.size();
  for (const auto c : characters)
    if (inference::is_set_mark(c)) ++out.marks[inference::encode_utf8({&c, 1})];
  return out;
}

}  // namespace

std::string recognized_json(const heard_recording& all) {
  json_out json;
  json.object();
  write_recognized(json, all);
  return json.end_object().str();
}

schema recognized_schema() { return s::object(recognized_fields()); }

std::string transcribed_json(const heard_recording& all) {
  json_out json;
  json.object();
  write_recognized(json, all);
  json.key("sentences").array();
  for (const auto& one : all.sentences) {
    json.object().field("text", one.text).field("start", one.begin_s).field("end", one.end_s).key("tokens").array();
    for (const auto& t : one.tokens)
      json.object()
          .field("text", t.text)
          .field("id", t.id)
          .field("start", t.begin_s)
          .field("end", t.end_s)
          .end_object();
    json.end_array().end_object();
  }
  return json.end_array().end_object().str();
}

schema transcribed_schema() {
  const auto token = s::object({{"text", s::text().says("As the vocabulary has it")},
                                {"id", s::integer()},
                                {"start", s::number().says("In seconds")},
                                {"end", s::number()}});
  auto fields = recognized_fields();
  fields.push_back({"sentences", s::list(s::object({{"text", s::text()},
                                                    {"start", s::number().nullable()},
                                                    {"end", s::number().nullable()},
                                                    {"tokens", s::list(token)}}))});
  return s::object(fields);
}

std::string punctuated_json(const collected& all, std::string_view original) {
  std::string text;
  if (const auto* t = all.answers.front().only<inference::transcript>()) text = t->text;
  const auto before = count(original), after = count(text);
  json_out json;
  json.object()
      .field("success", true)
      .field("text", text)
      .field("original_text", original)
      .field("punctuated_text", text)
      .field("processing_time", std::chrono::duration<double>(steady_clock::now() - all.started).count())
      .field("model", all.model)
      .key("statistics")
      .object()
      .field("original_length", before.characters)
      .field("punctuated_length", after.characters);
  std::int64_t sum = 0;
  auto marks = after.marks;
  for (const auto& [mark, n] : before.marks) marks[mark] -= n;
  for (const auto& [mark, n] : marks) sum += n;
  json.field("marks_added", sum).key("marks").object();
  for (const auto& [mark, n] : marks)
    if (n != 0) json.field(mark, n);
  return json.end_object().end_object().end_object().str();
}

schema punctuated_schema() {
  return s::object(
      {{"success", s::flag().with("enum", "[true]")},
       {"text", s::text().says("With its marks")},
       {"original_text", s::text()},
       {"punctuated_text", s::text().says("The same as text")},
       {"processing_time", s::number().says("In seconds")},
       {"model", s::text()},
       {"statistics",
        s::object({{"original_length", s::integer().says("In characters")},
                   {"punctuated_length", s::integer()},
                   {"marks_added", s::integer().says("Marks of the punctuated text, less those that were there")},
                   {"marks", s::map(s::integer()).says("The same, by mark")}})}});
}

response recordings_error(const error& why, std::string_view request_id, header_list headers) {
  return worded_error("error", why.message, why, request_id, std::move(headers), nullptr,
                      why.code == error_code::unsupported_media ? "UNSUPPORTED_FORMAT" : std::string_view());
}

}  // namespace troupe::http
