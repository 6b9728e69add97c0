#include <algorithm>
#include <cassert>
#include <optional>

#include "inference/tasks/labels.hpp"
#include "inference/tasks/scores.hpp"
#include "inference/tasks/zero_shot.hpp"

namespace troupe::inference {
namespace {

namespace dom = simdjson::dom;

bool says_entailment(std::string_view name) noexcept {
  constexpr std::string_view begin = "entail";
  return name.size() >= begin.size() && std::equal(begin.begin(), begin.end(), name.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + ('a' - 'A')) : b);
         });
}

// Its place among the logits, by the first of label2id's names that says so; by the names of the labels where the
// registry or id2label alone gives them. Null: none says so.
std::optional<std::size_t> entailment_of(const head_source& from, const std::vector<std::string>& names) {
  const auto given = member(from.config.root(), "label2id");
  dom::object numbers;
  if (from.spec.labels.empty() && given && !given->get(numbers) && numbers.size() == names.size()) {
    for (const auto [key, value] : numbers) {
      std::uint64_t number = 0;
      if (says_entailment(key) && !value.get(number) && number < names.size()) return number;
    }
    return std::nullopt;
  }
  const auto found = std::find_if(names.begin(), names.end(), says_entailment);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

bool applies(const head_source& from) {
  if (from.plan.logits != 2 && from.plan.logits != 3) return false;
  const auto labels = read_labels(from);
  return labels && entailment_of(from, labels->names);
}

class zero_shot_head final : public task_head {
 public:
  zero_shot_head(std::size_t contradiction, std::size_t entailment, std::string notes)
      : contradiction_(contradiction), entailment_(entailment), notes_(std::move(notes)) {}

  network_output wants() const noexcept override { return network_output::logits; }
  const std::vector<std::string>& labels() const noexcept override { return none_; }
  const std::string& notes() const noexcept override { return notes_; }

  result<void> check(const task_parameters& given) const override {
    return check_names(task::zero_shot_classification, given, {});
  }

  result<void> read(const input& in, const text_reader& reader, prepared_text& out) const override {
    const auto* pair = in.only<text_pair>();
    if (pair == nullptr)
      return fail(error_code::unprocessable,
                  "zero-shot-classification takes a text and a hypothesis, not " + std::string(kind_of(in)));
    auto tokens = reader.pair(pair->first, pair->second, out.parameters, true);
    if (!tokens) return tl::unexpected(tokens.error());
    out.rows.push_back({std::move(*tokens), {}});
    return {};
  }

  output make(const prepared_text&, const network_answer& given) const override {
    const auto logits = given.rows.front();
    return label_scores{{logits[contradiction_], logits[entailment_]}};
  }

 private:
  std::size_t contradiction_, entailment_;
  std::vector<std::string> none_;
  std::string notes_;
};

result<std::unique_ptr<const task_head>> make_head(const head_source& from) {
  if (from.plan.logits < 2)
    return fail(error_code::unprocessable, "zero-shot-classification needs a classifier of two labels or more",
                "this one has " + std::to_string(from.plan.logits));
  auto labels = read_labels(from);
  if (!labels) return tl::unexpected(labels.error());
  const auto last = labels->names.size() - 1;
  const auto found = entailment_of(from, labels->names);
  const auto entailment = found.value_or(last);
  const std::string notes =
      found ? ""
            : "no label's name begins with 'entail': zero-shot-classification takes the last, as transformers does";
  return std::make_unique<const zero_shot_head>(entailment == 0 ? last : 0, entailment, notes);
}

}  // namespace

task_kind zero_shot_classification() { return {task::zero_shot_classification, applies, make_head}; }

std::vector<float> zero_shot_scores(std::span<const label_scores> candidates, bool multi_label) {
  std::vector<float> scores;
  scores.reserve(candidates.size());
  for (const auto& one : candidates) {
    assert(one.values.size() == 2);
    if (!multi_label && candidates.size() > 1) {
      scores.push_back(one.values[1]);
      continue;
    }
    std::vector<float> both{one.values[0], one.values[1]};
    softmax(both);
    scores.push_back(both[1]);
  }
  if (!multi_label && candidates.size() > 1) softmax(scores);
  return scores;
}

}  // namespace troupe::inference
