#include "inference/encoders/deberta_attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/log.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include "inference/encoders/deberta_distances.hpp"
#include "inference/encoders/layers.hpp"

namespace troupe::inference {
namespace {

// Of the temporary values of a piece: what the caches hold, and what a GPU can spare.
constexpr std::int64_t cpu_floats_max = 1 << 20, gpu_values_max = 1 << 27;

int parts_of(const distance_tables& t) { return int{t.keys.defined()} + int{t.queries.defined()}; }

}  // namespace

distance_attention::distance_attention(const deberta_settings& c, const at::Tensor& like)
    : heads_(c.heads),
      hidden_size_(c.hidden_size),
      width_(c.hidden_size / c.heads),
      positions_(c.positions),
      span_(c.span),
      // v1 has a head's q, k and v side by side; else all heads' q come first.
      head_stride_(c.first_version ? 3 * width_ : width_),
      part_stride_(c.first_version ? width_ : hidden_size_),
      scale_(1.0F / std::sqrt(static_cast<float>(width_) * static_cast<float>(c.score_parts))),
      gpu_(!like.device().is_cpu()),
      table_type_(gpu_ ? like.scalar_type() : at::kFloat) {
  if (!c.reads_distances()) return;
  lines_ = distance_lines(c);
  line_of_ =
      at::from_blob(lines_.data(), {static_cast<std::int64_t>(lines_.size())}, at::kInt).to(like.device(), at::kLong);
}

at::Tensor distance_attention::table_of(const at::Tensor& projected) const {
  return projected.mul(scale_).flip(0).view({2 * span_, heads_, width_}).transpose(0, 1).to(table_type_).contiguous();
}

std::vector<at::Tensor> distance_attention::lines_of(const packed_rows& rows) const {
  std::vector<at::Tensor> all(rows.groups.size());
  if (!line_of_.defined()) return all;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& g = rows.groups[i];
    if (g.spare || on_cpu_unpadded(g)) continue;
    const auto places = at::arange(g.length, line_of_.options());
    const auto distances = places.unsqueeze(0).sub(places.unsqueeze(1)).add_(positions_ - 1);
    all[i] = at::index_select(line_of_, 0, distances.view({-1})).view({g.length, g.length});
  }
  return all;
}

// [rows, heads, length, width]: a view.
at::Tensor distance_attention::by_row(const at::Tensor& t, part p, const piece& at) const {
  const auto line = t.size(1);
  return t.as_strided({at.rows, at.heads, at.length, width_}, {at.length * line, head_stride_, line, 1},
                      at.first_token * line + p * part_stride_ + at.first_head * head_stride_);
}

// [heads, rows * length, width], as the tables are: a view, on a CPU of bf16 a copy.
at::Tensor distance_attention::by_head(const at::Tensor& t, part p, const piece& at) const {
  const auto line = t.size(1);
  return t
      .as_strided({at.heads, at.rows * at.length, width_}, {head_stride_, line, 1},
                  at.first_token * line + p * part_stride_ + at.first_head * head_stride_)
      .to(table_type_);
}

// [rows, heads, length, width] of [tokens, hidden]: a view.
at::Tensor distance_attention::out_of(const at::Tensor& out, const piece& at) const {
  return out.as_strided({at.rows, at.heads, at.length, width_}, {at.length * hidden_size_, width_, hidden_size_, 1},
                        at.first_token * hidden_size_ + at.first_head * width_);
}

at::Tensor distance_attention::attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                      const at::Tensor& bias) const {
  std::optional<at::Tensor> mask;
  if (bias.defined()) mask = bias;
  if (gpu_) return at::scaled_dot_product_attention(q, k, v, mask, 0.0, false, scale_);
  return std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, false, mask, scale_));
}

void distance_attention::attend_whole(const at::Tensor& qkv, const distance_tables& tables, const row_group& g,
                                      at::Tensor& out) const {
  const auto n = g.length;
  const auto* centre = lines_.data() + (positions_ - 1);
  const auto low = centre[1 - n], count = centre[n - 1] - low + 1;
  std::vector<std::int32_t> near(centre + (1 - n), centre + n);
  for (auto& line : near) line -= low;

  const auto blocks = attention_blocks(heads_, g.rows * n * n * hidden_size_);
  for_blocks(blocks, [&](std::uint32_t block) {
    attend_heads(qkv, tables, g, part_of(heads_, block, blocks), {near, low, count}, out);
  });
}

void distance_attention::attend_heads(const at::Tensor& qkv, const distance_tables& tables, const row_group& g,
                                      block_range some, const near_lines& lines, at::Tensor& out) const {
  const auto n = g.length, low = lines.low, count = lines.count;
  const auto floats = (n + parts_of(tables) * count) * n;  // of a row and a head
  const auto at_once = std::max<std::int64_t>(1, cpu_floats_max / floats);
  const auto heads = std::min(some.size(), at_once), rows = std::clamp<std::int64_t>(at_once / heads, 1, g.rows);
  const auto memory = at::empty({floats * heads * rows}, at::kFloat);
  for (std::int64_t row = 0; row < g.rows; row += rows)
    for (auto head = some.from; head < some.to; head += heads) {
      const piece at{g.first + row * n, std::min(rows, g.rows - row), n, head, std::min(heads, some.to - head)};
      const auto pairs = at.heads * at.rows;
      auto place = pairs * n * n;
      const auto project = [&](const at::Tensor& table, part p) -> const float* {
        if (!table.defined()) return nullptr;
        auto to = memory.narrow(0, place, pairs * n * count).view({at.heads, at.rows * n, count});
        place += pairs * n * count;
        at::bmm_out(to, by_head(qkv, p, at), table.narrow(0, head, at.heads).narrow(1, low, count).transpose(1, 2));
        return to.const_data_ptr<float>();
      };
      distance_scores s{
          at.rows, at.heads, n, count, lines.near.data() + (n - 1), nullptr, nullptr, memory.mutable_data_ptr<float>()};
      s.by_query = project(tables.keys, query);
      s.by_key = project(tables.queries, key);
      sum_distances(s);
      const auto bias = memory.narrow(0, 0, pairs * n * n).view({at.rows, at.heads, n, n});
      out_of(out, at).copy_(attend(by_row(qkv, query, at), by_row(qkv, key, at), by_row(qkv, value, at), bias));
    }
}

