#include "inference/encoders/family.hpp"

#include <optional>
#include <utility>

#include "inference/encoders/headed.hpp"

namespace troupe::inference {
namespace {

class class_config final : public encoder_config {
 public:
  class_config(std::unique_ptr<const family_config> network, std::string prefix, head_kind kind)
      : network_(std::move(network)), prefix_(std::move(prefix)) {
    if (kind != head_kind::none) head_ = network_->head(kind);
  }

  const encoder_shape& shape() const noexcept override { return network_->shape(); }

  bool gives(network_output what) const noexcept override {
    switch (what) {
      case network_output::logits: return head_ && head_->of != head_recipe::input::tokens;
      case network_output::token_logits: return head_ && head_->of == head_recipe::input::tokens;
      case network_output::token_states: return true;
    }
    return false;
  }

  result<weight_plan> plan(const checkpoint& source) const override {
    plan_writer out(source, prefix_);
    network_->plan_body(out);
    out.begin_head();
    if (head_)
      if (auto ok = head_->plan(out, shape()); !ok) return tl::unexpected(ok.error());
    return out.finish();
  }

  std::shared_ptr<const encoder> make(loaded_weights weights, const std::string& device) const override {
    return make_headed_encoder(*network_, head_ ? &*head_ : nullptr, std::move(weights), device);
  }

 private:
  std::unique_ptr<const family_config> network_;
  std::string prefix_;
  std::optional<head_recipe> head_;
};

std::string class_name(const std::string& stem, head_kind kind) {
  switch (kind) {
    case head_kind::none: return stem + "Model";
    case head_kind::sequence: return stem + "ForSequenceClassification";
    case head_kind::token: return stem + "ForTokenClassification";
    case head_kind::mask: return stem + "ForMaskedLM";
  }
  return stem;
}

// A head of its own first; a network alone is asked for vectors.
std::vector<task> tasks_of(head_kind kind) {
  switch (kind) {
    case head_kind::none: return {task::feature_extraction, task::sentence_similarity};
    case head_kind::sequence: return {task::text_classification, task::zero_shot_classification, task::text_ranking};
    case head_kind::token: return {task::token_classification};
    case head_kind::mask: return {task::fill_mask, task::feature_extraction, task::sentence_similarity};
  }
  return {};
}

}  // namespace

std::vector<architecture> architectures_of(const family& f) {
  std::vector<architecture> rows;
  for (const auto kind : {head_kind::none, head_kind::sequence, head_kind::token, head_kind::mask}) {
    const auto read = [of = f, kind](const model_json& config) -> result<std::unique_ptr<const encoder_config>> {
      auto network = of.read(config);
      if (!network) return tl::unexpected(network.error());
      return std::make_unique<const class_config>(std::move(*network), of.prefix, kind);
    };
    rows.push_back({class_name(f.stem, kind), f.model_type, tasks_of(kind), read});
  }
  return rows;
}

}  // namespace troupe::inference
