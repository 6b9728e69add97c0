#include "inference/tasks/text_classification.hpp"

#include "inference/tasks/labels.hpp"
#include "inference/tasks/scores.hpp"

namespace troupe::inference {
namespace {

// As transformers' pipeline: what config.json says of the problem, else by the number of labels.
result<score_function> scoring_of(const model_json& json, std::int64_t labels) {
  const auto usual = labels == 1 ? score_function::sigmoid : score_function::softmax;
  std::string_view type;
  const auto given = member(json.root(), "problem_type");
  if (!given) return usual;
  if (given->get(type)) return json.problem({"problem_type"}, "must be a string");
  if (type == "multi_label_classification") return score_function::sigmoid;
  if (type == "regression") return score_function::none;
  if (type == "single_label_classification") return usual;
  return json.problem({"problem_type"}, "is '" + std::string(type.substr(0, 60)) + "', which is not supported",
                      "single_label_classification, multi_label_classification, regression");
}

class classification_head final : public task_head {
 public:
  classification_head(score_function score, label_names labels) : score_(score), labels_(std::move(labels)) {}

  network_output wants() const noexcept override { return network_output::logits; }
  const std::vector<std::string>& labels() const noexcept override { return labels_.names; }
  const std::string& notes() const noexcept override { return labels_.notes; }

  result<void> check(const task_parameters& given) const override {
    if (auto ok = check_names(task::text_classification, given, {"top_k", "function_to_apply"}); !ok) return ok;
    if (given.top_k == 0U) return fail(error_code::bad_request, "'top_k' must be at least 1");
    return {};
  }

  result<void> read(const input& in, const text_reader& reader, prepared_text& out) const override {
    auto tokens = reader.read(in, out.parameters, false);
    if (!tokens) return tl::unexpected(tokens.error());
    out.rows.push_back({std::move(*tokens), {}});
    return {};
  }

  output make(const prepared_text& in, const network_answer& given) const override {
    const auto logits = given.rows.front();
    label_scores out{{logits.begin(), logits.end()}};
    apply_score_function(in.parameters.function_to_apply.value_or(score_), out.values);
    return out;
  }

 private:
  score_function score_;
  label_names labels_;
};

result<std::unique_ptr<const task_head>> make_head(const head_source& from) {
  const auto score = scoring_of(from.config, from.plan.logits);
  if (!score) return tl::unexpected(score.error());
  auto labels = read_labels(from);
  if (!labels) return tl::unexpected(labels.error());
  if (auto ok = check_told_apart(labels->names); !ok) return tl::unexpected(ok.error());
  return std::make_unique<const classification_head>(*score, std::move(*labels));
}

}  // namespace

task_kind text_classification() { return {task::text_classification, nullptr, make_head}; }

}  // namespace troupe::inference