void distance_attention::attend_padded(const at::Tensor& qkv, const distance_tables& tables, const row_group& g,
                                       const at::Tensor& lines, at::Tensor& out) const {
  const auto n = g.length;
  std::int64_t low = 0, count = 0;
  if (lines.defined()) {
    const auto* centre = lines_.data() + (positions_ - 1);
    low = centre[1 - n];
    count = centre[n - 1] - low + 1;
  }
  const auto values = heads_ * n * (3 * n + parts_of(tables) * (count + n));  // of a row
  const auto rows = std::clamp<std::int64_t>(gpu_values_max / values, 1, g.rows);
  for (std::int64_t row = 0; row < g.rows; row += rows) {
    const piece at{g.first + row * n, std::min(rows, g.rows - row), n, 0, heads_};
    const auto found = [&](const at::Tensor& table, part p, const at::Tensor& line) {
      return at::bmm(by_head(qkv, p, at), table.narrow(1, low, count).transpose(1, 2))
          .view({heads_, at.rows, n, count})
          .gather(3, line.expand({heads_, at.rows, n, n}));
    };
    at::Tensor bias;
    if (tables.keys.defined()) bias = found(tables.keys, query, lines.sub(low));
    if (tables.queries.defined()) {
      const auto by_key = found(tables.queries, key, lines.t().sub(low)).transpose(2, 3);
      bias = bias.defined() ? bias.add_(by_key) : by_key;
    }
    if (bias.defined()) bias = bias.transpose(0, 1);
    if (g.mask.defined()) {
      const auto mask = g.mask.narrow(0, row, at.rows);
      bias = bias.defined() ? bias.add(mask) : mask.expand({at.rows, 1, n, n});
    }
    out_of(out, at).copy_(attend(by_row(qkv, query, at), by_row(qkv, key, at), by_row(qkv, value, at), bias));
  }
}

at::Tensor distance_attention::of_all(const at::Tensor& qkv, const distance_tables& tables, const packed_rows& rows,
                                      const std::vector<at::Tensor>& lines) const {
  auto out = at::empty({qkv.size(0), hidden_size_}, qkv.options());
  for (std::size_t i = 0; i < rows.groups.size(); ++i) {
    const auto& g = rows.groups[i];
    if (g.spare)  // may be longer than any row
      out.narrow(0, g.first, g.rows * g.length).zero_();
    else if (parts_of(tables) > 0 && on_cpu_unpadded(g))
      attend_whole(qkv, tables, g, out);
    else
      attend_padded(qkv, tables, g, lines[i], out);
  }
  return out;
}

at::Tensor distance_attention::first_bias(const at::Tensor& q, const at::Tensor& qkv, const distance_tables& tables,
                                          const row_group& g) const {
  at::Tensor bias;
  if (parts_of(tables) > 0) {
    const auto lines = line_of_.narrow(0, positions_ - 1, g.length);
    if (tables.keys.defined()) {
      const auto asking = by_head(q, query, {g.first_row, g.rows, 1, 0, heads_});
      bias = at::bmm(asking, at::index_select(tables.keys, 1, lines).transpose(1, 2)).transpose(0, 1);
    }
    if (tables.queries.defined()) {
      const auto keys = by_row(qkv, key, {g.first, g.rows, g.length, 0, heads_}).to(table_type_);
      const auto by_key = keys.mul(at::index_select(tables.queries, 1, lines)).sum(-1);
      bias = bias.defined() ? bias.add(by_key) : by_key;
    }
    bias = bias.unsqueeze(2);
  }
  if (!g.mask.defined()) return bias;
  return bias.defined() ? bias.add(g.mask) : g.mask;
}

at::Tensor distance_attention::of_firsts(const at::Tensor& qkv, const at::Tensor& filler, const distance_tables& tables,
                                         const packed_rows& rows) const {
  const auto firsts = at::index_select(qkv, 0, rows.firsts);
  std::vector<at::Tensor> parts;
  parts.reserve(rows.groups.size() + 1);
  for (const auto& g : rows.groups) {
    if (g.spare) continue;
    const piece all{g.first, g.rows, g.length, 0, heads_}, asking{g.first_row, g.rows, 1, 0, heads_};
    parts.push_back(attend(by_row(firsts, query, asking), by_row(qkv, key, all), by_row(qkv, value, all),
                           first_bias(firsts, qkv, tables, g))
                        .transpose(1, 2)
                        .reshape({g.rows, hidden_size_}));
  }
  if (const auto spare = filler.size(0) - rows.rows; spare > 0) parts.push_back(filler.narrow(0, 0, spare));
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

}  // namespace troupe::inference
