#pragma once
// SAN-M encoders (FunASR's SANMEncoder, SANMEncoderChunkOpt, SANMVadEncoder): layers of self-attention with a memory
// block over the values, and a feed-forward part, pre-norm. Rows of a batch lie packed, [frames, width]: products see
// them all at once, attention and memory block each row alone. Shared by speech recognition and punctuation. For our
// Torch code; what plans the weights knows no Torch types (sanm_plan.hpp).

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "inference/encoders/layers.hpp"
#include "inference/encoders/named_weights.hpp"
#include "inference/speech/key_history.hpp"
#include "inference/speech/memory_block.hpp"
#include "inference/speech/sanm_plan.hpp"

namespace troupe::inference {

inline constexpr double sanm_norm_epsilon = 1e-12;

struct sanm_row {
  frame_range frames;
  key_history* past = nullptr;  // what it looks back on; null: nothing
  std::int64_t kept = 0;        // of its frames the first so many are put into `past`, which the caller advances
};

class sanm_encoder {
 public:
  // Of a row's attention in a layer: what is added to the scores, [length, length] of attention_type(); undefined:
  // nothing. Rows that have a past have no mask.
  using mask_of = std::function<at::Tensor(std::size_t row, std::int64_t layer)>;

  // `all` as plan_sanm_encoder() planned it under `name`.
  sanm_encoder(const sanm_settings& settings, const named_weights& all, const std::string& name);

  // x [lines, input_size] of the compute type to [lines, size]; lines of no row come out as anything.
  at::Tensor operator()(at::Tensor x, std::span<const sanm_row> rows, const mask_of& mask = {}) const;

  const sanm_settings& settings() const noexcept { return settings_; }
  // Of queries, keys and values, and of what a past keeps.
  at::ScalarType attention_type() const { return layer_type(layers_.front().qkv); }

 private:
  struct layer {
    linear qkv, out, up, down;
    norm norm1, norm2;
    at::Tensor taps;  // of the memory block, [kernel, size] in fp32
  };
  at::Tensor run(std::int64_t number, const at::Tensor& x, std::span<const sanm_row> rows, const mask_of& mask) const;

  sanm_settings settings_;
  std::vector<layer> layers_;
  norm after_;
};

// The taps of a memory block, [kernel, width], from its weight, [width, 1, kernel].
at::Tensor taps_of(const at::Tensor& weight);

}  // namespace troupe::inference
