#include "inference/encoders/local_attention.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include "inference/encoders/layers.hpp"

namespace troupe::inference {
namespace {

// A block sees 2 * reach tokens beside its own: the longer it is, the smaller their share, and the more of what it
// computes is masked. A GPU rather computes more than it starts more kernels.
constexpr std::int64_t block_min = 64, block_max = 256, gpu_block = 512;
std::int64_t block_of(std::int64_t reach, bool gpu) {
  return gpu ? gpu_block : std::clamp(2 * reach, block_min, block_max);
}

}  // namespace

local_attention::local_attention(std::int64_t heads, std::int64_t hidden_size, std::int64_t reach,
                                 const at::Tensor& like)
    : heads_(heads),
      hidden_size_(hidden_size),
      reach_(reach),
      gpu_(!like.device().is_cpu()),
      block_(block_of(reach, gpu_)) {
  const auto columns = block_ + 2 * reach_;
  const auto band = at::full({1, 1, block_, columns}, -std::numeric_limits<float>::infinity(), at::kFloat);
  auto* at = band.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < block_; ++i) std::fill_n(at + i * columns + i, 2 * reach_ + 1, 0.0F);
  band_ = band.to(like.options());
}

std::uint64_t local_attention::private_bytes(std::int64_t reach) noexcept {
  return sizeof(float) * static_cast<std::uint64_t>(gpu_block * (gpu_block + 2 * reach));
}

// Tokens `from` to `from + count` of each row of `g`, of `t` [tokens, k * hidden] the `part`-th k-th, as [rows, heads,
// count, width]: a view.
at::Tensor local_attention::heads_of(const at::Tensor& t, std::int64_t part, const row_group& g, std::int64_t from,
                                     std::int64_t count) const {
  const auto width = hidden_size_ / heads_, stride = t.size(1);
  return t.as_strided({g.rows, heads_, count, width}, {g.length * stride, width, stride, 1},
                      (g.first + from) * stride + part * hidden_size_);
}

void local_attention::attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                             const std::optional<at::Tensor>& added, const at::Tensor& out) const {
  if (gpu_)
    out.copy_(at::scaled_dot_product_attention(q, k, v, added).transpose(1, 2));
  else
    attend_by_heads(q, k, v, added, out);
}

// What is added to the scores of the tokens `from` to `to` for those from `first` to `last`.
std::optional<at::Tensor> local_attention::band(const row_group& g, std::int64_t from, std::int64_t to,
                                                std::int64_t first, std::int64_t last) const {
  const auto queries = to - from, keys = last - first;
  std::optional<at::Tensor> padding;
  if (g.mask.defined()) padding = g.mask.narrow(3, first, keys);
  if (g.length <= reach_ + 1) {
    if (padding) padding = padding->expand({g.rows, 1, queries, keys});
    return padding;
  }
  const auto band = band_.narrow(2, 0, queries).narrow(3, first - from + reach_, keys);
  if (padding) return band.add(*padding);
  // A GPU's kernels want it to begin where their loads may.
  return (gpu_ ? band.clone(at::MemoryFormat::Contiguous) : band).expand({g.rows, 1, queries, keys});
}

at::Tensor local_attention::of_all(const at::Tensor& qkv, const packed_rows& rows) const {
  const auto out = at::empty({qkv.size(0), hidden_size_}, qkv.options());
  for (const auto& g : rows.groups) {
    const auto lines = out.narrow(0, g.first, g.rows * g.length);
    if (g.spare) {
      lines.zero_();
      continue;
    }
    const auto part = lines.view({g.rows, g.length, heads_, hidden_size_ / heads_});
    const auto step = g.length <= reach_ + 1 ? g.length : block_;
    for (std::int64_t from = 0; from < g.length; from += step) {
      const auto to = std::min(g.length, from + step);
      const auto first = std::max<std::int64_t>(0, from - reach_), last = std::min(g.length, to + reach_);
      attend(heads_of(qkv, 0, g, from, to - from), heads_of(qkv, 1, g, first, last - first),
             heads_of(qkv, 2, g, first, last - first), band(g, from, to, first, last), part.narrow(1, from, to - from));
    }
  }
  return out;
}

at::Tensor local_attention::of_firsts(const at::Tensor& qkv, const at::Tensor& filler, const packed_rows& rows) const {
  const auto q = at::index_select(qkv.narrow(1, 0, hidden_size_), 0, rows.firsts);
  std::vector<at::Tensor> parts;
  for (const auto& g : rows.groups) {
    if (g.spare) continue;
    const auto keys = std::min(g.length, reach_ + 1);  // all that a first token sees
    std::optional<at::Tensor> padding;
    if (g.mask.defined()) padding = g.mask.narrow(3, 0, keys);
    const row_group queries{g.first_row, g.first_row, g.rows, 1, {}, false};
    const auto out = at::empty({g.rows, 1, heads_, hidden_size_ / heads_}, q.options());
    attend(heads_of(q, 0, queries, 0, 1), heads_of(qkv, 1, g, 0, keys), heads_of(qkv, 2, g, 0, keys), padding, out);
    parts.push_back(out.view({g.rows, hidden_size_}));
  }
  if (const auto spare = filler.size(0) - rows.rows; spare > 0) parts.push_back(filler.narrow(0, 0, spare));
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

}  // namespace troupe::inference
