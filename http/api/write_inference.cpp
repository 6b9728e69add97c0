#include "http/api/write_inference.hpp"

#include <algorithm>

#include "http/api/item_answers.hpp"
#include "http/api/predict_answer.hpp"
#include "http/api/score_order.hpp"
#include "http/api/write_output.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

void write_problem_object(json_out& json, const error& why) {
  json.object();
  write_problem(json, why);
  json.end_object();
}

// [{"label", "score"}] by falling score.
template <class Name>
void write_scores(json_out& json, std::span<const float> scores, std::size_t most, Name name) {
  json.array();
  for (const auto i : by_falling_score(scores, most)) {
    json.object().field("label", name(i)).field("score", scores[i]).end_object();
  }
  json.end_array();
}

// One writer for each kind of output.
class value_writer {
 public:
  value_writer(json_out& json, const std::vector<std::string>& labels, const output_style& style)
      : json_(json), labels_(labels), style_(style) {}

  void operator()(std::monostate) const { json_.value(nullptr); }
  void operator()(const inference::label_scores& scores) const {
    write_scores(json_, scores.values, style_.top_k.value_or(0), [&](std::size_t i) { return label_of(labels_, i); });
  }
  void operator()(const inference::single_score& score) const {
    write_scores(json_, {&score.value, 1}, 0, [&](std::size_t i) { return label_of(labels_, i); });
  }
  void operator()(const inference::embedding& vector) const { write_vector(json_, vector, style_.base64); }
  void operator()(const inference::token_embeddings& vectors) const { write_vectors(json_, vectors, style_.base64); }
  void operator()(const inference::spans& spans) const { write_spans(json_, spans); }
  void operator()(const inference::mask_candidates& candidates) const { write_candidates(json_, candidates); }
  void operator()(const inference::named_tensors& tensors) const {
    json_.object();
    for (const auto& one : tensors.all) {
      if (!is_wanted(style_, name_of(one))) continue;
      json_.key(name_of(one)).object();
      write_tensor(json_, "data", one.value);
      json_.end_object();
    }
    json_.end_object();
  }
  void operator()(const inference::transcript& piece) const { json_.object().field("text", piece.text).end_object(); }
  void operator()(const inference::voice_activity& voice) const {
    json_.object().key("segments");
    write_voice(json_, voice);
    json_.end_object();
  }

 private:
  json_out& json_;
  const std::vector<std::string>& labels_;
  const output_style& style_;
};

bool is_classification(const item_answer& answer) noexcept {
  return answer.only<inference::label_scores>() != nullptr || answer.only<inference::single_score>() != nullptr;
}

// Of parameters that shape an output, one that the model does not give. Null: none.
std::optional<error> check_outputs(const collected& all, const form_parameters& parameters) {
  const auto refuse = [&](std::string_view name, std::string_view of) {
    return error{error_code::bad_request,
                 "'" + std::string(name) + "' is no parameter of what model " + all.model + " gives",
                 "it goes with " + std::string(of),
                 {}};
  };
  for (const auto& answer : all.answers) {
    if (answer.problem || answer.outputs.empty()) continue;
    const auto& first = answer.outputs.front();
    const bool vectors = std::holds_alternative<inference::embedding>(first) ||
                         std::holds_alternative<inference::token_embeddings>(first);
    if (parameters.base64 && !vectors) return refuse("encoding_format", "vectors");
    const auto* tensors = std::get_if<inference::named_tensors>(&first);
    if (!parameters.outputs) continue;
    if (tensors == nullptr) return refuse("outputs", "tensors");
    for (const auto& wanted : *parameters.outputs) {
      std::string names;
      bool known = false;
      for (const auto& one : tensors->all) {
        known = known || name_of(one) == wanted;
        names.append(names.empty() ? "" : ", ").append(name_of(one));
      }
      if (known) continue;
      return error{error_code::bad_request,
                   "'outputs' names '" + wanted + "', which is not there",
                   "the model gives " + names,
                   {}};
    }
  }
  return std::nullopt;
}

