#include "inference/encoders/layers.hpp"

#include <algorithm>
#include <cassert>
#include <optional>

#include <ATen/Context.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include "inference/model/step_aside.hpp"
#include "inference/torch/bf16_panel_linear.hpp"
#include "inference/torch/device.hpp"
#include "inference/torch/fork_join.hpp"
#include "inference/torch/head_attention.hpp"
#include "inference/torch/layer_norm.hpp"
#include "inference/torch/panel_linear.hpp"
#include "inference/torch/tile_attention.hpp"

namespace troupe::inference {

std::vector<at::Tensor> tensors_of(const loaded_weights& weights, const std::string& device) {
  std::vector<at::Tensor> all;
  all.reserve(weights.tensors.size());
  auto* base = const_cast<std::byte*>(weights.memory->bytes().data());  // never written: see torch/device.hpp
  for (const auto& t : weights.tensors) {
    const auto type = t.type == stored_name(dtype::bf16) ? at::kBFloat16
                      : t.type == stored_name(dtype::i8) ? at::kChar
                                                         : at::kFloat;
    all.push_back(at::from_blob(base + t.begin, t.shape, at::TensorOptions().dtype(type)));
  }
  if (is_gpu(device)) {
    // cuDNN's attention is compiled for each new shape of a batch: 300 to 600 ms on an H100.
    at::globalContext().setSDPUseCuDNN(false);
    for (auto& t : all) t = t.to(torch_device(device));
  }
  return all;
}

after_linear after(activation a) {
  switch (a) {
    case activation::gelu: return after_linear::gelu;
    case activation::gelu_tanh: return after_linear::gelu_tanh;
    case activation::relu: return after_linear::relu;
    case activation::silu: return after_linear::silu;
  }
  return after_linear::nothing;
}

linear part_of(const linear& l, std::int64_t from, std::int64_t count) {
  assert(l.divides_at(from) && l.divides_at(from + count));
  return {l.weight.narrow(0, from, count), l.bias.defined() ? l.bias.narrow(0, from, count) : at::Tensor(), nullptr,
          l.panels};
}

namespace {
at::Tensor on_panels(const linear& l, const at::Tensor& x, const at::Tensor& residual, after_linear after,
                     made_for reader) {
  return l.weight.scalar_type() == at::kBFloat16 ? bf16_panel_linear(x, l.weight, l.bias, residual, after, reader)
                                                 : panel_linear(x, l.weight, l.bias, residual, after);
}
}  // namespace

at::Tensor apply(const linear& l, const at::Tensor& x, after_linear after, made_for reader) {
  step_aside();
  if (l.panels) return on_panels(l, x, {}, after, reader);
  if (l.packed) return int8_linear(x, *l.packed, l.bias, {}, after, reader);
  return fused_linear(x, l.weight, l.bias, after);
}

// A sum with a residual stays in the layer's own type.
at::Tensor apply_and_add(const linear& l, const at::Tensor& x, const at::Tensor& residual, made_for reader) {
  step_aside();
  if (l.panels) return on_panels(l, x, residual, after_linear::nothing, reader);
  if (l.packed) return int8_linear(x, *l.packed, l.bias, residual, after_linear::nothing);
  return fused_linear_add(x, l.weight, l.bias, residual);
}

at::ScalarType layer_type(const linear& l) {
  if (l.packed) return int8_layers_round() ? at::kBFloat16 : at::kFloat;
  return l.weight.scalar_type();
}

namespace {
template <class T, class Number>
at::Tensor normalized(const norm& n, const at::Tensor& x, double epsilon, made_for reader) {
  const auto width = x.size(-1);
  const auto y = x.dim() == 2 ? line_room(x.size(0), width, x.options(), reader) : at::empty(x.sizes(), x.options());
  const auto numbers = [](const at::Tensor& t) { return reinterpret_cast<const T*>(t.const_data_ptr<Number>()); };
  const auto step = [&](const at::Tensor& t) { return t.dim() == 2 ? t.stride(0) : width; };
  normalize_lines(norm_lines<T>{numbers(x), step(x), x.numel() / width, width, numbers(n.weight),
                                n.bias.defined() ? numbers(n.bias) : nullptr, epsilon,
                                reinterpret_cast<T*>(y.mutable_data_ptr<Number>()), step(y)});
  return y;
}
// With one distance from line to line.
bool has_lines(const at::Tensor& x) { return x.is_contiguous() || (x.dim() == 2 && x.stride(1) == 1); }
}  // namespace

at::Tensor normalize(const norm& n, const at::Tensor& x, double epsilon, made_for reader) {
  if (x.device().is_cpu() && has_lines(x) && x.numel() > 0 && x.scalar_type() == n.weight.scalar_type()) {
    if (x.scalar_type() == at::kFloat) return normalized<float, float>(n, x, epsilon, reader);
    if (x.scalar_type() == at::kBFloat16) return normalized<std::uint16_t, c10::BFloat16>(n, x, epsilon, reader);
  }
  return at::layer_norm(x, {x.size(-1)}, n.weight, n.bias.defined() ? std::optional(n.bias) : std::nullopt, epsilon);
}

std::uint32_t attention_blocks(std::int64_t heads, std::int64_t products) {
  constexpr std::int64_t products_min = 1 << 15;  // of a block: below that a hand-off costs what it gains
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(std::min<std::int64_t>(heads, products / products_min), 1, crew_threads()));
}

