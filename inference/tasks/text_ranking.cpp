#include "inference/tasks/text_ranking.hpp"

#include "inference/tasks/sentence_config.hpp"
#include "inference/tasks/torch_activation.hpp"

namespace troupe::inference {
namespace {

bool applies(const head_source& from) { return from.plan.logits == 1; }

// The class that the checkpoint names, newest place first; empty: none.
result<std::string> activation_class(const head_source& from, const sentence_config& sentence) {
  if (!sentence.activation_fn.empty()) return sentence.activation_fn;
  const auto root = from.config.root();
  const auto newer = member(root, "sentence_transformers");
  const bool has_newer = newer && member(*newer, "activation_fn");
  const auto given = has_newer ? member(*newer, "activation_fn") : member(root, "sbert_ce_default_activation_function");
  if (!given) return std::string();
  std::string_view name;
  if (!given->get(name)) return std::string(name);
  return has_newer ? from.config.problem({"sentence_transformers", "activation_fn"}, "must be the name of a class")
                   : from.config.problem({"sbert_ce_default_activation_function"}, "must be the name of a class");
}

class ranking_head final : public task_head {
 public:
  ranking_head(scalar_function activation, text_rules rules, std::string notes)
      : activation_(activation), rules_(std::move(rules)), notes_(std::move(notes)) {}

  network_output wants() const noexcept override { return network_output::logits; }
  const std::vector<std::string>& labels() const noexcept override { return none_; }
  const std::string& notes() const noexcept override { return notes_; }

  result<void> check(const task_parameters& given) const override {
    return check_names(task::text_ranking, given, {"raw_scores"});
  }

  result<void> read(const input& in, const text_reader& reader, prepared_text& out) const override {
    const auto* pair = in.only<text_pair>();
    if (pair == nullptr)
      return fail(error_code::unprocessable, "text-ranking takes a query and a text, not " + std::string(kind_of(in)));
    auto tokens = reader.pair(rules_.applied(rules_.default_prompt, pair->first), rules_.applied({}, pair->second),
                              out.parameters, false);
    if (!tokens) return tl::unexpected(tokens.error());
    out.rows.push_back({std::move(*tokens), {}});
    return {};
  }

  output make(const prepared_text& in, const network_answer& given) const override {
    const auto logit = given.rows.front().front();
    const bool raw = in.parameters.raw_scores.value_or(false);
    return single_score{raw ? logit : static_cast<float>(activation_(logit))};
  }

 private:
  scalar_function activation_;
  text_rules rules_;
  std::vector<std::string> none_;
  std::string notes_;
};

result<std::unique_ptr<const task_head>> make_head(const head_source& from) {
  if (from.plan.logits != 1)
    return fail(error_code::unprocessable, "text-ranking needs a classifier of one label",
                "this one has " + std::to_string(from.plan.logits));
  auto sentence = read_sentence_config(from.spec.path, sentence_model::cross_encoder, from.tokens);
  if (!sentence) return tl::unexpected(sentence.error());
  if (!sentence->modules.empty())
    return fail(error_code::unprocessable,
                sentence->modules.front().place + ": a CrossEncoder with a " +
                    sentence->modules.front().type.substr(0, 60) + " is not supported",
                "Transformer alone");
  const auto name = activation_class(from, *sentence);
  if (!name) return tl::unexpected(name.error());
  scalar_function activation = sigmoid;
  if (is_torch_class(*name)) {
    const auto known = torch_activation(*name);
    if (!known) return tl::unexpected(known.error());
    // Raw scores are given to those who ask for them.
    if (*known != identity) activation = *known;
  } else if (!name->empty()) {
    sentence->notes += (sentence->notes.empty() ? "" : "; ") + ("the activation '" + name->substr(0, 100)) +
                       "' is code of the checkpoint's own: sigmoid stands for it, as in sentence-transformers";
  }
  return std::make_unique<const ranking_head>(activation, std::move(sentence->rules), std::move(sentence->notes));
}

}  // namespace

task_kind text_ranking() { return {task::text_ranking, applies, make_head}; }

}  // namespace troupe::inference
