#include "inference/encoders/deberta.hpp"

#include "inference/encoders/body.hpp"
#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/deberta_config.hpp"
#include "inference/encoders/deberta_network.hpp"

namespace troupe::inference {
namespace {

class deberta_config final : public family_config {
 public:
  explicit deberta_config(const deberta_settings& settings) : settings_(settings) {}
  const encoder_shape& shape() const noexcept override { return settings_; }

  void plan_body(plan_writer& out) const override {
    plan_input(out);
    if (settings_.reads_distances()) {
      out.tensor("distances", {2 * settings_.span, settings_.hidden_size}, {"encoder.rel_embeddings.weight"});
      if (settings_.norm_distances) out.norm("distance_norm", settings_.hidden_size, "encoder.LayerNorm");
    }
    if (settings_.conv_size > 0) {
      const auto h = settings_.hidden_size;
      out.tensor("conv.weight", {h, h / settings_.conv_groups, settings_.conv_size}, {"encoder.conv.conv.weight"});
      out.tensor("conv.bias", {h}, {"encoder.conv.conv.bias"});
      out.norm("conv.norm", h, "encoder.conv.LayerNorm");
    }
    for (std::int64_t i = 0; i < settings_.layers; ++i) plan_layer(out, i);
    out.plan().private_bytes += deberta_private_bytes(settings_);
  }

  head_recipe head(head_kind kind) const override {
    head_recipe r;
    if (kind == head_kind::mask) return mask_head();
    r.out = "classifier";
    if (kind == head_kind::token) return r;
    r.of = head_recipe::input::first;
    r.dense = "pooler.dense";
    r.dense_rows = settings_.pooler_size;
    r.act = settings_.pooler_act;
    return r;
  }

  std::unique_ptr<const encoder_body> make_body(const named_weights& weights, const std::string&) const override {
    return make_deberta_body(settings_, weights);
  }

 private:
  void plan_input(plan_writer& out) const {
    const auto width = settings_.embedding_size;
    const std::string types = "embeddings.token_type_embeddings.weight";
    const std::string positions = "embeddings.position_embeddings.weight";
    out.tensor("words", {settings_.vocab_size, width}, {"embeddings.word_embeddings.weight"});
    // Type 0 is most tokens': the positions have it added.
    if (settings_.positions_in_input && settings_.token_types > 0)
      out.sum("positions", {settings_.positions, width}, positions, types);
    else if (settings_.positions_in_input)
      out.tensor("positions", {settings_.positions, width}, {positions});
    if (settings_.token_types > 0) out.tensor("types", {settings_.token_types, width}, {types}, true);
    out.plan().token_types = settings_.token_types > limits::token_types ? 1 : settings_.token_types;
    if (width != settings_.hidden_size)
      out.linear("widen", settings_.hidden_size, width, {"embeddings.embed_proj"}, false);
    out.norm("norm", settings_.hidden_size, "embeddings.LayerNorm");
  }

  void plan_layer(plan_writer& out, std::int64_t i) const {
    const auto h = settings_.hidden_size, inner = settings_.inner_size;
    const auto from = "encoder.layer." + std::to_string(i) + ".", name = "layer." + std::to_string(i) + ".";
    const auto attention = from + "attention.self.";
    if (settings_.first_version) {
      out.linear(name + "qkv", 3 * h, h, {attention + "in_proj"}, false);
      out.tensor(name + "q_bias", {h}, {attention + "q_bias"});
      out.tensor(name + "v_bias", {h}, {attention + "v_bias"});
      if (settings_.distance_keys) out.linear(name + "distance_key", h, h, {attention + "pos_proj"}, false);
      if (settings_.distance_queries) out.linear(name + "distance_query", h, h, {attention + "pos_q_proj"});
    } else {
      out.linear(name + "qkv", 3 * h, h, {attention + "query_proj", attention + "key_proj", attention + "value_proj"});
      if (settings_.distance_keys && !settings_.shared_projections)
        out.linear(name + "distance_key", h, h, {attention + "pos_key_proj"});
      if (settings_.distance_queries && !settings_.shared_projections)
        out.linear(name + "distance_query", h, h, {attention + "pos_query_proj"});
    }
    out.linear(name + "out", h, h, {from + "attention.output.dense"});
    out.norm(name + "norm1", h, from + "attention.output.LayerNorm");
    out.linear(name + "up", inner, h, {from + "intermediate.dense"});
    out.linear(name + "down", h, inner, {from + "output.dense"});
    out.norm(name + "norm2", h, from + "output.LayerNorm");
  }

  head_recipe mask_head() const {
    head_recipe r;
    const std::string base = settings_.old_mask_head ? "cls.predictions." : "lm_predictions.lm_head.";
    const auto inner = settings_.old_mask_head ? base + "transform." : base;
    r.dense = inner + "dense";
    // The newer head is as wide as the network: it has no embeddings of another width (the plan tells).
    r.dense_rows = settings_.embedding_size;
    r.act = for_head(settings_.act);
    r.norm = inner + "LayerNorm";
    r.norm_epsilon = settings_.norm_epsilon;
    r.whole_vocabulary = true;
    // The newer head is given the word embedding, whatever config.json says of tying.
    r.tied = settings_.tied || !settings_.old_mask_head;
    r.out = settings_.old_mask_head ? base + "decoder" : "lm_predictions.lm_head";
    if (settings_.old_mask_head && settings_.tied) r.out_bias = base + "bias";
    return r;
  }

  deberta_settings settings_;
};

template <bool first_version>
result<std::unique_ptr<const family_config>> read(const model_json& config) {
  auto settings = read_deberta(config, first_version);
  if (!settings) return tl::unexpected(settings.error());
  return std::make_unique<const deberta_config>(*settings);
}

}  // namespace

family deberta_v1() { return {"deberta", "Deberta", "deberta.", read<true>}; }
family deberta_v2() { return {"deberta-v2", "DebertaV2", "deberta.", read<false>}; }

}  // namespace troupe::inference
