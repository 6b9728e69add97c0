// The door of Hugging Face's clients: POST /models/{model_name} takes their inference form.

#include "http/api/inference.hpp"

#include <utility>

#include "http/api/collect.hpp"
#include "http/api/families.hpp"
#include "http/api/inference_schemas.hpp"
#include "http/api/question_form.hpp"
#include "http/api/replies.hpp"
#include "http/api/unknown_model.hpp"
#include "http/api/write_inference.hpp"

namespace troupe::http {
namespace {

// What of a request is needed when its answers are there.
struct inference_call {
  asked_inputs asked;
  form_parameters parameters;
  std::optional<inference::task> task;
};

void respond(const inference_call& call, const actors::service& service, const collected& all) {
  auto body = inference_json(all, call.asked, call.parameters, call.task);
  if (!body) return respond_error(*all.request, service, std::move(body.error()), all.model);
  respond_json(all, std::move(*body));
}

void post_inference(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  answer_inference(c, request, in_path["model_name"]);
}

}  // namespace

void answer_inference(const context& c, const exchange_ptr& request, const std::string& model) {
  if (!c.service.knows(model)) return respond_error(*request, c.service, unknown_model(c.service, model));
  auto form = read_question(*request, c.settings, c.service, model);
  if (!form) return respond_error(*request, c.service, form.error());
  auto call = std::make_shared<const inference_call>(
      inference_call{std::move(form->asked), std::move(form->parameters), form->request.asked.task});
  if (form->request.inputs.empty()) {  // every item was bad
    collected none;
    none.request = request;
    none.model = model;
    return respond(*call, c.service, none);
  }
  collect(request, c.service, std::move(form->request),
          [call, &service = c.service](collected& all) { respond(*call, service, all); });
}

void describe_inference(family_routes::row row) {
  row.large_body()
      .says("Asks a model as Hugging Face's inference clients do; the form of the inputs tells the task")
      .needs_body("The inputs, and parameters, which may stand beside them", as_json(inference_schema()))
      .answers(200, "As the task answers; of a list a list. X-Truncated: true where a text was cut",
               as_json(inference_answer_schema()))
      .fails(404, "The registry does not know the model; the detail lists similar names")
      .fails(409, "The model was unloaded while the request waited for it")
      .fails(413, "The body, a text or the number of inputs is too large; a candidate label counts as one a text")
      .fails(415, "No JSON, or an encoded body")
      .fails(422, "An empty text, or a task that the model does not do; the detail says which it does")
      .fails(429, "A queue is full; Retry-After tells when to try again")
      .fails(504, "The request's own deadline passed");
}

std::vector<route> inference_routes() {
  family_routes add({"inference", "Hugging Face's inference form: every task, for the hub's own clients"});
  describe_inference(add.post("/models/{model_name}", post_inference));
  return add.take();
}

}  // namespace troupe::http
