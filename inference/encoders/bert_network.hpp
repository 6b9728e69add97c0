#pragma once
// The BERT classifier's arithmetic.

#include <memory>
#include <string>

#include "inference/encoders/bert_config.hpp"

namespace troupe::inference {

// `weights` in the order of the plan. Gives logits. Throws std::exception.
std::shared_ptr<const encoder> make_bert_network(const bert_settings& settings, loaded_weights weights,
                                                 const std::string& device);

}  // namespace troupe::inference
