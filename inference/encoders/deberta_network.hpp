#pragma once
// DeBERTa's arithmetic. No Torch types.

#include <cstdint>
#include <memory>

#include "inference/encoders/deberta_config.hpp"

namespace troupe::inference {

class encoder_body;   // body.hpp
class named_weights;  // named_weights.hpp

// What a network keeps beside its weights, at most: the distances as each layer projects them, and the convolution
// laid out as a linear.
std::uint64_t deberta_private_bytes(const deberta_settings& settings) noexcept;
// `weights` as the family's plan names them (deberta.cpp). Throws std::exception.
std::unique_ptr<const encoder_body> make_deberta_body(const deberta_settings& settings, const named_weights& weights);

}  // namespace troupe::inference
