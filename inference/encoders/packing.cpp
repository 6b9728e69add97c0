#include "inference/encoders/packing.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <numeric>

#include <ATen/ops/zeros.h>

namespace troupe::inference {
namespace {

constexpr std::int64_t step_min = 8;  // kernels compute so many lines at once
std::int64_t rounded_up(std::int64_t n, std::int64_t step) noexcept { return (n + step - 1) / step * step; }

}  // namespace

// oneDNN keeps some 0.2 MB for every shape of a product that it meets, and as much again for each thread. With the
// number of tokens rounded up there are some dozens of them instead of a thousand; the spare tokens are a row of
// their own that nobody asked for.
std::int64_t rounded_tokens(std::int64_t tokens) noexcept {
  const auto octave = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(tokens)));
  const auto step =
      std::max<std::int64_t>(step_min, octave / (octave <= 256 ? 4 : 8));  // 8 16 24 32 48 64 96 .. 256 320 384 ..
  return rounded_up(tokens, step);
}

namespace {

// The same for what follows the last layer's attention, which sees one token a row.
std::int64_t rounded_rows(std::size_t rows) { return static_cast<std::int64_t>(std::bit_ceil(rows)); }

// Every row's tokens, types and places; groups of one length.
class packer {
 public:
  packer(std::span<const token_row> rows, bool padded, bool few_shapes)
      : rows_(rows), padded_(padded), few_shapes_(few_shapes) {
    out_.rows = static_cast<std::int64_t>(rows.size());
    out_.order.resize(rows.size());
    std::iota(out_.order.begin(), out_.order.end(), std::size_t{0});
    std::stable_sort(out_.order.begin(), out_.order.end(),
                     [&](std::size_t a, std::size_t b) { return rows[a].ids.size() < rows[b].ids.size(); });
    longest_ = static_cast<std::int64_t>(at_place(rows.size() - 1).ids.size());
  }

  packed_rows run() {
    std::int64_t tokens = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) tokens += length_of(i);
    const auto room = padded_ ? tokens : few_shapes_ ? rounded_tokens(tokens) : rounded_up(tokens, step_min);
    out_.ids = at::zeros({room}, at::kInt);
    out_.positions = at::zeros({room}, at::kInt);
    out_.firsts = at::zeros({padded_ ? out_.rows : rounded_rows(rows_.size())}, at::kInt);
    if (std::any_of(rows_.begin(), rows_.end(), [](const token_row& r) { return !r.types.empty(); }))
      out_.types = at::zeros({room}, at::kInt);
    place_rows();
    if (room > tokens) out_.groups.push_back({tokens, 0, 1, room - tokens, {}, true});
    if (padded_ && at_place(0).ids.size() != at_place(rows_.size() - 1).ids.size()) mask_padding();
    return std::move(out_);
  }

 private:
  const token_row& at_place(std::size_t i) const { return rows_[out_.order[i]]; }
  std::int64_t length_of(std::size_t i) const {
    return padded_ ? longest_ : static_cast<std::int64_t>(at_place(i).ids.size());
  }

  void place_rows() {
    auto* ids = out_.ids.mutable_data_ptr<std::int32_t>();
    auto* positions = out_.positions.mutable_data_ptr<std::int32_t>();
    auto* firsts = out_.firsts.mutable_data_ptr<std::int32_t>();
    auto* types = out_.types.defined() ? out_.types.mutable_data_ptr<std::int32_t>() : nullptr;
    std::int64_t at = 0;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto length = length_of(i);
      if (out_.groups.empty() || out_.groups.back().length != length)
        out_.groups.push_back({at, static_cast<std::int64_t>(i), 0, length, {}, false});
      ++out_.groups.back().rows;
      const auto& row = at_place(i);
      std::copy(row.ids.begin(), row.ids.end(), ids + at);
      std::iota(positions + at, positions + at + static_cast<std::int64_t>(row.ids.size()), 0);
      if (types != nullptr) std::copy(row.types.begin(), row.types.end(), types + at);
      firsts[i] = static_cast<std::int32_t>(at);
      at += length;
    }
  }

  void mask_padding() {
    auto& g = out_.groups.front();
    g.mask = at::zeros({g.rows, 1, 1, g.length}, at::kFloat);
    auto* mask = g.mask.mutable_data_ptr<float>();
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i) * longest_;
      std::fill(mask + row + static_cast<std::int64_t>(at_place(i).ids.size()), mask + row + longest_, -10000.0F);
    }
  }

  std::span<const token_row> rows_;
  bool padded_, few_shapes_;
  std::int64_t longest_ = 0;
  packed_rows out_;
};

}  // namespace

packed_rows pack(std::span<const token_row> rows, bool padded, bool few_shapes) {
  assert(!rows.empty());
  assert(std::all_of(rows.begin(), rows.end(), [](const token_row& r) {
    return !r.ids.empty() && (r.types.empty() || r.types.size() == r.ids.size());
  }));
  return packer(rows, padded, few_shapes).run();
}

void packed_rows::to(const at::Tensor& like) {
  for (auto* t : {&ids, &positions, &types, &firsts})
    if (t->defined()) *t = t->to(like.device());
  for (auto& g : groups)
    if (g.mask.defined()) g.mask = g.mask.to(like.options());
}

features unpack_rows(const at::Tensor& lines, const packed_rows& packed) {
  const auto host = lines.to(at::kCPU, at::kFloat).contiguous();
  features out;
  out.width = host.size(1);
  const auto width = static_cast<std::size_t>(out.width), rows = packed.order.size();
  const auto* from = host.const_data_ptr<float>();
  out.values.resize(rows * width);
  for (std::size_t i = 0; i < rows; ++i)
    std::copy_n(from + i * width, width, out.values.data() + packed.order[i] * width);
  out.first_of.resize(rows + 1);
  std::iota(out.first_of.begin(), out.first_of.end(), std::size_t{0});
  return out;
}

picked_tokens pick_tokens(std::span<const token_row> rows, const packed_rows& packed, bool exact) {
  // Where each row begins.
  std::vector<std::int64_t> begin_of(rows.size());
  for (const auto& g : packed.groups) {
    if (g.spare) continue;
    for (std::int64_t k = 0; k < g.rows; ++k)
      begin_of[packed.order[static_cast<std::size_t>(g.first_row + k)]] = g.first + k * g.length;
  }
  picked_tokens out;
  out.first_of.push_back(0);
  for (const auto& row : rows)
    out.first_of.push_back(out.first_of.back() + (row.picks.empty() ? row.ids.size() : row.picks.size()));
  const auto count = static_cast<std::int64_t>(out.first_of.back());
  out.places = at::zeros({exact ? count : rounded_tokens(count)}, at::kInt);
  auto* at = out.places.mutable_data_ptr<std::int32_t>();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto begin = static_cast<std::int32_t>(begin_of[i]);
    if (rows[i].picks.empty()) {
      std::iota(at, at + rows[i].ids.size(), begin);
      at += rows[i].ids.size();
    }
    for (const auto pick : rows[i].picks) {
      assert(pick < rows[i].ids.size());
      *at++ = begin + static_cast<std::int32_t>(pick);
    }
  }
  return out;
}

features unpack_picked(const at::Tensor& lines, const picked_tokens& picked) {
  const auto host = lines.to(at::kCPU, at::kFloat).contiguous();
  features out;
  out.width = host.size(1);
  const auto* from = host.const_data_ptr<float>();
  out.values.assign(from, from + picked.first_of.back() * static_cast<std::size_t>(out.width));
  out.first_of = picked.first_of;
  return out;
}

}  // namespace troupe::inference
