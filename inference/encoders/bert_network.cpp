// A text's answer is its first token's: of the last layer nothing else is computed.

#include "inference/encoders/bert_network.hpp"

#include <stdexcept>

#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/tanh.h>
#include <c10/core/InferenceMode.h>

#include "inference/encoders/layers.hpp"
#include "inference/encoders/packing.hpp"
#include "inference/torch/device.hpp"

namespace troupe::inference {
namespace {

struct layer {
  linear qkv, out, up, down;
  norm norm1, norm2;
};

class network final : public encoder {
 public:
  network(const bert_settings& c, loaded_weights weights, const std::string& device)
      : settings_(c), device_(device), attention_(c.heads, c.hidden_size, is_gpu(device)) {
    const c10::InferenceMode inference;
    const auto all = tensors_of(weights, device);
    if (!is_gpu(device)) memory_ = std::move(weights.memory);
    using place = bert_places;
    words_ = all.at(place::words);
    positions_ = all.at(place::positions);
    norm_ = {all.at(place::norm_weight), all.at(place::norm_bias)};
    const auto linear_at = [&](std::size_t i) { return linear{all.at(i), all.at(i + 1)}; };
    const auto norm_at = [&](std::size_t i) { return norm{all.at(i), all.at(i + 1)}; };
    auto at = place::first_layer;
    for (std::int64_t i = 0; i < c.layers; ++i, at += place::per_layer)
      layers_.push_back({linear_at(at + place::qkv_weight), linear_at(at + place::out_weight),
                         linear_at(at + place::up_weight), linear_at(at + place::down_weight),
                         norm_at(at + place::norm1_weight), norm_at(at + place::norm2_weight)});
    pool_ = linear_at(at + place::pool_weight);
    head_ = linear_at(at + place::head_weight);
    // The positions hold type 0's already.
    if (all.size() > at + place::token_types) {
      const auto& types = all[at + place::token_types];
      types_ = types.sub(types.narrow(0, 0, 1));
    }
  }

  std::unique_ptr<device_lane> make_lane() const override { return make_device_lane(device_); }

  features run(std::span<const token_row> rows, network_output, device_lane& lane) const override {
    if (rows.empty()) return {};
    return on_lane(lane, [&] {
      const c10::InferenceMode inference;
      auto packed = pack(rows, is_gpu(device_));
      if (is_gpu(device_)) packed.to(words_);
      return unpack_rows(logits(packed), packed);
    });
  }

 private:
  at::Tensor embed(const packed_rows& p) const {
    auto x = at::index_select(words_, 0, p.ids);
    const auto positions = at::index_select(positions_, 0, p.positions);
    if (p.types.defined() && types_.defined()) {
      // Summed in fp32 and rounded once: what has type 0 is then as it is in a batch without types.
      const auto types = at::index_select(types_, 0, p.types);
      x = x.to(at::kFloat).add(positions.to(at::kFloat)).add_(types).to(words_.scalar_type());
    } else {
      x.add_(positions);
    }
    return normalize(norm_, x, settings_.norm_epsilon);
  }

  // What follows attention: [n, hidden] in, [n, hidden] out, token by token.
  at::Tensor finish_layer(const layer& l, const at::Tensor& context, const at::Tensor& x) const {
    const auto middle = normalize(l.norm1, apply_and_add(l.out, context, x), settings_.norm_epsilon);
    return normalize(l.norm2, apply_and_add(l.down, apply(l.up, middle, after(settings_.act)), middle),
                     settings_.norm_epsilon);
  }

  // [rows, labels] in fp32, in the packed order.
  at::Tensor logits(const packed_rows& p) const {
    auto x = embed(p);
    for (std::size_t i = 0; i + 1 < layers_.size(); ++i)
      x = finish_layer(layers_[i], attention_.of_all(apply(layers_[i].qkv, x), p), x);
    // Of the last layer only each row's first token is asked for: it alone has a query. (All have one computed, 1 % of
    // the work: a product of its own would be another shape to keep kernels for.)
    const auto x_first = at::index_select(x, 0, p.firsts);
    const auto& last = layers_.back();
    const auto context = attention_.of_firsts(apply(last.qkv, x), x_first, p);
    auto pooled = at::linear(finish_layer(last, context, x_first).to(at::kFloat), pool_.weight, pool_.bias);
    if (settings_.distil)
      at::relu_(pooled);
    else
      at::tanh_(pooled);
    return at::linear(pooled, head_.weight, head_.bias).narrow(0, 0, p.rows);
  }

  bert_settings settings_;
  std::string device_;
  packed_attention attention_;
  std::shared_ptr<const weight_memory> memory_;  // outlives the tensors below, which are views of it
  at::Tensor words_, positions_;
  at::Tensor types_;  // [types, hidden] in fp32, what each adds to type 0; undefined: there is one
  norm norm_;
  std::vector<layer> layers_;
  linear pool_, head_;
};

}  // namespace

std::shared_ptr<const encoder> make_bert_network(const bert_settings& settings, loaded_weights weights,
                                                 const std::string& device) {
  try {
    return std::make_shared<const network>(settings, std::move(weights), device);
  } catch (const c10::Error& e) {
    throw std::runtime_error(essential_line(e));
  }
}

}  // namespace troupe::inference
