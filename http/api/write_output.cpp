#include "http/api/write_output.hpp"

#include <algorithm>

namespace troupe::http {
namespace {

// One writer for each kind of output, in document 001's words.
class output_writer {
 public:
  output_writer(json_out& json, const std::vector<std::string>& labels) : json_(json), labels_(labels) {}

  void operator()(std::monostate) const {}

  void operator()(const inference::label_scores& scores) const {
    const auto& values = scores.values;
    const auto best = std::max_element(values.begin(), values.end());
    if (best == values.end()) {
      json_.field("prediction", nullptr).field("confidence", nullptr);
    } else {
      json_.field("prediction", label(static_cast<std::size_t>(best - values.begin())));
      json_.field("confidence", *best);
    }
    json_.key("probabilities").object();
    for (std::size_t i = 0; i < values.size(); ++i) json_.field(label(i), values[i]);
    json_.end_object();
  }

  void operator()(const inference::single_score& score) const { json_.field("score", score.value); }

  void operator()(const inference::embedding& vector) const {
    json_.key("embedding").array();
    for (const auto v : vector.values) json_.value(v);
    json_.end_array();
  }

  void operator()(const inference::spans& spans) const {
    json_.key("entities").array();
    for (const auto& s : spans.found) {
      json_.object().field("entity_group", s.label).field("score", s.score).field("word", s.word);
      json_.field("start", s.begin).field("end", s.end).end_object();
    }
    json_.end_array();
  }

  // A list for the only mask, a list of them for several.
  void operator()(const inference::mask_candidates& candidates) const {
    json_.key("predictions");
    const bool several = candidates.masks.size() != 1;
    if (several) json_.array();
    for (const auto& mask : candidates.masks) {
      json_.array();
      for (const auto& c : mask) {
        json_.object().field("sequence", c.sequence).field("score", c.score);
        json_.field("token", c.token_id).field("token_str", c.token).end_object();
      }
      json_.end_array();
    }
    if (several) json_.end_array();
  }

  // The only output without a name stands for itself, named ones by their names.
  void operator()(const inference::named_tensors& tensors) const {
    if (tensors.all.size() == 1 && tensors.all[0].name.empty()) return write_tensor("outputs", tensors.all[0].value);
    json_.key("outputs").object();
    for (const auto& one : tensors.all) {
      json_.key(one.name).object();
      write_tensor("data", one.value);
      json_.end_object();
    }
    json_.end_object();
  }

  void operator()(const inference::transcript& piece) const { json_.field("output", piece.text); }

 private:
  std::string label(std::size_t i) const { return i < labels_.size() ? labels_[i] : "LABEL_" + std::to_string(i); }

  void write_tensor(std::string_view name, const inference::tensor& t) const {
    json_.key(name).elements(t);
    json_.key("shape").array();
    for (const auto n : t.shape) json_.value(n);
    json_.end_array().field("datatype", inference::to_string(t.type));
  }

  json_out& json_;
  const std::vector<std::string>& labels_;
};

}  // namespace

void write_output(json_out& json, const std::vector<std::string>& labels, const inference::output& out) {
  std::visit(output_writer(json, labels), out);
}

}  // namespace troupe::http
