#include "inference/tasks/labels.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace troupe::inference {
namespace {

namespace dom = simdjson::dom;

// What config.json says of names.
struct config_names {
  std::vector<std::string> numbered;  // that stand for those it names
  std::string place;                  // "config.json:3:5: 'id2label'"
  std::string notes;
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
result<bool> names_are_dropped(const model_json& json, std::size_t names, std::size_t labels_max, config_names& c) {
  const auto given = member(json.root(), "num_labels");
  if (!given) return false;
  std::uint64_t count = 0;
  if (given->get(count) || count < 1 || count > labels_max)
    return json.problem({"num_labels"}, "must be a whole number from 1 to " + std::to_string(labels_max));
  if (count == names) return false;
  c.notes += (c.notes.empty() ? "" : "; ") + ("the " + std::to_string(names)) +
             " names of id2label are not used: num_labels is " + std::to_string(count) + ", as in transformers";
  for (std::uint64_t i = 0; i < count; ++i) c.numbered.push_back("LABEL_" + std::to_string(i));
  c.place = json.place({"num_labels"}) + ": 'num_labels'";
  return true;
}

result<std::vector<std::string>> config_labels(const model_json& json, config_names& c) {
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
    if (*dropped) return std::move(c.numbered);
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
  c.place = json.place({source}) + ": '" + source + '\'';
  std::vector<std::string> labels;
  for (auto& [number, name] : by_number) {
    if (number != labels.size())
      return json.problem(
          {source}, "must number its labels from 0 without gaps: " + std::to_string(labels.size()) + " has no name",
          "a name for each number, or 'labels' in the registry");
    labels.push_back(std::move(name));
  }
  return labels;
}

std::vector<std::string> numbered_labels(std::size_t count) {
  std::vector<std::string> names;
  names.reserve(count);
  for (std::size_t i = 0; i < count; ++i) names.push_back("LABEL_" + std::to_string(i));
  return names;
}

}  // namespace

result<label_names> read_labels(const head_source& from) {
  config_names c;
  auto names = config_labels(from.config, c);
  const auto& registered = from.spec.labels;
  // What is wrong with config.json's is not needed where the registry has its own.
  if (!names && registered.empty()) return tl::unexpected(names.error());
  const auto count = static_cast<std::size_t>(from.plan.logits);
  const bool own = registered.empty();
  const auto& chosen = own ? *names : registered;
  if (chosen.empty()) return label_names{numbered_labels(count), std::move(c.notes)};
  if (chosen.size() != count)
    return fail(error_code::unprocessable,
                (own ? c.place : std::string("'labels' in the registry")) + " names " + std::to_string(chosen.size()) +
                    " labels, the classifier has " + std::to_string(count),
                "a name for each row of the classifier's weight");
  return label_names{chosen, std::move(c.notes)};
}

result<void> check_told_apart(const std::vector<std::string>& names) {
  auto sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return {};
  return fail(error_code::unprocessable, "two labels are named '" + twice->substr(0, 60) + "'",
              "names that differ, in id2label or in the registry's labels");
}

}  // namespace troupe::inference
