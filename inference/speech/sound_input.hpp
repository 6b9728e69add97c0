#pragma once
// A whole sound as a request brings it, as a model takes it. No Torch.

#include <cstdint>
#include <vector>

#include "inference/model/model.hpp"

namespace troupe::inference {

struct sound_terms {
  std::uint32_t rate_hz = 0;       // that the model hears
  std::uint32_t sound_s_max = 0;   // longer is refused
  const char* too_long_hint = "";  // what to do then
};

// The samples at the model's rate. unprocessable: another task, a parameter, no sound, no rate or one that cannot be
// changed, too long.
result<std::vector<float>> sound_of(const input& in, const question& asked, const model_info& info,
                                    const sound_terms& terms);

}  // namespace troupe::inference
