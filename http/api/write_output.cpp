#include "http/api/write_output.hpp"

#include <algorithm>

namespace troupe::http {
namespace {

void write_classification(json_out& json, const std::vector<std::string>& labels,
                          const inference::classification& c) {
  const auto label = [&](std::size_t i) { return i < labels.size() ? labels[i] : "LABEL_" + std::to_string(i); };
  const auto best = std::max_element(c.probabilities.begin(), c.probabilities.end());
  if (best == c.probabilities.end()) {
    json.field("prediction", nullptr).field("confidence", nullptr);
  } else {
    json.field("prediction", label(static_cast<std::size_t>(best - c.probabilities.begin())));
    json.field("confidence", *best);
  }
  json.key("probabilities").object();
  for (std::size_t i = 0; i < c.probabilities.size(); ++i) json.field(label(i), c.probabilities[i]);
  json.end_object();
}

}  // namespace

void write_output(json_out& json, const std::vector<std::string>& labels, const inference::output& out) {
  if (const auto* c = std::get_if<inference::classification>(&out)) {
    write_classification(json, labels, *c);
  } else if (const auto* t = std::get_if<inference::tensor>(&out)) {
    json.key("outputs").elements(*t);
    json.key("shape").array();
    for (const auto n : t->shape) json.value(n);
    json.end_array().field("datatype", inference::to_string(t->type));
  } else if (const auto* s = std::get_if<std::string>(&out)) {
    json.field("output", *s);
  }
}

}  // namespace troupe::http
