#include "http/api/predict_answer.hpp"

#include <algorithm>

#include "http/api/item_answers.hpp"
#include "http/api/replies.hpp"
#include "http/api/score_order.hpp"

namespace troupe::http {
namespace {

double to_ms(steady_clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

// All writes of an item: the one of a one-shot model as its fields; of a model that steps, the texts joined or
// the steps in a list.
void write_outputs(json_out& json, const predict_answer& answer, const std::vector<inference::output>& outputs) {
  const auto style = answer.style();
  if (outputs.size() == 1) return write_output(json, answer.all.labels, outputs[0], style);
  if (outputs.empty()) return;
  if (std::all_of(outputs.begin(), outputs.end(),
                  [](const auto& o) { return std::holds_alternative<inference::transcript>(o); })) {
    std::string joined;
    for (const auto& o : outputs) joined += std::get<inference::transcript>(o).text;
    json.field("output", joined);
    return;
  }
  json.key("steps").array();
  for (const auto& o : outputs) {
    json.object();
    write_output(json, answer.all.labels, o, style);
    json.end_object();
  }
  json.end_array();
}

// Labels, or texts, by falling score, and the scores beside them.
template <class Name>
void write_labels_and_scores(json_out& json, const std::vector<float>& scores, Name name) {
  const auto places = by_falling_score(scores);
  json.key("labels").array();
  for (const auto i : places) json.value(name(i));
  json.end_array().key("scores").array();
  for (const auto i : places) json.value(scores[i]);
  json.end_array();
}

void write_label_scores(json_out& json, const predict_answer& answer, const asked_item& item) {
  const auto scores = label_scores_of(answer.all, answer.asked, item, answer.parameters.multi_label.value_or(false));
  if (!scores) return write_problem(json, scores.error());
  write_labels_and_scores(json, *scores, [&](std::size_t i) { return (*answer.parameters.candidate_labels)[i]; });
}

void write_item(json_out& json, const predict_answer& answer, const asked_item& item, const item_state& state,
                double processing_ms) {
  if (item.is_text) json.field("text", item.text);
  if (state.problem != nullptr) {
    write_problem(json, *state.problem);
  } else if (answer.asked.form == input_form::zero_shot) {
    write_label_scores(json, answer, item);
  } else {
    write_outputs(json, answer, answer.all.answers[item.first].outputs);
  }
  json.field("model_used", answer.all.model);
  json.field("cache_hit", answer.all.cache_hit);
  json.field("processing_time_ms", processing_ms);
  if (state.truncated) json.field("truncated", true);
  json.field("prediction_cache_hit", state.prediction_cache_hit);
}

void respond_one(const predict_answer& answer, const actors::service& service) {
  const auto& item = answer.asked.items.front();
  const auto state = state_of(answer.all, answer.asked, item);
  if (state.problem != nullptr) return respond_error(*answer.all.request, service, *state.problem, answer.all.model);
  json_out json;
  json.object();
  write_item(json, answer, item, state, to_ms(steady_clock::now() - answer.all.started));
  write_tail(json, answer.all);
  respond_json(answer.all, json.str());
}

void respond_batch(const predict_answer& answer) {
  json_out json;
  json.object().key("results").array();
  predict_counts counts;
  for (std::size_t i = 0; i < answer.asked.items.size(); ++i) {
    json.object();
    write_batch_item(json, answer, i, counts);
    json.end_object();
  }
  json.end_array();
  write_summary(json, answer, counts);
  write_tail(json, answer.all);
  respond_json(answer.all, json.str());
}

// A query, or a sentence, and the scores of those that it was asked with; `errors` of those that failed alone.
void respond_scores(const predict_answer& answer, const actors::service& service) {
  const auto& all = answer.all;
  const auto scored = scores_of(all, answer.asked);
  if (!scored) return respond_error(*all.request, service, scored.error(), all.model);
  json_out json;
  json.object().field("text", answer.asked.query);
  write_labels_and_scores(json, scored->scores,
                          [&](std::size_t i) { return answer.asked.items[scored->items[i]].text; });
  json.key("ranking").array();
  for (const auto i : by_falling_score(scored->scores)) {
    json.object().field("index", scored->items[i]).field("score", scored->scores[i]).end_object();
  }
  json.end_array();
  if (!scored->failed.empty()) {
    json.key("errors").array();
    for (const auto& [i, why] : scored->failed) {
      json.object().field("index", i);
      write_problem(json, why);
      json.end_object();
    }
    json.end_array();
  }
  json.field("model_used", all.model).field("cache_hit", all.cache_hit);
  json.field("processing_time_ms", to_ms(steady_clock::now() - all.started));
  if (all.truncated()) json.field("truncated", true);
  json.field("prediction_cache_hit",
             !all.answers.empty() && std::all_of(all.answers.begin(), all.answers.end(),
                                                 [](const item_answer& a) { return a.prediction_cache_hit; }));
  write_tail(json, all);
  respond_json(all, json.str());
}

}  // namespace

output_style predict_answer::style() const { return style_of(parameters); }

void respond_predict(const predict_answer& answer, const actors::service& service) {
  if (const auto* why = request_problem(answer.all, answer.task)) {
    return respond_error(*answer.all.request, service, *why, answer.all.model);
  }
  switch (answer.asked.form) {
    case input_form::each:
    case input_form::zero_shot: return answer.batch() ? respond_batch(answer) : respond_one(answer, service);
    case input_form::ranking:
    case input_form::similarity: return respond_scores(answer, service);
  }
}

void write_problem(json_out& json, const error& why) {
  json.field("error", why.message).field("code", to_string(why.code));
  if (!why.detail.empty()) json.field("detail", why.detail);
}

void write_batch_item(json_out& json, const predict_answer& answer, std::size_t i, predict_counts& counts) {
  const auto state = state_of(answer.all, answer.asked, answer.asked.items[i]);
  state.problem != nullptr ? ++counts.failed : ++counts.good;
  if (state.problem == nullptr) counts.own_time_ms += state.own_time_ms;
  json.field("index", static_cast<std::uint64_t>(i));
  write_item(json, answer, answer.asked.items[i], state, state.own_time_ms);
}

void write_summary(json_out& json, const predict_answer& answer, const predict_counts& counts) {
  json.key("batch_summary")
      .object()
      .field("total_texts", static_cast<std::uint64_t>(answer.asked.items.size()))
      .field("successful_predictions", counts.good)
      .field("failed_predictions", counts.failed)
      .field("avg_processing_time_ms", counts.good == 0 ? 0.0 : counts.own_time_ms / static_cast<double>(counts.good))
      .field("total_processing_time_ms", to_ms(steady_clock::now() - answer.all.started))
      .field("model_used", answer.all.model)
      .end_object();
}

void write_tail(json_out& json, const collected& all) {
  if (!all.request->request_id().empty()) json.field("request_id", all.request->request_id());
  json.field("timestamp", std::chrono::system_clock::now()).end_object();
}

}  // namespace troupe::http
