#include "http/api/item_answers.hpp"

#include <algorithm>

#include "inference/model/similarity.hpp"
#include "inference/tasks/zero_shot.hpp"

namespace troupe::http {
namespace {

tl::unexpected<error> other_output(const collected& all) {
  return fail(error_code::internal, "Model " + all.model + " gave an output that is not of the task");
}

result<float> similarity_of(const collected& all, const asked_item& item) {
  const auto* sentence = all.answers.front().only<inference::embedding>();
  const auto* other = all.answers[item.first].only<inference::embedding>();
  if (sentence == nullptr || other == nullptr) return other_output(all);
  return inference::cosine(sentence->values, other->values);
}

result<float> rank_of(const collected& all, const asked_item& item) {
  const auto* score = all.answers[item.first].only<inference::single_score>();
  if (score == nullptr) return other_output(all);
  return score->value;
}

}  // namespace

double own_time_ms(const actors::item_timing& t) {
  return (static_cast<double>(t.prepare_us) + t.queue_us + t.infer_us) / 1000.0;
}

const error* request_problem(const collected& all, const std::optional<inference::task>& asked) noexcept {
  const bool wrong_task =
      asked && !all.tasks.empty() && std::find(all.tasks.begin(), all.tasks.end(), *asked) == all.tasks.end();
  for (const auto& answer : all.answers) {
    if (answer.problem && (wrong_task || answer.problem->code == error_code::bad_request)) return &*answer.problem;
  }
  return nullptr;
}

std::span<const item_answer> answers_of(const collected& all, const asked_inputs& asked, const asked_item& item) {
  return std::span(all.answers).subspan(item.first, asked.inputs_an_item);
}

item_state state_of(const collected& all, const asked_inputs& asked, const asked_item& item) {
  item_state out;
  if (item.problem) {
    out.problem = &*item.problem;
    return out;
  }
  out.prediction_cache_hit = true;
  for (const auto& answer : answers_of(all, asked, item)) {
    if (answer.problem && out.problem == nullptr) out.problem = &*answer.problem;
    out.truncated = out.truncated || answer.truncated;
    out.prediction_cache_hit = out.prediction_cache_hit && answer.prediction_cache_hit;
    out.own_time_ms = std::max(out.own_time_ms, own_time_ms(answer.timing));
  }
  return out;
}

result<scored_items> scores_of(const collected& all, const asked_inputs& asked) {
  const bool ranking = asked.form == input_form::ranking;
  if (!ranking && !all.answers.empty() && all.answers.front().problem) {
    return tl::unexpected(*all.answers.front().problem);
  }
  scored_items out;
  for (std::uint32_t i = 0; i < asked.items.size(); ++i) {
    const auto& item = asked.items[i];
    const auto state = state_of(all, asked, item);
    const auto score = state.problem != nullptr ? result<float>(tl::unexpected(*state.problem))
                       : ranking                ? rank_of(all, item)
                                                : similarity_of(all, item);
    if (!score) {
      out.failed.emplace_back(i, score.error());
      continue;
    }
    out.items.push_back(i);
    out.scores.push_back(*score);
  }
  return out;
}

result<std::vector<float>> label_scores_of(const collected& all, const asked_inputs& asked, const asked_item& item,
                                           bool multi_label) {
  std::vector<inference::label_scores> logits;
  logits.reserve(asked.inputs_an_item);
  for (const auto& answer : answers_of(all, asked, item)) {
    const auto* one = answer.only<inference::label_scores>();
    if (one == nullptr || one->values.size() != 2) return other_output(all);
    logits.push_back(*one);
  }
  return inference::zero_shot_scores(logits, multi_label);
}

}  // namespace troupe::http
