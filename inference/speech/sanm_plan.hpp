#pragma once
// The recipe of a SAN-M encoder's weights (sanm.hpp). No Torch types.

#include <string>

#include "inference/encoders/plan_writer.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

// `name`: before our names ("encoder."); `from`: before the checkpoint's.
void plan_sanm_encoder(plan_writer& plan, const sanm_settings& settings, const std::string& name,
                       const std::string& from);

}  // namespace troupe::inference
