#pragma once
// The weights of frames that continuous integrate-and-fire sums (cif.hpp): a convolution over three frames, ReLU, a
// linear and a sigmoid; all in fp32. For our Torch code.

#include <span>
#include <string>

#include <ATen/core/Tensor.h>

#include "inference/encoders/named_weights.hpp"
#include "inference/speech/memory_block.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

class cif_predictor {
 public:
  // `all` as plan_paraformer() planned it.
  cif_predictor(const cif_settings& settings, const named_weights& all);

  // h [lines, width] in fp32 to [lines]. What is before and behind a row is zero.
  at::Tensor operator()(const at::Tensor& h, std::span<const frame_range> rows) const;

 private:
  cif_settings settings_;
  linear conv_, output_;  // of three frames side by side
};

}  // namespace troupe::inference
