#pragma once
// The recipe of a Paraformer's weights. No Torch types.

#include "inference/encoders/plan_writer.hpp"
#include "inference/files/checkpoint.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

// In the order of use. unprocessable: a tensor is missing, or of another shape or type, by name.
result<weight_plan> plan_paraformer(const paraformer_settings& settings, const checkpoint& source);

}  // namespace troupe::inference