namespace {

// Of keys and values that lie in one tensor, in bf16, on a CPU that multiplies tiles.
bool fits_tiles(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  return q.scalar_type() == at::kBFloat16 && has_tile_attention(q.size(3)) && q.stride(3) == 1 && k.stride(3) == 1 &&
         k.is_alias_of(v) && k.strides() == v.strides();
}

// REQUIRES fits_tiles(). Nothing is added to the scores.
void attend_each_head(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& out) {
  const auto rows = q.size(0), heads = q.size(1);
  constexpr std::int64_t bytes = sizeof(std::uint16_t);
  const auto lines_of = [](const at::Tensor& t, std::int64_t row, std::int64_t head) {
    const auto first = (row * t.stride(0) + head * t.stride(1)) * bytes;
    return attention_lines{static_cast<const std::byte*>(t.const_data_ptr()) + first, t.stride(2) * bytes, t.size(2)};
  };
  auto* to = static_cast<std::byte*>(out.mutable_data_ptr());
  head_attention one;
  one.bf16 = true;
  one.width = q.size(3);
  one.to_value = v.storage_offset() - k.storage_offset();
  one.out_step_bytes = out.stride(1) * bytes;
  const auto blocks = attention_blocks(rows * heads, q.numel() * k.size(2));
  for_blocks(blocks, [&](std::uint32_t block) {
    attention_scratch scratch;
    const auto some = part_of(rows * heads, block, blocks);
    auto mine = one;
    for (auto i = some.from; i < some.to; ++i) {
      const auto row = i / heads, head = i % heads;
      mine.queries = lines_of(q, row, head);
      mine.keys[0] = lines_of(k, row, head);
      mine.out = to + (row * out.stride(0) + head * out.stride(2)) * bytes;
      attend_head(mine, scratch);
    }
  });
}

}  // namespace

void attend_by_heads(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::optional<at::Tensor>& added, const at::Tensor& out) {
  if (!added && fits_tiles(q, k, v)) return attend_each_head(q, k, v, out);
  const auto heads = q.size(1);
  const auto blocks = attention_blocks(heads, q.numel() * k.size(2));
  for_blocks(blocks, [&](std::uint32_t block) {
    const auto some = part_of(heads, block, blocks);
    const auto of = [&](const at::Tensor& t) { return t.narrow(1, some.from, some.size()); };
    auto added_to_them = added;
    if (added && added->size(1) > 1) added_to_them = of(*added);
    // Never two batched products: those are 5 % faster for long texts in bf16, and keep 0.2 MB for every number
    // and length of texts that came together: 300 MB after a minute of mixed lengths.
    const auto made =
        std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(of(q), of(k), of(v), 0.0, false, added_to_them));
    out.narrow(2, some.from, some.size()).copy_(made.transpose(1, 2));
  });
}

// `rows` x `length` tokens of `t` [tokens, k * hidden] from `first` on, its `part`-th k-th, as [rows, heads, length,
// width]: a view.
at::Tensor packed_attention::heads_of(const at::Tensor& t, std::int64_t part, std::int64_t first, std::int64_t rows,
                                      std::int64_t length) const {
  const auto width = hidden_size_ / heads_, stride = t.size(1);
  return t.as_strided({rows, heads_, length, width}, {length * stride, width, stride, 1},
                      first * stride + part * hidden_size_);
}

at::Tensor packed_attention::attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const row_group& g,
                                    const at::Tensor& bias) const {
  const auto queries = q.size(2);
  std::optional<at::Tensor> added;
  if (bias.defined()) added = bias.narrow(2, 0, queries).expand({g.rows, bias.size(1), queries, g.length});
  if (gpu_) {
    if (g.mask.defined()) {
      const auto mask = g.mask.expand({g.rows, 1, queries, g.length});
      added = added ? added->add(mask) : mask;
    }
    return at::scaled_dot_product_attention(q, k, v, added).transpose(1, 2).reshape({g.rows * queries, hidden_size_});
  }
  const auto out = at::empty({g.rows, queries, heads_, hidden_size_ / heads_}, q.options());
  attend_by_heads(q, k, v, added, out);
  return out.view({g.rows * queries, hidden_size_});
}

at::Tensor packed_attention::of_all(const at::Tensor& qkv, const packed_rows& rows,
                                    const std::vector<at::Tensor>& bias) const {
  std::vector<at::Tensor> parts;
  parts.reserve(rows.groups.size());
  for (std::size_t i = 0; i < rows.groups.size(); ++i) {
    const auto& g = rows.groups[i];
    parts.push_back(attend(heads_of(qkv, 0, g.first, g.rows, g.length), heads_of(qkv, 1, g.first, g.rows, g.length),
                           heads_of(qkv, 2, g.first, g.rows, g.length), g, bias.empty() ? at::Tensor() : bias[i]));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

at::Tensor packed_attention::of_firsts(const at::Tensor& qkv, const at::Tensor& filler, const packed_rows& rows,
                                       const std::vector<at::Tensor>& bias) const {
  const auto q = at::index_select(qkv.narrow(1, 0, hidden_size_), 0, rows.firsts);
  std::vector<at::Tensor> parts;
  parts.reserve(rows.groups.size());
  for (std::size_t i = 0; i < rows.groups.size(); ++i) {
    const auto& g = rows.groups[i];
    if (g.spare) continue;
    parts.push_back(attend(heads_of(q, 0, g.first_row, g.rows, 1), heads_of(qkv, 1, g.first, g.rows, g.length),
                           heads_of(qkv, 2, g.first, g.rows, g.length), g, bias.empty() ? at::Tensor() : bias[i]));
  }
  if (const auto spare = filler.size(0) - rows.rows; spare > 0) parts.push_back(filler.narrow(0, 0, spare));
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

}  // namespace troupe::inference
