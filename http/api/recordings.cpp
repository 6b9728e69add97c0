// Whole recordings, and punctuation, in the words of those clients that speak /ws/{client_id} for live speech.

#include "http/api/collect.hpp"
#include "http/api/families.hpp"
#include "http/api/hear.hpp"
#include "http/api/recordings_json.hpp"
#include "http/api/replies.hpp"
#include "http/api/request_fields.hpp"
#include "http/api/text_inputs.hpp"
#include "http/api/upload.hpp"
#include "http/api/whole_answers.hpp"

namespace troupe::http {
namespace {

void hear_upload(const context& c, const exchange_ptr& request, std::string (*write)(const heard_recording&)) {
  upload given(request, c.settings, upload_forms::any);
  auto asked = given.recording();
  if (given.problem()) return request->fail(given.problem()->why);
  hear_whole(c, request, std::move(asked), [write](const heard_recording& all) {
    response out;
    out.body = write(all);
    return out;
  });
}

void post_recognize(const context& c, const exchange_ptr& request, const route_parameters&) {
  hear_upload(c, request, recognized_json);
}

void post_transcribe(const context& c, const exchange_ptr& request, const route_parameters&) {
  hear_upload(c, request, transcribed_json);
}

void post_punctuate(const context& c, const exchange_ptr& request, const route_parameters&) {
  request_fields fields(*request, c.settings);
  auto text = read_text(fields, "text");
  auto named = fields.text("model");
  if (fields.problem()) return request->fail(fields.problem()->why);
  if (!named || named->empty()) named = c.service.recordings().punctuation();
  if (named->empty())
    return request->fail({error_code::model_not_found,
                          "no model for punctuation is registered",
                          "register one, and name it as punctuation_model",
                          {}});
  auto model = choose_model(c.service, named, inference::task::punctuation_restoration);
  if (!model) return request->fail(model.error());
  actors::predict_request asked;
  asked.model = std::move(*model);
  asked.inputs.emplace_back(text);
  asked.asked.task = inference::task::punctuation_restoration;
  collect_whole(c, request, std::move(asked), numbered("text"),
                [text = std::move(text)](const collected& all) { return punctuated_json(all, text); });
}

schema punctuate_request_schema() {
  using s = schema;
  return s::object({{"text", s::text().with("minLength", "1")},
                    s::maybe("model", s::text().nullable().says("Default: the server's model for punctuation"))})
      .with("examples", R"([{"text": "今天天气很好我们出去玩吧"}])");
}

void describe(family_routes::row row, const char* line, schema answer) {
  const auto bytes = schema::text().with("format", R"("binary")");
  for (const auto& f : recording_fields()) row.takes(f.name, f.is, "As in the form, which wins");
  row.upload_body()
      .says(line)
      .needs_body("A recording: in a form, as it is, or in JSON", {{"multipart/form-data", upload_form_schema()},
                                                                   {"application/octet-stream", bytes},
                                                                   {"audio/*", bytes},
                                                                   {"application/json", upload_json_schema()}})
      .answers(200, "What was heard", as_json(std::move(answer)))
      .fails(404, "The registry does not know the model; the message lists similar names")
      .fails(409, "The model was unloaded while the request waited for it")
      .fails(415, "No sound of a format that is taken (UNSUPPORTED_FORMAT); no such form; an encoded body")
      .fails(422, "A damaged file; the model hears no speech; a field that cannot be had")
      .fails(429, "A queue is full, or too many recordings wait; Retry-After tells when to try again")
      .fails(504, "Nothing was heard within the timeout, or not all within max_request_timeout_ms");
}

}  // namespace

std::vector<route> recording_routes() {
  family about{"recordings", "Whole recordings, and punctuation"};
  about.write_error = recordings_error;
  family_routes add(std::move(about));
  describe(add.post("/recognize", post_recognize), "What is said in a recording", recognized_schema());
  describe(add.post("/transcribe", post_transcribe), "The same, with the times of every token", transcribed_schema());
  auto punctuate = add.post("/punctuate", post_punctuate);
  fails_as_whole(punctuate)
      .large_body()
      .says("A text with its punctuation marks")
      .needs_body("The text", as_json(punctuate_request_schema()))
      .answers(200, "The text with marks", as_json(punctuated_schema()));
  return add.take();
}

}  // namespace troupe::http
