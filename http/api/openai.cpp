// OpenAI's routes, and the re-ranking that Jina, Cohere and vLLM have beside them.

#include "http/api/answer_with.hpp"
#include "http/api/families.hpp"
#include "http/api/openai_json.hpp"
#include "http/api/text_inputs.hpp"
#include "http/api/transcriptions.hpp"
#include "http/api/unknown_model.hpp"
#include "http/api/whole_answers.hpp"

namespace troupe::http {
namespace {

// True: the request is answered.
bool refused(const exchange_ptr& request, const request_fields& fields) {
  if (!fields.problem()) return false;
  request->respond(openai_error(fields.problem()->why, fields.problem()->field, {}));
  return true;
}

void get_models(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.report(answer_json<actors::server_report>(c, request, {}, openai_models_json));
}

void get_model(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto& model = in_path["model_name"];
  c.service.report(answer_with<actors::server_report>(c, request, {}, [c, model](const actors::server_report& report) {
    for (const auto& m : report.models) {
      if (m.registration.name != model) continue;
      response out;
      out.body = openai_model_json(m, report.started);
      return out;
    }
    return openai_error(unknown_model(c.service, model), "model", {});
  }));
}

void post_embeddings(const context& c, const exchange_ptr& request, const route_parameters&) {
  request_fields fields(*request, c.settings);
  actors::predict_request asked;
  form_parameters how;
  const auto named = fields.text("model");
  asked.inputs = read_texts_or_ids(fields, "input");
  for (const char* name : {"dimensions", "encoding_format", "truncate", "prompt_name", "normalize"}) {
    fields.parameter(name, how);
  }
  fields.text("user");  // whose it is: nothing depends on it
  if (refused(request, fields)) return;
  auto model = choose_model(c.service, named, inference::task::feature_extraction);
  if (!model) return request->respond(openai_error(model.error(), "model", {}));
  asked.model = std::move(*model);
  asked.asked = {inference::task::feature_extraction, std::move(how.task)};
  collect_whole(
      c, request, std::move(asked), numbered("input"),
      [base64 = how.base64.value_or(false)](const collected& all) { return openai_embeddings_json(all, base64); });
}

void post_rerank(const context& c, const exchange_ptr& request, const route_parameters&) {
  request_fields fields(*request, c.settings);
  actors::predict_request asked;
  form_parameters how;
  const auto named = fields.text("model");
  const auto query = read_text(fields, "query");
  auto documents = read_texts(fields, "documents", true);
  const auto top_n = fields.count("top_n");
  // As Jina and vLLM do; Cohere's clients, which do not, have room for it.
  const bool told = fields.flag("return_documents", true);
  for (const char* name : {"raw_scores", "truncate"}) fields.parameter(name, how);
  asked.inputs = query_pairs(fields, query, documents);
  if (refused(request, fields)) return;
  auto model = choose_model(c.service, named, inference::task::text_ranking);
  if (!model) return request->respond(openai_error(model.error(), "model", {}));
  asked.model = std::move(*model);
  asked.asked = {inference::task::text_ranking, std::move(how.task)};
  if (!told) documents.clear();
  collect_whole(c, request, std::move(asked), numbered("documents"),
                [top_n = top_n.value_or(UINT32_MAX), documents = std::move(documents)](const collected& all) {
                  return rerank_json(all, top_n, documents);
                });
}

// What both take beside their inputs.
std::vector<schema::field> with_model(std::vector<schema::field> fields) {
  using s = schema;
  fields.insert(fields.begin(),
                s::maybe("model", s::text().nullable().says("Default: the first that does this, the server's default "
                                                            "model before others")));
  fields.push_back(s::maybe("truncate", s::flag().nullable().says("false: what is too long is refused, not cut")));
  return fields;
}

schema embeddings_request_schema() {
  using s = schema;
  const auto ids = s::list(s::integer().with("minimum", "0")).with("minItems", "1");
  const auto list = s::list(s::any_of({s::text(), ids})).with("minItems", "1");
  return s::object(
             with_model({{"input", s::any_of({s::text(), ids, list}).says("A text, token ids, or a list of them")},
                         s::maybe("encoding_format", s::one_of({"float", "base64"}).nullable()),
                         s::maybe("dimensions", s::integer()
                                                    .with("minimum", "1")
                                                    .nullable()
                                                    .says("The vector is cut to so many numbers and normalized again")),
                         s::maybe("normalize", s::flag().nullable().says("Default: as the checkpoint says")),
                         s::maybe("prompt_name", s::text().nullable().says("One of the checkpoint's prompts")),
                         s::maybe("user", s::text().nullable().says("Taken, without effect"))}))
      .with("examples", R"([{"model": "minilm", "input": ["hello", "world"], "encoding_format": "float"}])");
}

schema rerank_request_schema() {
  using s = schema;
  const auto document = s::any_of({s::text(), s::object({{"text", s::text()}})});
  return s::object(
             with_model({{"query", s::text()},
                         {"documents", s::list(document).with("minItems", "1")},
                         s::maybe("top_n", s::integer().with("minimum", "1").nullable().says("Default: all of them")),
                         s::maybe("return_documents", s::flag().nullable().says("Default: true")),
                         s::maybe("raw_scores", s::flag().nullable().says("true: not through a sigmoid"))}))
      .with("examples", R"([{"model": "reranker", "query": "what is a cat?", "documents": ["an animal", "a car"]}])");
}

}  // namespace

std::vector<route> openai_routes() {
  family_routes add(openai_family());
  add.get("/v1/models", get_models)
      .says("The models that can be asked")
      .answers(200, "By name", as_json(openai_models_schema()));
  add.get("/v1/models/{model_name}", get_model)
      .says("One model")
      .answers(200, "It is registered", as_json(openai_model_schema()));
  const auto predicts = [](family_routes::row row) { return fails_as_whole(row.large_body()); };
  predicts(add.post("/v1/embeddings", post_embeddings))
      .says("A vector for each input")
      .needs_body("The inputs: all are good, or none is answered", as_json(embeddings_request_schema()))
      .answers(200, "The vectors, in order", as_json(openai_embeddings_schema()));
  predicts(add.post("/v1/rerank", post_rerank))
      .says("How well each document answers a query")
      .needs_body("The query and the documents: all are good, or none is answered", as_json(rerank_request_schema()))
      .answers(200, "The best documents", as_json(rerank_schema()));
  add_transcriptions(add);
  return add.take();
}

}  // namespace troupe::http
