#include "inference/speech/row_attention.hpp"

#include <cassert>
#include <vector>

#include "inference/encoders/layers.hpp"
#include "inference/speech/frame_lines.hpp"
#include "inference/torch/fork_join.hpp"
#include "inference/torch/head_attention.hpp"

namespace troupe::inference {
namespace {

std::int64_t past_of(const attention_row& row) { return row.past != nullptr ? row.past->count() : 0; }

// All rows' attention in one layer.
class attention_layer {
 public:
  attention_layer(const at::Tensor& q, const at::Tensor& kv, std::int64_t heads, std::int64_t layer,
                  const at::Tensor& out)
      : kv_(kv), layer_(layer) {
    assert(q.stride(1) == 1 && kv.stride(1) == 1 && out.stride(1) == 1);
    one_.bf16 = q.scalar_type() == at::kBFloat16;
    one_.to_value = q.size(1);
    one_.width = q.size(1) / heads;
    bytes_ = q.element_size();
    q_ = static_cast<const std::byte*>(q.const_data_ptr());
    out_ = static_cast<std::byte*>(out.mutable_data_ptr());
    one_.queries.step_bytes = q.stride(0) * bytes_;
    one_.out_step_bytes = out.stride(0) * bytes_;
  }

  void attend(const attention_row& row, std::int64_t head, attention_scratch& scratch) const {
    auto one = one_;
    const auto at = head * one.width * bytes_, step = kv_.stride(0) * bytes_;
    one.queries.first = q_ + row.query * one.queries.step_bytes + at;
    one.queries.count = row.queries;
    one.out = out_ + row.query * one.out_step_bytes + at;
    one.keys[0] = {static_cast<const std::byte*>(kv_.const_data_ptr()) + row.key * step + at, step, row.keys};
    if (past_of(row) > 0) {
      const auto pieces = row.past->pieces(layer_);
      for (std::size_t i = 0; i < pieces.size(); ++i)
        one.keys[i + 1] = {pieces[i].first + at, static_cast<std::int64_t>(row.past->line_bytes()), pieces[i].count};
    }
    if (row.mask.defined()) {
      assert(past_of(row) == 0 && row.mask.stride(1) == 1);
      one.mask = static_cast<const std::byte*>(row.mask.const_data_ptr());
      one.mask_step_bytes = row.mask.stride(0) * bytes_;
    }
    attend_head(one, scratch);
  }

 private:
  const at::Tensor& kv_;
  std::int64_t layer_, bytes_ = 0;
  const std::byte* q_ = nullptr;
  std::byte* out_ = nullptr;
  head_attention one_;
};

}  // namespace

at::Tensor attend_rows(const at::Tensor& q, const at::Tensor& kv, std::int64_t heads,
                       std::span<const attention_row> rows, std::int64_t layer) {
  std::vector<frame_range> ranges;
  ranges.reserve(rows.size());
  for (const auto& row : rows) ranges.push_back({row.query, row.queries});
  const auto out = room_of_rows(q.size(0), q.size(1), q.options(), ranges);
  std::int64_t products = 0;
  for (const auto& row : rows) products += row.queries * (past_of(row) + row.keys) * q.size(1);
  const auto all = static_cast<std::int64_t>(rows.size()) * heads;
  const auto blocks = attention_blocks(all, products);
  const attention_layer attention(q, kv, heads, layer, out);
  for_blocks(blocks, [&](std::uint32_t block) {
    attention_scratch scratch;
    const auto some = part_of(all, block, blocks);
    for (auto i = some.from; i < some.to; ++i) {
      const auto& row = rows[static_cast<std::size_t>(i / heads)];
      if (row.queries > 0 && past_of(row) + row.keys > 0) attention.attend(row, i % heads, scratch);
    }
  });
  return out;
}

}  // namespace troupe::inference
