// Packed execution: the texts' tokens lie one after another, [tokens, hidden], and only attention knows
// where one text ends. Nothing is padded on a CPU, so a text's answer cannot depend on what it is
// batched with.

#include "inference/encoders/bert_network.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <stdexcept>

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include "inference/model/step_aside.hpp"
#include "inference/torch/device.hpp"
#include "inference/torch/fused_linear.hpp"

namespace troupe::inference {
namespace {

struct linear {
  at::Tensor weight, bias;
};
struct norm {
  at::Tensor weight, bias;
};
struct layer {
  linear qkv, out, up, down;
  norm norm1, norm2;
};

// `rows` texts of `length` tokens each, from token `first` and text `first_text` on.
struct group {
  std::int64_t first = 0, first_text = 0, rows = 0, length = 0;
  at::Tensor mask;  // additive [rows, 1, 1, length]; undefined: nothing is padded
  bool spare = false;  // no text: tokens that round the batch up
};
struct packed {
  at::Tensor ids, positions;  // [tokens]
  at::Tensor firsts;          // [texts, rounded up]: where each text's first token lies
  std::vector<group> groups;
  std::int64_t texts = 0;
  std::vector<std::size_t> order;  // order[i]: which text is the i-th
};

after_linear after(activation a) {
  switch (a) {
    case activation::gelu:
      return after_linear::gelu;
    case activation::gelu_tanh:
      return after_linear::gelu_tanh;
    case activation::relu:
      return after_linear::relu;
    case activation::silu:
      return after_linear::silu;
  }
  return after_linear::nothing;
}

using texts_span = std::span<const std::span<const std::int32_t>>;

// oneDNN keeps some 0.2 MB for every shape of a product that it meets, and as much again for each thread. With the
// number of tokens rounded up there are some dozens of them instead of a thousand; the spare tokens are a text of
// their own that nobody asked for.
std::int64_t rounded_tokens(std::int64_t tokens) {
  const auto octave = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(tokens)));
  const auto step = std::max<std::int64_t>(8, octave / (octave <= 256 ? 4 : 8));  // 8 16 24 32 48 64 96 .. 256 320 384 ..
  return (tokens + step - 1) / step * step;
}
// The same for what follows the last layer's attention, which sees one token a text.
std::int64_t rounded_texts(std::size_t texts) {
  return static_cast<std::int64_t>(std::bit_ceil(texts));
}

// Shortest first, texts of one length together. `padded`: one group, all as long as the longest.
packed pack(texts_span texts, bool padded) {
  packed p;
  p.texts = static_cast<std::int64_t>(texts.size());
  p.order.resize(texts.size());
  std::iota(p.order.begin(), p.order.end(), std::size_t{0});
  std::stable_sort(p.order.begin(), p.order.end(),
                   [&](std::size_t a, std::size_t b) { return texts[a].size() < texts[b].size(); });
  const auto longest = static_cast<std::int64_t>(texts[p.order.back()].size());
  const auto length_of = [&](std::size_t i) {
    return padded ? longest : static_cast<std::int64_t>(texts[p.order[i]].size());
  };
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) tokens += length_of(i);
  const auto room = padded ? tokens : rounded_tokens(tokens);
  p.ids = at::zeros({room}, at::kInt);
  p.positions = at::zeros({room}, at::kInt);
  p.firsts = at::zeros({padded ? static_cast<std::int64_t>(texts.size()) : rounded_texts(texts.size())}, at::kInt);
  auto* ids = p.ids.mutable_data_ptr<std::int32_t>();
  auto* positions = p.positions.mutable_data_ptr<std::int32_t>();
  auto* firsts = p.firsts.mutable_data_ptr<std::int32_t>();
  std::int64_t at = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto length = length_of(i);
    if (p.groups.empty() || p.groups.back().length != length)
      p.groups.push_back({at, static_cast<std::int64_t>(i), 0, length, {}, false});
    ++p.groups.back().rows;
    const auto text = texts[p.order[i]];
    std::copy(text.begin(), text.end(), ids + at);
    std::iota(positions + at, positions + at + static_cast<std::int64_t>(text.size()), 0);
    firsts[i] = static_cast<std::int32_t>(at);
    at += length;
  }
  if (room > tokens) p.groups.push_back({tokens, 0, 1, room - tokens, {}, true});
  if (padded && texts[p.order.front()].size() != texts[p.order.back()].size()) {
    auto& g = p.groups.front();
    g.mask = at::zeros({g.rows, 1, 1, g.length}, at::kFloat);
    auto* mask = g.mask.mutable_data_ptr<float>();
    for (std::size_t i = 0; i < texts.size(); ++i)
      std::fill(mask + static_cast<std::int64_t>(i) * longest +
                    static_cast<std::int64_t>(texts[p.order[i]].size()),
                mask + static_cast<std::int64_t>(i + 1) * longest, -10000.0F);
  }
  return p;
}

