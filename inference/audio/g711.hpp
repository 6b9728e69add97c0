#pragma once
// G.711, telephony's byte a sample, as libsndfile decodes it: asked once for every byte that there is.

#include <array>
#include <cstdint>

namespace troupe::inference {

enum class g711_law : std::uint8_t { mu, a };

// By byte: -1 .. 1. Any thread. Throws where libsndfile does not know it, which no build of it does.
const std::array<float, 256>& g711_samples(g711_law law);

}  // namespace troupe::inference
