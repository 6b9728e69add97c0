#include "inference/speech/sanm.hpp"

#include "inference/speech/row_attention.hpp"

namespace troupe::inference {
namespace {

// Keys and values of a row's first frames, as the layer's next step will see them.
void keep(const sanm_row& row, std::int64_t layer, const at::Tensor& kv) {
  const auto* bytes = static_cast<const std::byte*>(kv.const_data_ptr());
  const auto step = kv.stride(0) * kv.element_size();
  for (std::int64_t i = 0; i < row.kept; ++i) row.past->put(layer, i, bytes + (row.frames.first + i) * step);
}

}  // namespace

at::Tensor taps_of(const at::Tensor& weight) {
  return weight.view({weight.size(0), weight.size(2)}).transpose(0, 1).to(at::kFloat).contiguous();
}

sanm_encoder::sanm_encoder(const sanm_settings& settings, const named_weights& all, const std::string& name)
    : settings_(settings), after_(all.norm_at(name + "after")) {
  for (std::int64_t i = 0; i < settings.layers; ++i) {
    const auto at = name + std::to_string(i) + '.';
    layers_.push_back({all.linear_at(at + "qkv"), all.linear_at(at + "out"), all.linear_at(at + "up"),
                       all.linear_at(at + "down"), all.norm_at(at + "norm1"), all.norm_at(at + "norm2"),
                       taps_of(all.at(at + "fsmn"))});
  }
}

at::Tensor sanm_encoder::run(std::int64_t number, const at::Tensor& x, std::span<const sanm_row> rows,
                             const mask_of& mask) const {
  const auto& l = layers_[static_cast<std::size_t>(number)];
  const auto size = settings_.size;
  const auto here = made_for::layer;
  const auto qkv = apply(l.qkv, normalize(l.norm1, x, sanm_norm_epsilon, here), after_linear::nothing, here);
  const auto kv = qkv.narrow(1, size, 2 * size);

  std::vector<attention_row> asked;
  std::vector<frame_range> ranges;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& f = rows[i].frames;
    asked.push_back({f.first, f.length, f.first, f.length, rows[i].past, mask ? mask(i, number) : at::Tensor()});
    ranges.push_back(f);
  }
  const auto context = attend_rows(qkv.narrow(1, 0, size), kv, settings_.heads, asked, number);
  for (const auto& row : rows)
    if (row.kept > 0) keep(row, number, kv);

  // The first layer widens its input, and then has nothing to add it to.
  const auto residual = x.size(1) == size ? x : at::Tensor();
  const auto beside =
      memory_block(qkv.narrow(1, 2 * size, size), l.taps, settings_.kernel_left, ranges, residual, x.scalar_type());
  const auto middle = apply_and_add(l.out, context, beside, here);
  const auto inner = apply(l.up, normalize(l.norm2, middle, sanm_norm_epsilon, here), after_linear::relu, here);
  return apply_and_add(l.down, inner, middle, here);
}

at::Tensor sanm_encoder::operator()(at::Tensor x, std::span<const sanm_row> rows, const mask_of& mask) const {
  for (std::int64_t i = 0; i < settings_.layers; ++i) x = run(i, x, rows, mask);
  return normalize(after_, x, sanm_norm_epsilon);
}

}  // namespace troupe::inference
