#include "inference/speech/paraformer_decoder.hpp"

#include <algorithm>

#include "inference/speech/row_attention.hpp"
#include "inference/speech/sanm.hpp"

namespace troupe::inference {

paraformer_decoder::feed_forward paraformer_decoder::feed_forward_at(const named_weights& all,
                                                                     const std::string& name) {
  return {all.norm_at(name + "norm1"), all.norm_at(name + "inner_norm"), all.linear_at(name + "up"),
          all.linear_at(name + "down")};
}

paraformer_decoder::paraformer_decoder(const paraformer_decoder_settings& settings, const named_weights& all)
    : settings_(settings),
      last_(feed_forward_at(all, "decoder.last.")),
      after_(all.norm_at("decoder.after")),
      output_(all.linear_at("decoder.output")) {
  for (std::int64_t i = 0; i < settings.layers; ++i) {
    const auto at = "decoder." + std::to_string(i) + '.';
    layers_.push_back({feed_forward_at(all, at), all.norm_at(at + "norm2"), all.norm_at(at + "norm3"),
                       taps_of(all.at(at + "fsmn")), all.linear_at(at + "q"), all.linear_at(at + "kv"),
                       all.linear_at(at + "out")});
  }
}

// Without a residual, and with a norm of its own in the middle.
at::Tensor paraformer_decoder::run(const feed_forward& f, const at::Tensor& x) {
  const auto inner = apply(f.up, normalize(f.before, x, sanm_norm_epsilon), after_linear::relu);
  return apply(f.down, normalize(f.inner, inner, sanm_norm_epsilon));
}

at::Tensor paraformer_decoder::remember_tokens(std::int64_t number, const at::Tensor& t,
                                               std::span<const decoder_row> rows, const at::Tensor& residual) const {
  const auto& taps = layers_[static_cast<std::size_t>(number)].taps;
  if (rows.empty() || rows.front().past_tokens == nullptr) {
    std::vector<frame_range> ranges;
    for (const auto& row : rows) ranges.push_back(row.tokens);
    return memory_block(t, taps, settings_.kernel_left, ranges, residual, t.scalar_type());
  }
  const auto layer_bytes = (settings_.kernel - 1) * t.size(1) * t.element_size();
  std::vector<continued_range> ranges;
  for (const auto& row : rows) ranges.push_back({row.tokens, row.past_tokens + number * layer_bytes});
  return memory_block(t, taps, ranges, residual);
}

at::Tensor paraformer_decoder::attend(std::int64_t number, const at::Tensor& x, const at::Tensor& memory,
                                      std::span<const decoder_row> rows) const {
  const auto& l = layers_[static_cast<std::size_t>(number)];
  const auto here = made_for::layer;
  const auto kv = apply(l.kv, memory, after_linear::nothing, here);
  std::vector<attention_row> asked;
  for (const auto& row : rows)
    asked.push_back({row.tokens.first, row.tokens.length, row.frames.first, row.frames.length, row.past});
  const auto q = apply(l.q, normalize(l.norm3, x, sanm_norm_epsilon, here), after_linear::nothing, here);
  const auto context = attend_rows(q, kv, settings_.heads, asked, number);
  const auto* bytes = static_cast<const std::byte*>(kv.const_data_ptr());
  const auto step = kv.stride(0) * kv.element_size();
  for (const auto& row : rows) {
    if (row.past == nullptr) continue;
    const auto kept = std::min(row.frames.length, row.past->capacity());
    for (std::int64_t i = 0; i < kept; ++i)
      row.past->put(number, i, bytes + (row.frames.first + row.frames.length - kept + i) * step);
  }
  return apply_and_add(l.out, context, x);
}

at::Tensor paraformer_decoder::operator()(at::Tensor x, const at::Tensor& memory,
                                          std::span<const decoder_row> rows) const {
  for (std::int64_t i = 0; i < settings_.layers; ++i) {
    const auto& l = layers_[static_cast<std::size_t>(i)];
    const auto t = normalize(l.norm2, run(l.ffn, x), sanm_norm_epsilon);
    x = attend(i, remember_tokens(i, t, rows, x), memory, rows);
  }
  x = normalize(after_, run(last_, x), sanm_norm_epsilon);
  return apply(output_, x.to(at::kFloat));
}

}  // namespace troupe::inference