class document_writer {
 public:
  document_writer(const collected& all, const asked_inputs& asked, const form_parameters& parameters)
      : all_(all), asked_(asked), parameters_(parameters), style_(style_of(parameters)) {}

  // An answer an item.
  result<std::string> items() {
    if (!asked_.list) {
      if (const auto* why = state_of(all_, asked_, asked_.items.front()).problem) return tl::unexpected(*why);
    }
    // Their clients expect classes in a list a text, even of one.
    const bool in_list = asked_.list || (asked_.form == input_form::each && is_classification(all_.answers.front()));
    if (in_list) json_.array();
    for (const auto& item : asked_.items) {
      if (auto written = write_item(item); !written) return tl::unexpected(std::move(written.error()));
    }
    if (in_list) json_.end_array();
    return json_.str();
  }

  // A number a sentence.
  result<std::string> similarity() {
    const auto scored = scores_of(all_, asked_);
    if (!scored) return tl::unexpected(scored.error());
    json_.array();
    for (std::size_t i = 0, good = 0, bad = 0; i < asked_.items.size(); ++i) {
      if (bad < scored->failed.size() && scored->failed[bad].first == i) {
        write_problem_object(json_, scored->failed[bad++].second);
      } else {
        json_.value(scored->scores[good++]);
      }
    }
    return json_.end_array().str();
  }

  // By falling score; those that failed alone come last.
  result<std::string> ranking() {
    const auto scored = scores_of(all_, asked_);
    if (!scored) return tl::unexpected(scored.error());
    json_.array();
    for (const auto i : by_falling_score(scored->scores)) {
      const auto place = scored->items[i];
      json_.object().field("index", place).field("score", scored->scores[i]);
      if (parameters_.return_text.value_or(false)) json_.field("text", asked_.items[place].text);
      json_.end_object();
    }
    for (const auto& [place, why] : scored->failed) {
      json_.object().field("index", place);
      write_problem(json_, why);
      json_.end_object();
    }
    return json_.end_array().str();
  }

 private:
  result<void> write_item(const asked_item& item) {
    if (const auto* why = state_of(all_, asked_, item).problem) {
      write_problem_object(json_, *why);
      return {};
    }
    if (asked_.form == input_form::zero_shot) {
      const auto scores = label_scores_of(all_, asked_, item, parameters_.multi_label.value_or(false));
      if (!scores) return tl::unexpected(scores.error());
      write_scores(json_, *scores, 0, [&](std::size_t i) { return (*parameters_.candidate_labels)[i]; });
      return {};
    }
    const auto& outputs = all_.answers[item.first].outputs;
    const value_writer writer(json_, all_.labels, style_);
    if (outputs.empty()) {
      json_.value(nullptr);
    } else if (outputs.size() == 1) {
      std::visit(writer, outputs.front());
    } else {  // of a model that steps
      json_.array();
      for (const auto& one : outputs) std::visit(writer, one);
      json_.end_array();
    }
    return {};
  }

  const collected& all_;
  const asked_inputs& asked_;
  const form_parameters& parameters_;
  const output_style style_;
  json_out json_;
};

}  // namespace

result<std::string> inference_json(const collected& all, const asked_inputs& asked, const form_parameters& parameters,
                                   const std::optional<inference::task>& task) {
  if (const auto* why = request_problem(all, task)) return tl::unexpected(*why);
  document_writer writer(all, asked, parameters);
  switch (asked.form) {
    case input_form::similarity: return writer.similarity();
    case input_form::ranking: return writer.ranking();
    case input_form::zero_shot: break;
    case input_form::each:
      if (auto why = check_outputs(all, parameters)) return tl::unexpected(std::move(*why));
  }
  return writer.items();
}

}  // namespace troupe::http
