#pragma once
// A network with its head, run over packed rows: what every family of encoders is to the rest of the room. For our
// Torch code.

#include <memory>
#include <string>

#include "inference/encoders/encoder.hpp"
#include "inference/encoders/family.hpp"

namespace troupe::inference {

// `weights` of the plan that the family and the recipe wrote; `recipe` null: none. Throws std::exception.
std::shared_ptr<const encoder> make_headed_encoder(const family_config& config, const head_recipe* recipe,
                                                   loaded_weights weights, const std::string& device);

}  // namespace troupe::inference
