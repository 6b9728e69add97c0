#include "http/api/transcriptions.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "http/api/hear.hpp"
#include "http/api/openai_json.hpp"
#include "http/api/subtitles.hpp"
#include "http/api/transcriptions_json.hpp"
#include "http/api/upload.hpp"
#include "http/core/event_stream.hpp"
#include "http/json/sentences.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

constexpr std::array formats{"json", "text", "srt", "vtt", "verbose_json"};

error no_such_value(const std::string& field, const std::string& value, const std::string& right) {
  return {error_code::bad_request, in_quotes(field) + " cannot be " + in_quotes(shown(value)), right, {}};
}

// What is asked beside the recording.
struct transcription_terms {
  std::string format = "json";
  std::string language;
  bool words = false, segments = false;  // of verbose_json
  bool stream = false;
};

transcription_terms read_terms(upload& given) {
  transcription_terms out;
  if (const auto format = given.text("response_format")) out.format = *format;
  if (std::find(formats.begin(), formats.end(), out.format) == formats.end())
    given.refuse(no_such_value("response_format", out.format, "json, text, srt, vtt or verbose_json"),
                 "response_format");
  out.language = given.text("language").value_or("");
  given.number("temperature", 0, 1);  // nothing here is drawn by chance
  out.stream = given.flag("stream", false);
  if (out.stream && out.format != "json" && out.format != "text")
    given.refuse(
        {error_code::bad_request, "'stream' goes with json and text alone", "leave response_format out, or stream", {}},
        "stream");
  const auto granularities = given.all("timestamp_granularities");
  for (const auto& g : granularities) {
    if (g == "word")
      out.words = true;
    else if (g == "segment")
      out.segments = true;
    else
      given.refuse(no_such_value("timestamp_granularities", g, "word or segment"), "timestamp_granularities");
  }
  if (!granularities.empty() && out.format != "verbose_json")
    given.refuse({error_code::bad_request,
                  "'timestamp_granularities' goes with verbose_json alone",
                  "send response_format=verbose_json",
                  {}},
                 "timestamp_granularities");
  if (granularities.empty()) out.segments = true;
  return out;
}

response plain(std::string body, const char* type) {
  response out;
  out.body = std::move(body);
  out.content_type = type;
  return out;
}

// The client's word, else what the registry says of the model.
std::string language_of(const context& c, const transcription_terms& terms, const heard_recording& all) {
  if (!terms.language.empty()) return terms.language;
  const auto entry = c.service.registration(all.begun.model);
  return entry ? entry->language : std::string();
}

response written(const context& c, const transcription_terms& terms, const heard_recording& all) {
  if (terms.format == "text") return plain(all.text() + "\n", "text/plain; charset=utf-8");
  if (terms.format == "srt") return plain(srt_of(all.sentences), "application/x-subrip; charset=utf-8");
  if (terms.format == "vtt") return plain(vtt_of(all.sentences), "text/vtt; charset=utf-8");
  if (terms.format == "json") return plain(transcription_json(all), "application/json");
  return plain(verbose_transcription_json(all, language_of(c, terms, all), terms.words, terms.segments),
               "application/json");
}

// `transcript.text.delta` a sentence, `transcript.text.done` at the end. What fails before the first is a status.
class streaming_follower final : public recording_follower {
 public:
  explicit streaming_follower(const context& c) : context_(c) {}

  void begun(heard_recording& all) override {
    event_stream::limits bounds;
    bounds.credit_bytes = bounds.pending_bytes = context_.settings.stream_credit_bytes;
    bounds.heartbeat_ms = context_.settings.stream_heartbeat_ms;
    events_ = event_stream::start(all.request, {}, bounds, all.cancel);
  }
  void sentence(heard_recording& all) override {
    const auto& text = all.sentences.back().text;
    std::string delta(between(text_, text));
    delta += text;
    text_ += delta;
    events_->send({}, transcription_delta_json(delta));
  }
  void ended(heard_recording& all) override {
    events_->send({}, transcription_done_json(text_, all.sound_s));
    events_->finish();
  }
  void failed(heard_recording& all, const error& why) override {
    auto told = openai_error(why, why.code == error_code::model_not_found ? "model" : "", {});
    if (!events_) return all.request->respond(std::move(told));
    events_->send({}, told.body);
    events_->finish();
  }

 private:
  const context context_;
  std::shared_ptr<event_stream> events_;
  std::string text_;
};

void post_transcription(const context& c, const exchange_ptr& request, const route_parameters&) {
  upload given(request, c.settings, upload_forms::form_only);
  auto terms = read_terms(given);
  auto asked = given.recording();
  if (given.problem()) return request->respond(openai_error(given.problem()->why, given.problem()->field, {}));
  if (terms.stream) return hear(c, request, std::move(asked), std::make_unique<streaming_follower>(c));
  hear_whole(c, request, std::move(asked),
             [c, terms = std::move(terms)](const heard_recording& all) { return written(c, terms, all); });
}

std::vector<schema::field> form_fields() {
  using s = schema;
  return {s::maybe("language", s::text().says("Told back; the model hears what it hears")),
          s::maybe("prompt", s::text().says("Taken, without effect")),
          s::maybe("response_format", s::one_of({formats.begin(), formats.end()}).says("Default: json")),
          s::maybe("temperature", s::text().says("0 to 1; taken, without effect")),
          s::maybe("timestamp_granularities[]",
                   s::list(s::one_of({"word", "segment"})).says("Of verbose_json; segment by default")),
          s::maybe("stream", s::text().says("true: server-sent events while the recording is heard"))};
}

}  // namespace

void add_transcriptions(family_routes& add) {
  add.post("/v1/audio/transcriptions", post_transcription)
      .upload_body()
      .says("What is said in a recording")
      .needs_body("The recording, and how it is to be told",
                  {{"multipart/form-data", upload_form_schema(form_fields())}})
      .answers(200, "What was heard",
               {{"application/json", schema::any_of({transcription_schema(), verbose_transcription_schema()})},
                {"text/plain", schema::text()},
                {"application/x-subrip", schema::text()},
                {"text/vtt", schema::text()},
                {"text/event-stream", schema::text().says("transcript.text.delta a sentence, transcript.text.done")}})
      .fails(404, "The registry does not know the model; the message lists similar names")
      .fails(409, "The model was unloaded while the request waited for it")
      .fails(415, "No sound of a format that is taken; no form; an encoded body")
      .fails(422, "A damaged file; the model hears no speech")
      .fails(429, "A queue is full, or too many recordings wait; Retry-After tells when to try again")
      .fails(504, "Nothing was heard within the timeout, or not all within max_request_timeout_ms");
}

}  // namespace troupe::http
