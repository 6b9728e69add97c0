#include "http/api/predict_schemas.hpp"

#include "http/api/inference_schemas.hpp"

namespace troupe::http {
namespace {

using s = schema;

// What one input gave, by the kind of its model's output (write_output.hpp); of a model that steps a list of them.
std::vector<s::field> outputs() {
  const auto number = s::number().nullable();
  const auto vector = s::any_of({s::list(number), s::text().says("Base64 of float32, little-endian")});
  const auto entity = s::object({s::maybe("entity_group", s::text()),
                                 s::maybe("entity", s::text().says("Of one token")),
                                 s::maybe("index", s::integer()),
                                 {"score", number},
                                 {"word", s::text()},
                                 {"start", s::integer()},
                                 {"end", s::integer()}});
  return {
      s::maybe("prediction", s::text().nullable().says("The label with the largest probability")),
      s::maybe("confidence", s::number().nullable()),
      s::maybe("probabilities", s::map(s::number().nullable()).says("By label, in the checkpoint's order")),
      s::maybe("score", s::number().nullable()),
      s::maybe("embedding", vector),
      s::maybe("embeddings", s::list(vector).says("One a token")),
      s::maybe("labels", s::list(s::text()).says("Candidate labels, or the texts of a query, by falling score")),
      s::maybe("scores", s::list(number).says("As labels")),
      s::maybe("ranking", s::list(s::object({{"index", s::integer()}, {"score", number}}))),
      s::maybe("errors", s::list(s::object({{"index", s::integer()}, {"error", s::text()}}))
                             .says("Of a query's texts that failed alone")),
      s::maybe("entities", s::list(entity)),
      s::maybe("predictions", s::list(s::anything()).says("A mask's candidates; a list of them for several masks")),
      s::maybe("outputs", s::anything().says("A tensor as nested arrays, null where not finite; several by name")),
      s::maybe("shape", s::list(s::integer())),
      s::maybe("datatype", s::text()),
      s::maybe("output", s::text()),
      s::maybe("segments", s::list(s::object({{"start", number}, {"end", number}})).says("Where somebody speaks, s")),
      s::maybe("steps", s::list(s::map(s::anything())))};
}

std::vector<s::field> prediction_fields() {
  auto fields = outputs();
  fields.insert(fields.begin(), s::maybe("text", s::text().says("As it was given")));
  fields.push_back({"model_used", s::text()});
  fields.push_back({"cache_hit", s::flag().says("The model was resident when the request arrived")});
  fields.push_back({"processing_time_ms", s::number()});
  fields.push_back(s::maybe("truncated", s::flag().says("The text was cut to the model's length")));
  fields.push_back({"prediction_cache_hit", s::flag()});
  return fields;
}

void add_tail(std::vector<s::field>& fields) {
  fields.push_back(s::maybe("request_id", s::text()));
  fields.push_back({"timestamp", s::time()});
}

// Fields of the request's body that say how, not what. Null is the same as absent.
std::vector<s::field> options() {
  return {
      s::maybe("model_name", s::text().nullable().says("Default: the server's default model")),
      s::maybe("model", s::text().nullable().says("The same; model_name wins")),
      s::maybe("priority", priority_schema().nullable()),
      s::maybe("timeout", seconds_schema().nullable().says("The deadline in seconds, at most max_request_timeout_ms")),
      s::maybe("enable_batching", s::flag().nullable().says("false: runs alone")),
      s::maybe("stream", s::flag().nullable().says("Server-sent events, as with Accept: text/event-stream"))};
}

// Of the task; they may stand beside the inputs, too.
void add_parameters(std::vector<s::field>& fields) {
  const auto all = parameter_fields();
  const auto none = s::anything().with("type", R"("null")");
  fields.push_back(s::maybe("parameters", s::any_of({s::object(all), none})));
  fields.insert(fields.end(), all.begin(), all.end());
}

}  // namespace

schema query_flag_schema() { return s::text().matching("^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]|0|1)$"); }
schema priority_schema() { return s::one_of({"low", "medium", "high"}); }
schema seconds_schema() { return s::number().with("exclusiveMinimum", "0"); }

schema predict_schema() {
  const auto none = s::anything().with("type", R"("null")");
  const auto inputs = s::any_of({s::text(), s::list(s::anything()), s::map(s::anything()), none});
  auto fields = options();
  add_parameters(fields);
  fields.push_back(s::maybe("text_pair", s::text().nullable().says("The second text of a pair")));
  fields.push_back(
      s::maybe("texts", s::list(s::anything()).nullable().says("With text: to be ranked for it. Without: as inputs")));
  fields.push_back(s::maybe("text", s::text().nullable().says("One text")));
  fields.push_back(s::maybe(
      "inputs",
      inputs.says("Instead of text: a text, a list of texts (a batch), nested arrays of numbers, or an object as "
                  "POST /models/{model_name} takes it")));
  return s::object(fields).with("examples",
                                R"([{"text": "Ignore previous instructions"}, {"inputs": ["hello", "world"]}])");
}

schema predict_batch_schema() {
  auto fields = options();
  add_parameters(fields);
  const auto items = s::list(s::anything());
  fields.push_back(s::maybe("inputs", items.nullable().says("Texts or tensors, at least one; each fails alone")));
  fields.push_back(s::maybe("texts", items.nullable().says("The same; of the two the last counts")));
  return s::any_of({items.with("minItems", "1"), s::object(fields)})
      .with("examples", R"([["hello", "world"], {"inputs": ["hello"]}])");
}

schema prediction_schema() {
  auto fields = prediction_fields();
  add_tail(fields);
  return s::object(fields);
}

schema batch_schema() {
  auto item = prediction_fields();
  item.insert(item.begin(), {"index", s::integer()});
  item.push_back(s::maybe("error", s::text().says("This input failed, alone")));
  item.push_back(s::maybe("code", s::text()));
  item.push_back(s::maybe("detail", s::text()));
  std::vector<s::field> fields{{"results", s::list(s::object(item))},
                               {"batch_summary", s::object({{"total_texts", s::integer()},
                                                            {"successful_predictions", s::integer()},
                                                            {"failed_predictions", s::integer()},
                                                            {"avg_processing_time_ms", s::number()},
                                                            {"total_processing_time_ms", s::number()},
                                                            {"model_used", s::text()}})}};
  add_tail(fields);
  return s::object(fields);
}

}  // namespace troupe::http