class network final : public bert_network {
 public:
  network(const bert_config& c, loaded_weights weights, const std::string& device)
      : config_(c), device_(device) {
    const c10::InferenceMode inference;
    std::vector<at::Tensor> all;
    auto* base =
        const_cast<std::byte*>(weights.memory->bytes().data());  // never written: see torch_device.hpp
    for (const auto& t : weights.tensors) {
      const auto type = t.type == "BF16" ? at::kBFloat16 : at::kFloat;
      all.push_back(at::from_blob(base + t.begin, t.shape, at::TensorOptions().dtype(type)));
    }
    if (is_gpu(device)) {
      // cuDNN's attention is compiled for each new shape of a batch: 300 to 600 ms on an H100.
      at::globalContext().setSDPUseCuDNN(false);
      for (auto& t : all) t = t.to(torch_device(device));
    } else {
      memory_ = std::move(weights.memory);
    }
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
  }

  std::unique_ptr<device_lane> make_lane() const override { return make_device_lane(device_); }

  std::vector<float> run(texts_span texts, device_lane& lane) const override {
    if (texts.empty()) return {};
    return on_lane(lane, [&] {
      const c10::InferenceMode inference;
      auto p = pack(texts, is_gpu(device_));
      const auto sorted = scores(logits(p)).to(at::kCPU).contiguous();
      const auto width = static_cast<std::size_t>(sorted.size(1));
      const auto* from = sorted.const_data_ptr<float>();
      std::vector<float> out(texts.size() * width);
      for (std::size_t i = 0; i < texts.size(); ++i)
        std::copy_n(from + i * width, width, out.data() + p.order[i] * width);
      return out;
    });
  }

 private:
  static at::Tensor apply(const linear& l, const at::Tensor& x,
                          after_linear after = after_linear::nothing) {
    step_aside();
    return fused_linear(x, l.weight, l.bias, after);
  }
  static at::Tensor apply_and_add(const linear& l, const at::Tensor& x, const at::Tensor& residual) {
    step_aside();
    return fused_linear_add(x, l.weight, l.bias, residual);
  }
  at::Tensor normalize(const norm& n, const at::Tensor& x) const {
    return at::layer_norm(x, {config_.hidden_size}, n.weight, n.bias, config_.norm_epsilon);
  }

  // `rows` x `length` tokens of `t` [tokens, k * hidden] from `first` on, its `part`-th k-th, as [rows,
  // heads, length, width]: a view.
  at::Tensor heads_of(const at::Tensor& t, std::int64_t part, std::int64_t first, std::int64_t rows,
                      std::int64_t length) const {
    const auto width = config_.hidden_size / config_.heads, stride = t.size(1);
    return t.as_strided({rows, config_.heads, length, width}, {length * stride, width, stride, 1},
                        first * stride + part * config_.hidden_size);
  }

