#pragma once
// The sounds of tests/fixtures/speech/vad/sounds.json, which are made again from their seeds.

#include <cstdint>
#include <vector>

#include "tests/inference/speech/fixtures.hpp"

namespace troupe::inference::tests {

inline std::int64_t number(simdjson::dom::element e) { return e.get_int64().value(); }

// tests/parity/make_vad.py has the same.
inline std::vector<float> sound_of(simdjson::dom::element one) {
  auto noise = static_cast<std::uint32_t>(number(one.at_key("seed")));
  std::vector<float> all;
  for (const auto part : one.at_key("parts").get_array()) {
    const std::uint32_t size = part.at(1).get_bool().value() ? 8000 : 40;
    for (auto n = number(part.at(0)) * 16; n > 0; --n) {
      noise = noise * 1664525 + 1013904223;
      all.push_back(static_cast<float>(static_cast<int>((noise >> 8) % (2 * size + 1)) - static_cast<int>(size)) /
                    32768.0F);
    }
  }
  return all;
}

}  // namespace troupe::inference::tests
