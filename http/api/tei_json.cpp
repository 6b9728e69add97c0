#include "http/api/tei_json.hpp"

#include "config/version.hpp"
#include "http/api/score_order.hpp"
#include "http/api/whole_answers.hpp"
#include "http/api/write_output.hpp"
#include "http/core/errors.hpp"
#include "http/json/json_write.hpp"
#include "inference/model/similarity.hpp"

namespace troupe::http {
namespace {

using inference::task;

std::string_view type_of(error_code code) {
  switch (code) {
    case error_code::unprocessable: return "Tokenizer";
    case error_code::too_many_requests: return "Overloaded";
    case error_code::insufficient_memory:
    case error_code::unavailable:
    case error_code::load_failed: return "Unhealthy";
    case error_code::model_failed:
    case error_code::deadline_exceeded:
    case error_code::cancelled:
    case error_code::conflict:
    case error_code::internal: return "Backend";
    default: return "Validation";
  }
}

void write_predictions(json_out& json, const collected& all, const item_answer& answer) {
  json.array();
  const auto& scores = answer_of<inference::label_scores>(answer).values;
  for (const auto place : by_falling_score(scores)) {
    json.object().field("score", scores[place]).field("label", label_of(all.labels, place)).end_object();
  }
  json.end_array();
}

void write_labels(json_out& json, const char* kind, const std::vector<std::string>& labels) {
  json.key(kind).object().key("id2label").object();
  for (std::size_t i = 0; i < labels.size(); ++i) json.field(std::to_string(i), labels[i]);
  json.end_object().key("label2id").object();
  for (std::size_t i = 0; i < labels.size(); ++i) json.field(labels[i], i);
  json.end_object().end_object();
}

// {"embedding": ..}, {"classifier": ..} or {"reranker": ..}; null: it is none of theirs, or not known what it is.
void write_kind(json_out& json, const actors::model_report& model) {
  const auto& info = model.info;
  const auto own = info && !info->tasks.empty() ? std::optional(info->tasks.front())
                                                : inference::parse_task(model.registration.task);
  const auto& labels = info ? info->labels : model.registration.labels;
  json.key("model_type");
  if (own == task::feature_extraction || own == task::sentence_similarity) {
    json.object().key("embedding").object().field("pooling", nullptr).end_object().end_object();
  } else if (own == task::text_classification || own == task::text_ranking) {
    json.object();
    write_labels(json, own == task::text_ranking ? "reranker" : "classifier", labels);
    json.end_object();
  } else {
    json.value(nullptr);
  }
}

std::optional<std::string> dtype_of(const std::optional<inference::model_info>& info) {
  if (!info) return std::nullopt;
  return info->precision == "fp32" ? "float32" : info->precision == "bf16" ? "bfloat16" : info->precision;
}

}  // namespace

response tei_error(const error& why, header_list headers, bool empty_list) {
  response out;
  out.status = status_of(why.code);
  json_out json;
  json.object()
      .field("error", why.detail.empty() ? why.message : why.message + ": " + why.detail)
      .field("error_type", empty_list ? "Empty" : type_of(why.code))
      .end_object();
  out.body = json.str();
  add_error_headers(why, headers);
  out.headers = std::move(headers);
  return out;
}

std::string tei_embeddings_json(const collected& all) {
  json_out json;
  json.array();
  for (const auto& answer : all.answers) write_vector(json, answer_of<inference::embedding>(answer), false);
  return json.end_array().str();
}

std::string tei_token_embeddings_json(const collected& all) {
  json_out json;
  json.array();
  for (const auto& answer : all.answers) write_vectors(json, answer_of<inference::token_embeddings>(answer), false);
  return json.end_array().str();
}

std::string tei_similarity_json(const collected& all) {
  json_out json;
  json.array();
  const auto& source = answer_of<inference::embedding>(all.answers.front()).values;
  for (std::size_t i = 1; i < all.answers.size(); ++i) {
    json.value(inference::cosine(source, answer_of<inference::embedding>(all.answers[i]).values));
  }
  return json.end_array().str();
}

std::string tei_ranks_json(const collected& all, const std::vector<std::string>& texts) {
  json_out json;
  json.array();
  for (const auto& [index, score] : ranking_of(all)) {
    json.object().field("index", index);
    if (!texts.empty()) json.field("text", texts[index]);
    json.field("score", score).end_object();
  }
  return json.end_array().str();
}

std::string tei_predictions_json(const collected& all, bool list) {
  json_out json;
  if (list) json.array();
  for (const auto& answer : all.answers) write_predictions(json, all, answer);
  if (list) json.end_array();
  return json.str();
}

std::string tei_tokens_json(const actors::tokenized_texts& all) {
  json_out json;
  json.array();
  for (const auto& tokens : all) {
    json.array();
    for (const auto& t : tokens) {
      json.object().field("id", t.id).field("text", t.text).field("special", t.special);
      json.field("start", t.begin).field("stop", t.end).end_object();
    }
    json.end_array();
  }
  return json.end_array().str();
}

std::string tei_texts_json(const actors::decoded_texts& all) {
  json_out json;
  json.array();
  for (const auto& text : all) json.value(text);
  return json.end_array().str();
}

std::string tei_info_json(const actors::model_report& model, const config::settings& settings) {
  const auto& r = model.registration;
  const auto& info = model.info;
  json_out json;
  json.object()
      .field("model_id", r.name)
      .field("model_sha", info ? std::optional(info->version) : std::nullopt)
      .field("model_dtype", dtype_of(info));
  write_kind(json, model);
  json.field("max_concurrent_requests", settings.max_in_flight_items)
      .field("max_input_length", info && info->max_length != 0 ? std::optional(info->max_length) : std::nullopt)
      .field("max_batch_tokens", r.max_batch_tokens.value_or(settings.max_batch_tokens))
      .field("max_batch_requests", r.max_batch_items.value_or(settings.max_batch_items))
      .field("max_client_batch_size", settings.max_batch_inputs)
      .field("auto_truncate", true)
      .field("tokenization_workers", settings.prepare_threads)
      .field("version", version::project)
      .field("sha", nullptr)
      .field("docker_label", nullptr);
  return json.end_object().str();
}

}  // namespace troupe::http