  // One kernel for every length: a text's neighbours cannot change its answer.
  at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const group& g) const {
    const auto queries = q.size(2);
    at::Tensor out;
    if (is_gpu(device_)) {
      std::optional<at::Tensor> mask;
      if (g.mask.defined()) mask = g.mask.expand({g.rows, 1, queries, g.length});
      out = at::scaled_dot_product_attention(q, k, v, mask);
    } else {
      // Never two batched products: those are 5 % faster for long texts in bf16, and keep 0.2 MB for every number
      // and length of texts that came together: 300 MB after a minute of mixed lengths.
      out = std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(q, k, v));
    }
    return out.transpose(1, 2).reshape({g.rows * queries, config_.hidden_size});
  }

  at::Tensor attention(const layer& l, const at::Tensor& x, const packed& p) const {
    const auto qkv = apply(l.qkv, x);
    std::vector<at::Tensor> parts;
    parts.reserve(p.groups.size());
    for (const auto& g : p.groups)
      parts.push_back(attend(heads_of(qkv, 0, g.first, g.rows, g.length),
                             heads_of(qkv, 1, g.first, g.rows, g.length),
                             heads_of(qkv, 2, g.first, g.rows, g.length), g));
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  }

  // Of the last layer only each text's first token is asked for: it alone has a query. (All have one computed, 1 % of
  // the work: a product of its own would be another shape to keep kernels for.)
  at::Tensor last_attention(const layer& l, const at::Tensor& x, const at::Tensor& x_first,
                            const packed& p) const {
    const auto qkv = apply(l.qkv, x);
    const auto q = at::index_select(qkv.narrow(1, 0, config_.hidden_size), 0, p.firsts);
    std::vector<at::Tensor> parts;
    parts.reserve(p.groups.size());
    for (const auto& g : p.groups)
      if (!g.spare)
        parts.push_back(attend(heads_of(q, 0, g.first_text, g.rows, 1),
                               heads_of(qkv, 1, g.first, g.rows, g.length),
                               heads_of(qkv, 2, g.first, g.rows, g.length), g));
    if (const auto spare = x_first.size(0) - p.texts; spare > 0) parts.push_back(x_first.narrow(0, 0, spare));
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  }

  // What follows attention: [n, hidden] in, [n, hidden] out, token by token.
  at::Tensor finish_layer(const layer& l, const at::Tensor& context, const at::Tensor& x) const {
    const auto middle = normalize(l.norm1, apply_and_add(l.out, context, x));
    return normalize(l.norm2, apply_and_add(l.down, apply(l.up, middle, after(config_.act)), middle));
  }

  // [texts, labels] in fp32, in the packed order.
  at::Tensor logits(packed& p) const {
    if (is_gpu(device_)) {
      const auto device = torch_device(device_);
      for (auto* t : {&p.ids, &p.positions, &p.firsts}) *t = t->to(device);
      for (auto& g : p.groups)
        if (g.mask.defined()) g.mask = g.mask.to(words_.options());
    }
    auto x = at::index_select(words_, 0, p.ids).add_(at::index_select(positions_, 0, p.positions));
    x = normalize(norm_, x);
    for (std::size_t i = 0; i + 1 < layers_.size(); ++i)
      x = finish_layer(layers_[i], attention(layers_[i], x, p), x);
    const auto x_first = at::index_select(x, 0, p.firsts);
    const auto& last = layers_.back();
    const auto first = finish_layer(last, last_attention(last, x, x_first, p), x_first).to(at::kFloat);
    auto pooled = at::linear(first, pool_.weight, pool_.bias);
    if (config_.distil)
      at::relu_(pooled);
    else
      at::tanh_(pooled);
    return at::linear(pooled, head_.weight, head_.bias).narrow(0, 0, p.texts);
  }

  at::Tensor scores(const at::Tensor& logits) const {
    const auto how =
        config_.score == scoring::softmax && logits.size(1) == 1 ? scoring::sigmoid : config_.score;
    return how == scoring::softmax   ? at::softmax(logits, -1)
           : how == scoring::sigmoid ? at::sigmoid(logits)
                                     : logits;
  }

  bert_config config_;
  std::string device_;
  std::shared_ptr<const weight_memory> memory_;  // outlives the tensors below, which are views of it
  at::Tensor words_, positions_;
  norm norm_;
  std::vector<layer> layers_;
  linear pool_, head_;
};

}  // namespace

std::shared_ptr<const bert_network> make_bert_network(const bert_config& config, loaded_weights weights,
                                                      const std::string& device) {
  try {
    return std::make_shared<const network>(config, std::move(weights), device);
  } catch (const c10::Error& e) {
    throw std::runtime_error(essential_line(e));
  }
}

}  // namespace troupe::inference
