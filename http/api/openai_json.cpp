#include "http/api/openai_json.hpp"

#include <chrono>

#include "http/api/whole_answers.hpp"
#include "http/api/write_output.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

using s = schema;

void write_model(json_out& json, const actors::model_report& model, actors::wall_time created) {
  const auto& r = model.registration;
  const auto slash = r.name.find('/');
  const auto owner = !r.provider.empty()          ? r.provider
                     : slash != std::string::npos ? r.name.substr(0, slash)
                                                  : std::string("troupe");
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(created.time_since_epoch()).count();
  json.object()
      .field("id", r.name)
      .field("object", "model")
      .field("created", static_cast<std::int64_t>(seconds))
      .field("owned_by", owner)
      .end_object();
}

void write_usage(json_out& json, const collected& all) {
  json.key("usage").object().field("prompt_tokens", all.tokens()).field("total_tokens", all.tokens()).end_object();
}

schema usage_schema() {
  return s::object({{"prompt_tokens", s::integer().says("That the model saw, special ones included")},
                    {"total_tokens", s::integer().says("The same")}});
}

s::field truncated_field() { return s::maybe("truncated", s::flag().says("An input was cut to the model's length")); }

}  // namespace

std::string openai_models_json(const actors::server_report& report) {
  json_out json;
  json.object().field("object", "list").key("data").array();
  for (const auto& m : report.models) {
    if (m.registration.enabled) write_model(json, m, report.started);
  }
  return json.end_array().end_object().str();
}

std::string openai_model_json(const actors::model_report& model, actors::wall_time created) {
  json_out json;
  write_model(json, model, created);
  return json.str();
}

schema openai_model_schema() {
  return s::object({{"id", s::text()},
                    {"object", s::one_of({"model"})},
                    {"created", s::integer().says("When this server started, in Unix seconds")},
                    {"owned_by", s::text().says("The registry's provider, else the name's namespace")}});
}

schema openai_models_schema() {
  return s::object({{"object", s::one_of({"list"})}, {"data", s::list(openai_model_schema())}});
}

std::string openai_embeddings_json(const collected& all, bool base64) {
  json_out json;
  json.object().field("object", "list").key("data").array();
  for (std::size_t i = 0; i < all.answers.size(); ++i) {
    json.object().field("object", "embedding").field("index", i).key("embedding");
    write_vector(json, answer_of<inference::embedding>(all.answers[i]), base64);
    json.end_object();
  }
  json.end_array().field("model", all.model);
  write_usage(json, all);
  if (all.truncated()) json.field("truncated", true);
  return json.end_object().str();
}

schema openai_embeddings_schema() {
  const auto vector =
      s::any_of({s::list(s::number().nullable()), s::text().says("Base64 of float32 numbers, little-endian")});
  return s::object(
      {{"object", s::one_of({"list"})},
       {"data",
        s::list(s::object({{"object", s::one_of({"embedding"})}, {"index", s::integer()}, {"embedding", vector}}))},
       {"model", s::text()},
       {"usage", usage_schema()},
       truncated_field()});
}

std::string rerank_json(const collected& all, std::size_t top_n, const std::vector<std::string>& documents) {
  json_out json;
  json.object();
  if (!all.request->request_id().empty()) json.field("id", "rerank-" + all.request->request_id());
  json.field("object", "list").field("model", all.model).key("results").array();
  for (const auto& [index, score] : ranking_of(all, top_n)) {
    json.object().field("index", index).field("relevance_score", score);
    if (!documents.empty()) json.key("document").object().field("text", documents[index]).end_object();
    json.end_object();
  }
  json.end_array();
  write_usage(json, all);
  json.key("meta").object().key("tokens").object().field("input_tokens", all.tokens()).end_object().end_object();
  if (all.truncated()) json.field("truncated", true);
  return json.end_object().str();
}

schema rerank_schema() {
  const auto result = s::object({{"index", s::integer().says("Of the document, as they were given")},
                                 {"relevance_score", s::number().nullable()},
                                 s::maybe("document", s::object({{"text", s::text()}}))});
  return s::object({s::maybe("id", s::text()),
                    {"object", s::one_of({"list"})},
                    {"model", s::text()},
                    {"results", s::list(result).says("By falling score")},
                    {"usage", usage_schema()},
                    {"meta", s::object({{"tokens", s::object({{"input_tokens", s::integer()}})}})
                                 .says("The same, where Cohere's clients look")},
                    truncated_field()});
}

}  // namespace troupe::http
