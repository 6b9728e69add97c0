#include "inference/encoders/modernbert.hpp"

#include <algorithm>

#include "inference/encoders/body.hpp"
#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/modernbert_body.hpp"
#include "inference/encoders/rope_config.hpp"

namespace troupe::inference {
namespace {

constexpr std::int64_t window_max = 1 << 16;  // tokens

// What its heads need beside the network's settings.
struct head_settings {
  bool classifier_bias = false, decoder_bias = true, mean = false, tied = true;
  head_activation act = head_activation::gelu;
};

class modernbert_config final : public family_config {
 public:
  modernbert_config(modernbert_settings settings, head_settings head) : settings_(std::move(settings)), head_(head) {}

  const encoder_shape& shape() const noexcept override { return settings_; }

  void plan_body(plan_writer& out) const override {
    const auto& c = settings_;
    const auto h = c.hidden_size;
    out.tensor("words", {c.vocab_size, h}, {"embeddings.tok_embeddings.weight"});
    out.norm("norm", h, "embeddings.norm", c.norm_bias);
    for (std::int64_t i = 0; i < c.layers; ++i) {
      const auto to = "layer." + std::to_string(i) + '.', from = "layers." + std::to_string(i) + '.';
      if (i > 0) out.norm(to + "attention_norm", h, from + "attn_norm", c.norm_bias);
      out.linear(to + "qkv", 3 * h, h, {from + "attn.Wqkv"}, c.attention_bias);
      out.linear(to + "out", h, h, {from + "attn.Wo"}, c.attention_bias);
      out.norm(to + "mlp_norm", h, from + "mlp_norm", c.norm_bias);
      out.linear(to + "up", 2 * c.inner_size, h, {from + "mlp.Wi"}, c.mlp_bias);
      out.linear(to + "down", h, c.inner_size, {from + "mlp.Wo"}, c.mlp_bias);
    }
    out.norm("final_norm", h, "final_norm", c.norm_bias);
    out.plan().private_bytes += modernbert_private_bytes(c);
  }

  head_recipe head(head_kind kind) const override {
    head_recipe r;
    r.dense = "head.dense";
    r.dense_bias = head_.classifier_bias;
    r.act = head_.act;
    r.norm = "head.norm";
    r.norm_epsilon = settings_.norm_epsilon;
    r.norm_bias = settings_.norm_bias;
    if (kind == head_kind::mask) {
      r.out = "decoder";
      r.whole_vocabulary = true;
      r.has_out_bias = head_.decoder_bias;
      r.tied = head_.tied;
      r.words = "embeddings.tok_embeddings";
      return r;
    }
    if (kind == head_kind::sequence) r.of = head_.mean ? head_recipe::input::mean : head_recipe::input::first;
    r.out = "classifier";
    return r;
  }

  std::unique_ptr<const encoder_body> make_body(const named_weights& weights,
                                                const std::string& device) const override {
    return make_modernbert_body(settings_, weights, device);
  }

 private:
  modernbert_settings settings_;
  head_settings head_;
};

// "layer_types" names each layer's; older files have every how manieth is global.
result<std::vector<bool>> read_local(const model_json& config, std::int64_t layers) {
  std::vector<bool> local;
  if (const auto types = member(config.root(), "layer_types")) {
    simdjson::dom::array names;
    if (types->get(names) || static_cast<std::int64_t>(names.size()) != layers)
      return config.problem({"layer_types"},
                            "must be a list of num_hidden_layers (" + std::to_string(layers) + ") names");
    for (const auto one : names) {
      std::string_view name;
      if (one.get(name) || (name != full_attention && name != sliding_attention))
        return config.problem({"layer_types", local.size()}, "is not supported", "full_attention, sliding_attention");
      local.push_back(name == sliding_attention);
    }
    return local;
  }
  const auto every = whole_number(config, "global_attn_every_n_layers", 3, limits::layers);
  if (!every) return tl::unexpected(every.error());
  for (std::int64_t i = 0; i < layers; ++i) local.push_back(i % *every != 0);
  return local;
}

// The window is as wide as local_attention says, half of it on either side.
result<std::int64_t> read_reach(const model_json& config) {
  if (member(config.root(), "sliding_window")) return whole_number(config, "sliding_window", 64, window_max / 2, 0);
  auto window = whole_number(config, "local_attention", 128, window_max, 0);
  if (!window) return window;
  return *window / 2;
}

result<head_settings> read_head(const model_json& config) {
  head_settings h;
  h.classifier_bias = flag_of(config.root(), "classifier_bias", false);
  h.decoder_bias = flag_of(config.root(), "decoder_bias", true);
  h.tied = flag_of(config.root(), "tie_word_embeddings", true);
  const auto pooling = text_of(config.root(), "classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean")
    return config.problem({"classifier_pooling"}, "is '" + pooling.substr(0, 60) + "', which is not supported",
                          "cls, mean");
  h.mean = pooling == "mean";
  const auto act = read_head_activation(config, "classifier_activation");
  if (!act) return tl::unexpected(act.error());
  h.act = *act;
  return h;
}

result<std::unique_ptr<const family_config>> read(const model_json& config) {
  modernbert_settings c;
  auto ok = number_reader(config)
                .whole("vocab_size", c.vocab_size, 50368, limits::vocab_size)
                .whole("hidden_size", c.hidden_size, 768, limits::hidden_size)
                .whole("num_hidden_layers", c.layers, 22, limits::layers)
                .whole("num_attention_heads", c.heads, 12, limits::heads)
                .whole("intermediate_size", c.inner_size, 1152, limits::inner_size)
                .whole("max_position_embeddings", c.positions, 8192, limits::positions)
                .epsilon("norm_eps", c.norm_epsilon, 1e-5)
                .done();
  if (ok) ok = check_rotary_heads(config, c);
  if (!ok) return tl::unexpected(ok.error());
  const auto act = read_activation(config, "hidden_activation");
  if (!act) return tl::unexpected(act.error());
  c.act = *act;
  c.norm_bias = flag_of(config.root(), "norm_bias", false);
  c.attention_bias = flag_of(config.root(), "attention_bias", false);
  c.mlp_bias = flag_of(config.root(), "mlp_bias", false);
  auto local = read_local(config, c.layers);
  if (!local) return tl::unexpected(local.error());
  c.local = std::move(*local);
  const auto reach = read_reach(config);
  if (!reach) return tl::unexpected(reach.error());
  c.reach = *reach;
  const auto theta = read_layered_theta(config, 160'000.0, 10'000.0);
  if (!theta) return tl::unexpected(theta.error());
  c.global_theta = theta->full;
  c.local_theta = theta->sliding;
  const auto head = read_head(config);
  if (!head) return tl::unexpected(head.error());
  return std::make_unique<const modernbert_config>(std::move(c), *head);
}

}  // namespace

family modernbert() { return {"modernbert", "ModernBert", "model.", read}; }

}  // namespace troupe::inference
