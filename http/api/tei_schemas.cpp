#include "http/api/tei_schemas.hpp"

namespace troupe::http {
namespace {

using s = schema;

schema vector() { return s::list(s::number().nullable()); }

schema inputs_schema() {
  const auto ids = s::list(s::integer().with("minimum", "0")).with("minItems", "1");
  return s::any_of({s::text(), ids, s::list(s::any_of({s::text(), ids})).with("minItems", "1")})
      .says("A text, token ids, or a list of them");
}

schema texts_schema() { return s::any_of({s::text(), s::list(s::text()).with("minItems", "1")}); }

std::vector<s::field> truncation() {
  return {s::maybe("truncate", s::flag().nullable().says(
                                   "false: what is too long is refused; else it is cut, which X-Truncated tells")),
          s::maybe("truncation_direction",
                   s::text().matching("^([Ll]eft|[Rr]ight)$").nullable().says("The end that is cut"))};
}

s::field prompt() {
  return s::maybe("prompt_name", s::text().nullable().says("One of the checkpoint's prompts, put before each text"));
}

schema request(std::vector<s::field> fields, std::vector<s::field> more = {}) {
  fields.insert(fields.begin(),
                s::maybe("model", s::text().nullable().says("Default: one that does this, the server's default model "
                                                            "before others")));
  fields.insert(fields.end(), more.begin(), more.end());
  return s::object(fields);
}

}  // namespace

schema tei_error_schema() {
  return s::object(
      {{"error", s::text().says("What was wrong, and what would be right")},
       {"error_type", s::one_of({"Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"})}});
}

schema tei_embeddings_schema() { return s::list(vector()); }
schema tei_token_embeddings_schema() { return s::list(s::list(vector()).says("A vector a token")); }
schema tei_similarity_schema() { return vector().says("The cosine of each sentence and the source"); }

schema tei_ranks_schema() {
  return s::list(s::object({{"index", s::integer()}, s::maybe("text", s::text()), {"score", s::number().nullable()}}))
      .says("By falling score");
}

schema tei_predictions_schema() {
  const auto one = s::list(s::object({{"score", s::number().nullable()}, {"label", s::text()}}));
  return s::any_of({one.says("By falling score"), s::list(one)});
}

schema tei_tokens_schema() {
  const auto place = s::integer().nullable();
  return s::list(s::list(s::object({{"id", s::integer()},
                                    {"text", s::text()},
                                    {"special", s::flag()},
                                    {"start", place.says("Unicode characters of the text")},
                                    {"stop", place}})));
}

schema tei_texts_schema() { return s::list(s::text()); }

schema tei_info_schema() {
  return s::object({{"model_id", s::text()},
                    {"model_sha", s::text().nullable().says("Of the files; null while it is not in memory")},
                    {"model_dtype", s::text().nullable()},
                    {"model_type", s::map(s::anything()).nullable()},
                    {"max_concurrent_requests", s::integer()},
                    {"max_input_length", s::integer().nullable()},
                    {"max_batch_tokens", s::integer()},
                    {"max_batch_requests", s::integer().nullable()},
                    {"max_client_batch_size", s::integer()},
                    {"auto_truncate", s::flag()},
                    {"tokenization_workers", s::integer()},
                    {"version", s::text()},
                    {"sha", s::text().nullable()},
                    {"docker_label", s::text().nullable()}});
}

schema tei_embed_request() {
  auto fields = truncation();
  fields.push_back(prompt());
  fields.push_back(s::maybe("normalize", s::flag().nullable().says("Default: true")));
  fields.push_back(s::maybe("dimensions", s::integer().with("minimum", "1").nullable()));
  return request({{"inputs", inputs_schema()}}, fields).with("examples", R"([{"inputs": ["hello", "world"]}])");
}

schema tei_embed_all_request() {
  auto fields = truncation();
  fields.push_back(prompt());
  return request({{"inputs", inputs_schema()}}, fields);
}

schema tei_similarity_request() {
  auto fields = truncation();
  fields.push_back(prompt());
  return request(
      {{"inputs", s::object({{"source_sentence", s::text()}, {"sentences", s::list(s::text()).with("minItems", "1")}})},
       s::maybe("parameters", s::object(fields).nullable())});
}

schema tei_rerank_request() {
  return request({{"query", s::text()},
                  {"texts", s::list(s::text()).with("minItems", "1")},
                  s::maybe("raw_scores", s::flag().nullable().says("true: not through a sigmoid")),
                  s::maybe("return_text", s::flag().nullable())},
                 truncation());
}

schema tei_predict_request() {
  const auto pair = s::list(s::text()).with("minItems", "1").with("maxItems", "2");
  return request({{"inputs", s::any_of({s::text(), pair, s::list(pair).with("minItems", "1")})
                                 .says("A text, a pair of texts, or a list of lists of one or two")},
                  s::maybe("raw_scores", s::flag().nullable().says("true: what the model gives, as it is"))},
                 truncation());
}

schema tei_tokenize_request() {
  return request({{"inputs", texts_schema()},
                  s::maybe("add_special_tokens", s::flag().nullable().says("Default: true")),
                  prompt()});
}

schema tei_decode_request() {
  const auto ids = s::list(s::integer().with("minimum", "0")).with("minItems", "1");
  return request({{"ids", s::any_of({ids, s::list(ids).with("minItems", "1")})},
                  s::maybe("skip_special_tokens", s::flag().nullable().says("Default: true"))});
}

}  // namespace troupe::http
