#include "inference/tasks/text_classification.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

namespace troupe::inference {
namespace {

namespace dom = simdjson::dom;

// What config.json says of the answers.
struct classification_settings {
  score_function score = score_function::softmax;
  std::vector<std::string> labels;      // empty: config.json names none
  std::string labels_place;             // "config.json:3:5: 'id2label'"
  std::optional<error> labels_problem;  // what is wrong with its names, where they are needed
  std::string notes;                    // what was concluded, not read; empty: nothing
};

// A label as Python writes it into a text: a number is a name as good as another.
// `written`: the value as the file has it.
result<std::string> label_text(const model_json& json, const std::string& key, dom::element value,
                               std::string_view written) {
  std::string_view text;
  if (!value.get(text)) return std::string(text);
  if (value.is_number()) return std::string(written);
  bool flag = false;
  if (!value.get(flag)) return std::string(flag ? "True" : "False");
  if (value.is_null()) return std::string("None");
  return json.problem({"id2label", key}, "must be a string or a number");
}

result<std::uint64_t> label_number(const model_json& json, const std::string& key) {
  std::uint64_t number = 0;
  const auto* end = key.data() + key.size();
  const auto read = std::from_chars(key.data(), end, number);
  if (read.ec != std::errc{} || read.ptr != end || number > INT32_MAX)
    return json.problem({"id2label", key}, "has a key that is no label number");
  return number;
}

// A num_labels that differs from the names wins over them, as in transformers.
result<bool> names_are_dropped(const model_json& json, std::size_t names, std::size_t labels_max, classification_settings& c) {
  const auto given = member(json.root(), "num_labels");
  if (!given) return false;
  std::uint64_t count = 0;
  if (given->get(count) || count < 1 || count > labels_max)
    return json.problem({"num_labels"}, "must be a whole number from 1 to " + std::to_string(labels_max));
  if (count == names) return false;
  c.notes += (c.notes.empty() ? "" : "; ") + ("the " + std::to_string(names)) +
             " names of id2label are not used: num_labels is " + std::to_string(count) + ", as in transformers";
  for (std::uint64_t i = 0; i < count; ++i) c.labels.push_back("LABEL_" + std::to_string(i));
  c.labels_place = json.place({"num_labels"}) + ": 'num_labels'";
  return true;
}

result<std::vector<std::string>> config_labels(const model_json& json, classification_settings& c) {
  constexpr std::size_t labels_max = 100'000;
  std::map<std::uint64_t, std::string> by_number;
  const char* source = "id2label";
  dom::object names;
  if (const auto given = member(json.root(), source)) {
    if (given->get(names)) return json.problem({source}, "must be an object: label numbers to names");
    if (names.size() > labels_max) return json.problem({source}, "has more than 100000 labels");
    const auto written = json.members_written({source});
    for (std::size_t i = 0; const auto [key, value] : names) {
      const std::string name(key);
      const auto number = label_number(json, name);
      if (!number) return tl::unexpected(number.error());
      auto text = label_text(json, name, value, written.at(i++));
      if (!text) return tl::unexpected(text.error());
      by_number.insert_or_assign(*number, std::move(*text));
    }
    const auto dropped = names_are_dropped(json, by_number.size(), labels_max, c);
    if (!dropped) return tl::unexpected(dropped.error());
    if (*dropped) return std::move(c.labels);
  } else if (const auto reverse = member(json.root(), "label2id")) {
    source = "label2id";
    if (reverse->get(names)) return json.problem({source}, "must be an object: label names to numbers");
    if (names.size() > labels_max) return json.problem({source}, "has more than 100000 labels");
    for (const auto [key, value] : names) {
      std::uint64_t number = 0;
      if (value.get(number)) return json.problem({source, std::string(key)}, "must be a label number");
      by_number.insert_or_assign(number, std::string(key));
    }
  }
  c.labels_place = json.place({source}) + ": '" + source + '\'';
  std::vector<std::string> labels;
  for (auto& [number, name] : by_number) {
    if (number != labels.size())
      return json.problem({source},
                          "must number its labels from 0 without gaps: " + std::to_string(labels.size()) +
                              " has no name",
                          "a name for each number, or 'labels' in the registry");
    labels.push_back(std::move(name));
  }
  return labels;
}

result<void> read_scoring(const model_json& json, classification_settings& c) {
  std::string_view type;
  const auto given = member(json.root(), "problem_type");
  if (!given) return {};
  if (given->get(type)) return json.problem({"problem_type"}, "must be a string");
  if (type == "multi_label_classification")
    c.score = score_function::sigmoid;
  else if (type == "regression")
    c.score = score_function::none;
  else if (type != "single_label_classification")
    return json.problem({"problem_type"},
                        "is '" + std::string(type.substr(0, 60)) + "', which is not supported",
                        "single_label_classification, multi_label_classification, regression");
  return {};
}

result<classification_settings> read_settings(const model_json& json) {
  classification_settings c;
  if (auto ok = read_scoring(json, c); !ok) return tl::unexpected(ok.error());
  if (auto labels = config_labels(json, c))
    c.labels = std::move(*labels);
  else
    c.labels_problem = labels.error();
  return c;
}

// Answers name a probability by its label.
result<std::vector<std::string>> told_apart(std::vector<std::string> names) {
  auto sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return names;
  return fail(error_code::unprocessable, "two labels are named '" + twice->substr(0, 60) + "'",
              "names that differ, in id2label or in the registry's labels");
}

// The registry's names, else config.json's, else numbers.
result<std::vector<std::string>> labels_of(const artifact_spec& spec, const classification_settings& c,
                                           std::int64_t count) {
  const auto n = static_cast<std::size_t>(count);
  if (spec.labels.empty() && c.labels_problem) return tl::unexpected(*c.labels_problem);
  for (const auto* names : {&spec.labels, &c.labels}) {
    if (names->empty()) continue;
    if (names->size() != n)
      return fail(error_code::unprocessable,
                  (names == &c.labels ? c.labels_place : std::string("'labels' in the registry")) + " names " +
                      std::to_string(names->size()) + " labels, the classifier has " + std::to_string(n),
                  "a name for each row of classifier.weight");
    return told_apart(*names);
  }
  std::vector<std::string> numbered;
  numbered.reserve(n);
  for (std::size_t i = 0; i < n; ++i) numbered.push_back("LABEL_" + std::to_string(i));
  return numbered;
}

class classification_head final : public task_head {
 public:
  classification_head(score_function score, std::vector<std::string> labels, std::string notes)
      : score_(score), labels_(std::move(labels)), notes_(std::move(notes)) {}

