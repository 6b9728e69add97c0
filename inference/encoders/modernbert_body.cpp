#include "inference/encoders/modernbert_body.hpp"

#include <optional>

#include <ATen/ops/gelu.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

#include "inference/encoders/body.hpp"
#include "inference/encoders/layers.hpp"
#include "inference/encoders/local_attention.hpp"
#include "inference/encoders/named_weights.hpp"
#include "inference/encoders/rotary.hpp"
#include "inference/torch/device.hpp"

namespace troupe::inference {
namespace {

struct layer {
  norm attention_norm;  // undefined: the first layer's input is as the embedding's norm left it
  linear qkv, out;
  norm mlp_norm;
  linear up, gate;  // no gate: `up` gives both, side by side
  linear down;
  bool local = false;
};

at::Tensor activated(const at::Tensor& x, activation act) {
  switch (act) {
    case activation::gelu: return at::gelu(x);
    case activation::gelu_tanh: return at::gelu(x, "tanh");
    case activation::relu: return at::relu(x);
    case activation::silu: return at::silu(x);
  }
  return x;
}

class modernbert_body final : public encoder_body {
 public:
  modernbert_body(const modernbert_settings& c, const named_weights& all, const std::string& device)
      : settings_(c),
        gpu_(is_gpu(device)),
        words_(all.at("words")),
        norm_(all.norm_at("norm")),
        final_norm_(all.norm_at("final_norm")),
        global_(c.heads, c.hidden_size, gpu_),
        global_turns_(c.hidden_size / c.heads, c.global_theta, c.positions),
        local_turns_(c.hidden_size / c.heads, c.local_theta, c.positions) {
    if (!c.reaches_everything()) local_.emplace(c.heads, c.hidden_size, c.reach, words_);
    for (std::int64_t i = 0; i < c.layers; ++i) {
      const auto name = "layer." + std::to_string(i) + '.';
      layer l;
      if (i > 0) l.attention_norm = all.norm_at(name + "attention_norm");
      l.qkv = all.linear_at(name + "qkv");
      l.out = all.linear_at(name + "out");
      l.mlp_norm = all.norm_at(name + "mlp_norm");
      l.up = all.linear_at(name + "up");
      // Two products, where it can be cut: the first one's kernel applies the activation.
      if (const auto both = l.up; both.divides_at(c.inner_size)) {
        l.up = part_of(both, 0, c.inner_size);
        l.gate = part_of(both, c.inner_size, c.inner_size);
      }
      l.down = all.linear_at(name + "down");
      l.local = c.local[static_cast<std::size_t>(i)];
      layers_.push_back(std::move(l));
    }
  }

  const at::Tensor& words() const noexcept override { return words_; }

  at::Tensor states(const packed_rows& p) const override {
    const auto turns = turns_of(p);
    auto x = embed(p);
    for (const auto& l : layers_) {
      const auto qkv = qkv_of(l, x, turns, p);
      x = finish_layer(l, windowed(l) ? local_->of_all(qkv, p) : global_.of_all(qkv, p), x);
    }
    return normalize(final_norm_, x, settings_.norm_epsilon);
  }

  // Of the last layer only each row's first token is asked for: it alone has a query.
  at::Tensor first_states(const packed_rows& p) const override {
    const auto turns = turns_of(p);
    auto x = embed(p);
    for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
      const auto& l = layers_[i];
      const auto qkv = qkv_of(l, x, turns, p);
      x = finish_layer(l, windowed(l) ? local_->of_all(qkv, p) : global_.of_all(qkv, p), x);
    }
    const auto& last = layers_.back();
    const auto qkv = qkv_of(last, x, turns, p);
    const auto x_first = at::index_select(x, 0, p.firsts);
    const auto context = windowed(last) ? local_->of_firsts(qkv, x_first, p) : global_.of_firsts(qkv, x_first, p);
    return normalize(final_norm_, finish_layer(last, context, x_first), settings_.norm_epsilon);
  }

 private:
  struct both_turns {
    rotation global, local;
  };
  both_turns turns_of(const packed_rows& p) const { return {global_turns_.of(p, gpu_), local_turns_.of(p, gpu_)}; }
  bool windowed(const layer& l) const noexcept { return l.local && local_; }

  at::Tensor embed(const packed_rows& p) const {
    return normalize(norm_, at::index_select(words_, 0, p.ids), settings_.norm_epsilon);
  }

  at::Tensor qkv_of(const layer& l, const at::Tensor& x, const both_turns& turns, const packed_rows& p) const {
    auto qkv =
        apply(l.qkv, l.attention_norm.weight.defined() ? normalize(l.attention_norm, x, settings_.norm_epsilon) : x);
    rotate(qkv, 2 * settings_.heads, l.local ? turns.local : turns.global, p);
    return qkv;
  }

  // What follows attention: [n, hidden] in, [n, hidden] out, token by token.
  at::Tensor finish_layer(const layer& l, const at::Tensor& context, const at::Tensor& x) const {
    const auto middle = apply_and_add(l.out, context, x);
    const auto in = normalize(l.mlp_norm, middle, settings_.norm_epsilon);
    return apply_and_add(l.down, gated(l, in), middle);
  }

  at::Tensor gated(const layer& l, const at::Tensor& in) const {
    if (l.gate.defined()) return apply(l.up, in, after(settings_.act)).mul_(apply(l.gate, in));
    const auto both = apply(l.up, in);
    return activated(both.narrow(1, 0, settings_.inner_size), settings_.act)
        .mul_(both.narrow(1, settings_.inner_size, settings_.inner_size));
  }

  modernbert_settings settings_;
  bool gpu_;
  at::Tensor words_;
  norm norm_, final_norm_;
  packed_attention global_;
  std::optional<local_attention> local_;  // none: its reach is all of any row
  rotary global_turns_, local_turns_;
  std::vector<layer> layers_;
};

}  // namespace

std::uint64_t modernbert_private_bytes(const modernbert_settings& c) {
  return 2 * rotary::private_bytes(c.hidden_size / c.heads, c.positions) +
         (c.reaches_everything() ? 0 : local_attention::private_bytes(c.reach));
}

std::unique_ptr<const encoder_body> make_modernbert_body(const modernbert_settings& settings,
                                                         const named_weights& weights, const std::string& device) {
  return std::make_unique<const modernbert_body>(settings, weights, device);
}

}  // namespace troupe::inference
