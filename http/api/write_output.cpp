#include "http/api/write_output.hpp"

#include <algorithm>
#include <span>

#include "http/api/score_order.hpp"
#include "http/json/base64.hpp"

namespace troupe::http {
namespace {

void write_numbers(json_out& json, std::span<const float> numbers, bool as_base64) {
  if (as_base64) {
    json.value(base64(numbers));
    return;
  }
  json.array();
  for (const auto v : numbers) json.value(v);
  json.end_array();
}

// One writer for each kind of output, in document 001's words.
class output_writer {
 public:
  output_writer(json_out& json, const std::vector<std::string>& labels, const output_style& style)
      : json_(json), labels_(labels), style_(style) {}

  void operator()(std::monostate) const {}

  void operator()(const inference::label_scores& scores) const {
    const auto& values = scores.values;
    const auto best = std::max_element(values.begin(), values.end());
    if (best == values.end()) {
      json_.field("prediction", nullptr).field("confidence", nullptr);
    } else {
      json_.field("prediction", label_of(labels_, static_cast<std::size_t>(best - values.begin())));
      json_.field("confidence", *best);
    }
    json_.key("probabilities").object();
    if (style_.top_k) {
      for (const auto i : best_places(values)) json_.field(label_of(labels_, i), values[i]);
    } else {
      for (std::size_t i = 0; i < values.size(); ++i) json_.field(label_of(labels_, i), values[i]);
    }
    json_.end_object();
  }

  void operator()(const inference::single_score& score) const { json_.field("score", score.value); }

  void operator()(const inference::embedding& vector) const {
    json_.key("embedding");
    write_vector(json_, vector, style_.base64);
  }

  void operator()(const inference::token_embeddings& vectors) const {
    json_.key("embeddings");
    write_vectors(json_, vectors, style_.base64);
  }

  void operator()(const inference::spans& spans) const {
    json_.key("entities");
    write_spans(json_, spans);
  }

  void operator()(const inference::mask_candidates& candidates) const {
    json_.key("predictions");
    write_candidates(json_, candidates);
  }

  // The only output without a name stands for itself, named ones by their names.
  void operator()(const inference::named_tensors& tensors) const {
    if (tensors.all.size() == 1 && tensors.all[0].name.empty()) {
      return write_tensor(json_, "outputs", tensors.all[0].value);
    }
    json_.key("outputs").object();
    for (const auto& one : tensors.all) {
      if (!is_wanted(style_, one.name)) continue;
      json_.key(one.name).object();
      write_tensor(json_, "data", one.value);
      json_.end_object();
    }
    json_.end_object();
  }

  void operator()(const inference::transcript& piece) const { json_.field("output", piece.text); }

  void operator()(const inference::voice_activity& voice) const {
    json_.key("segments");
    write_voice(json_, voice);
  }

 private:
  // Of the top_k, in the checkpoint's order.
  std::vector<std::uint32_t> best_places(const std::vector<float>& scores) const {
    auto out = by_falling_score(scores, *style_.top_k);
    std::sort(out.begin(), out.end());
    return out;
  }

  json_out& json_;
  const std::vector<std::string>& labels_;
  const output_style& style_;
};

}  // namespace

void write_output(json_out& json, const std::vector<std::string>& labels, const inference::output& out,
                  const output_style& style) {
  std::visit(output_writer(json, labels, style), out);
}

output_style style_of(const form_parameters& parameters) {
  return {parameters.task.top_k, parameters.base64.value_or(false), parameters.outputs};
}

bool is_wanted(const output_style& style, const std::string& name) {
  return !style.outputs || std::find(style.outputs->begin(), style.outputs->end(), name) != style.outputs->end();
}

std::string name_of(const inference::named_tensor& one) { return one.name.empty() ? "output" : one.name; }

std::string label_of(const std::vector<std::string>& labels, std::size_t i) {
  return i < labels.size() ? labels[i] : "LABEL_" + std::to_string(i);
}

void write_vector(json_out& json, const inference::embedding& vector, bool base64) {
  write_numbers(json, vector.values, base64);
}

void write_vectors(json_out& json, const inference::token_embeddings& vectors, bool base64) {
  const auto width = std::max(vectors.width, 1U);
  const std::span<const float> all(vectors.values);
  json.array();
  for (std::size_t at = 0; at + width <= all.size(); at += width) write_numbers(json, all.subspan(at, width), base64);
  json.end_array();
}

void write_spans(json_out& json, const inference::spans& spans) {
  json.array();
  for (const auto& s : spans.found) {
    json.object().field(spans.tokens ? "entity" : "entity_group", s.label).field("score", s.score);
    if (spans.tokens) json.field("index", s.index);
    json.field("word", s.word).field("start", s.begin).field("end", s.end).end_object();
  }
  json.end_array();
}

void write_candidates(json_out& json, const inference::mask_candidates& candidates) {
  const bool several = candidates.masks.size() != 1;
  if (several) json.array();
  for (const auto& mask : candidates.masks) {
    json.array();
    for (const auto& c : mask) {
      json.object().field("sequence", c.sequence).field("score", c.score);
      json.field("token", c.token_id).field("token_str", c.token).end_object();
    }
    json.end_array();
  }
  if (several) json.end_array();
}

void write_voice(json_out& json, const inference::voice_activity& voice) {
  json.array();
  for (const auto& s : voice.found)
    json.object().field("start", s.begin_s.value_or(0)).field("end", s.end_s.value_or(voice.heard_s)).end_object();
  json.end_array();
}

void write_tensor(json_out& json, std::string_view name, const inference::tensor& t) {
  json.key(name).elements(t);
  json.key("shape").array();
  for (const auto n : t.shape) json.value(n);
  json.end_array().field("datatype", inference::to_string(t.type));
}

}  // namespace troupe::http