  network_output wants() const noexcept override { return network_output::logits; }
  const std::vector<std::string>& labels() const noexcept override { return labels_; }
  const std::string& notes() const noexcept override { return notes_; }
  bool takes(const task_parameters& parameters) const noexcept override {
    return std::holds_alternative<std::monostate>(parameters) ||
           std::holds_alternative<text_classification_parameters>(parameters);
  }
  output make(std::span<const float> lines, std::int64_t, const task_parameters& parameters) const override {
    label_scores out{{lines.begin(), lines.end()}};
    const auto* given = std::get_if<text_classification_parameters>(&parameters);
    apply_score_function(given != nullptr ? given->function_to_apply.value_or(score_) : score_, out.values);
    return out;
  }

 private:
  score_function score_;
  std::vector<std::string> labels_;
  std::string notes_;
};

result<std::unique_ptr<const task_head>> make_head(const model_json& config, const artifact_spec& spec,
                                                   const weight_plan& plan) {
  auto settings = read_settings(config);
  if (!settings) return tl::unexpected(settings.error());
  auto labels = labels_of(spec, *settings, plan.logits);
  if (!labels) return tl::unexpected(labels.error());
  return std::make_unique<const classification_head>(settings->score, std::move(*labels), std::move(settings->notes));
}

}  // namespace

task_kind text_classification() { return {task::text_classification, make_head}; }

void apply_score_function(score_function function, std::span<float> values) noexcept {
  if (function == score_function::none || values.empty()) return;
  if (function == score_function::sigmoid || values.size() == 1) {
    for (auto& v : values) v = 1.0F / (1.0F + std::exp(-v));
    return;
  }
  const float most = *std::max_element(values.begin(), values.end());
  float sum = 0;
  for (auto& v : values) sum += v = std::exp(v - most);
  for (auto& v : values) v /= sum;
}

}  // namespace troupe::inference
