#pragma once
// Mean and variance normalisation as FunASR's checkpoints bring it: am.mvn, a Kaldi nnet in text form with the
// components <AddShift> and <Rescale>: (x + shift) * scale, a number each of a stacked frame.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

struct cmvn {
  std::vector<float> shift, scale;  // as long as a frame is wide

  // In place. REQUIRES whole frames.
  void apply(std::span<float> frames) const noexcept;
};

// unprocessable: no such file in this form, a component that is not known, numbers that are missing, too many or not
// finite, or not `width` of them. `what` names the text in errors.
result<cmvn> parse_cmvn(std::string_view text, std::uint32_t width, const std::string& what);
result<cmvn> read_cmvn(const std::filesystem::path& path, std::uint32_t width);

}  // namespace troupe::inference
