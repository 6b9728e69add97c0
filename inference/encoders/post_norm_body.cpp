// The network of post_norm.hpp.

#include <algorithm>
#include <cmath>

#include <ATen/ops/any.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/index_select.h>

#include "inference/encoders/body.hpp"
#include "inference/encoders/layers.hpp"
#include "inference/encoders/named_weights.hpp"
#include "inference/encoders/post_norm.hpp"
#include "inference/torch/device.hpp"

namespace troupe::inference {
namespace {

// T5's buckets, both directions, as MPNet uses them (max_distance is 128 there, whatever config.json says). In
// float32, as the reference: a logarithm at a bucket's edge must fall to the same side.
std::int64_t bucket_of(std::int64_t distance, std::int64_t buckets) {
  constexpr float distance_max = 128;
  const auto half = buckets / 2, exact = half / 2;
  const auto n = std::abs(distance);
  const auto start = distance > 0 ? half : 0;
  if (n < exact) return start + n;
  const auto large = exact + static_cast<std::int64_t>(std::log(static_cast<float>(n) / static_cast<float>(exact)) /
                                                       std::log(distance_max / static_cast<float>(exact)) *
                                                       static_cast<float>(half - exact));
  return start + std::min(large, half - 1);
}

struct layer {
  linear qkv, out, up, down;
  norm norm1, norm2;
};

class post_norm_body final : public encoder_body {
 public:
  post_norm_body(const post_norm_settings& c, const named_weights& all, const std::string& device)
      : settings_(c),
        attention_(c.heads, c.hidden_size, is_gpu(device)),
        words_(all.at("words")),
        positions_(all.at("positions")),
        norm_(all.norm_at("norm")) {
    if (all.has_linear("projection")) projection_ = all.linear_at("projection");
    if (all.has("relative")) relative_ = all.at("relative");
    if (all.has("token_types")) {
      // The positions hold type 0's already.
      const auto& types = all.at("token_types");
      types_ = types.sub(types.narrow(0, 0, 1));
    }
    for (std::int64_t i = 0; i < c.groups; ++i) {
      const auto name = "layer." + std::to_string(i) + '.';
      layers_.push_back({all.linear_at(name + "qkv"), all.linear_at(name + "out"), all.linear_at(name + "up"),
                         all.linear_at(name + "down"), all.norm_at(name + "norm1"), all.norm_at(name + "norm2")});
    }
  }

  at::Tensor states(const packed_rows& p) const override {
    const auto bias = biases(p);
    auto x = embed(p);
    for (std::int64_t i = 0; i < settings_.layers; ++i) x = run_layer(i, x, p, bias);
    return x;
  }

  // Of the last layer only each row's first token is asked for: it alone has a query. (All have one computed, 1 % of
  // the work: a product of its own would be another shape to keep kernels for.)
  at::Tensor first_states(const packed_rows& p) const override {
    const auto bias = biases(p);
    auto x = embed(p);
    for (std::int64_t i = 0; i + 1 < settings_.layers; ++i) x = run_layer(i, x, p, bias);
    const auto& last = layer_at(settings_.layers - 1);
    const auto x_first = at::index_select(x, 0, p.firsts);
    return finish_layer(last, attention_.of_firsts(apply(last.qkv, x), x_first, p, bias), x_first);
  }

  const at::Tensor& words() const noexcept override { return words_; }

 private:
  const layer& layer_at(std::int64_t i) const {
    // In floating point, as the reference.
    const auto shared = static_cast<double>(settings_.layers) / static_cast<double>(settings_.groups);
    return layers_[static_cast<std::size_t>(static_cast<double>(i) / shared)];
  }

  at::Tensor embed(const packed_rows& p) const {
    auto x = at::index_select(words_, 0, p.ids);
    const auto positions = at::index_select(positions_, 0, positions_of(p));
    if (p.types.defined() && types_.defined()) {
      // Summed in fp32 and rounded once: what has type 0 is then as it is in a batch without types.
      const auto types = at::index_select(types_, 0, p.types);
      x = x.to(at::kFloat).add(positions.to(at::kFloat)).add_(types).to(words_.scalar_type());
    } else {
      x.add_(positions);
    }
    x = normalize(norm_, x, settings_.norm_epsilon);
    return projection_.defined() ? apply(projection_, x) : x;
  }

  // Padding is no position where the family counts from it: a text that holds its token shows the difference.
  at::Tensor positions_of(const packed_rows& p) const {
    if (settings_.pad_id < 0) return p.positions;
    auto shifted = p.positions.add(settings_.pad_id + 1);
    if (!at::any(at::eq(p.ids, settings_.pad_id)).item<bool>()) return shifted;
    const auto ids = p.ids.cpu(), counted = shifted.cpu();
    const auto* id = ids.const_data_ptr<std::int32_t>();
    auto* at = counted.mutable_data_ptr<std::int32_t>();
    for (const auto& g : p.groups)
      for (std::int64_t row = 0; row < g.rows; ++row) {
        auto next = static_cast<std::int32_t>(settings_.pad_id);
        for (auto i = g.first + row * g.length; i < g.first + (row + 1) * g.length; ++i)
          at[i] = id[i] == settings_.pad_id ? static_cast<std::int32_t>(settings_.pad_id) : ++next;
      }
    return counted.to(p.ids.device());
  }

  // [1, heads, length, length] a group; empty: none.
  std::vector<at::Tensor> biases(const packed_rows& p) const {
    std::vector<at::Tensor> all;
    if (!relative_.defined()) return all;
    for (const auto& g : p.groups) {
      auto places = at::empty({g.length, g.length}, at::kInt);
      auto* at = places.mutable_data_ptr<std::int32_t>();
      std::vector<std::int32_t> by_distance;
      for (auto d = 1 - g.length; d < g.length; ++d)
        by_distance.push_back(static_cast<std::int32_t>(bucket_of(d, settings_.relative_buckets)));
      for (std::int64_t i = 0; i < g.length; ++i)
        at = std::copy_n(by_distance.begin() + (g.length - 1 - i), g.length, at);
      all.push_back(at::index_select(relative_, 0, places.view(-1).to(relative_.device()))
                        .view({1, g.length, g.length, settings_.heads})
                        .permute({0, 3, 1, 2})
                        .to(words_.scalar_type())
                        .contiguous());
    }
    return all;
  }

  at::Tensor run_layer(std::int64_t i, const at::Tensor& x, const packed_rows& p,
                       const std::vector<at::Tensor>& bias) const {
    const auto& l = layer_at(i);
    return finish_layer(l, attention_.of_all(apply(l.qkv, x), p, bias), x);
  }

  // What follows attention: [n, hidden] in, [n, hidden] out, token by token.
  at::Tensor finish_layer(const layer& l, const at::Tensor& context, const at::Tensor& x) const {
    const auto middle = normalize(l.norm1, apply_and_add(l.out, context, x), settings_.norm_epsilon);
    return normalize(l.norm2, apply_and_add(l.down, apply(l.up, middle, after(settings_.act), made_for::layer), middle),
                     settings_.norm_epsilon);
  }

  post_norm_settings settings_;
  packed_attention attention_;
  at::Tensor words_, positions_;
  at::Tensor types_;  // [types, embedding] in fp32, what each adds to type 0; undefined: there is one
  norm norm_;
  linear projection_;    // undefined: none
  at::Tensor relative_;  // [buckets, heads] in fp32; undefined: none
  std::vector<layer> layers_;
};

}  // namespace

std::unique_ptr<const encoder_body> post_norm_config::make_body(const named_weights& weights,
                                                                const std::string& device) const {
  return std::make_unique<const post_norm_body>(settings_, weights, device);
}

}  // namespace troupe::inference
