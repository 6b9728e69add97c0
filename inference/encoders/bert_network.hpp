#pragma once
// The BERT classifier's arithmetic. Torch stays behind this header.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "inference/encoders/bert_config.hpp"
#include "inference/torch/device_lane.hpp"

namespace troupe::inference {

// Immutable; any number of threads may run it at the same time, each with its own lane.
class bert_network {
 public:
  virtual ~bert_network() = default;
  virtual std::unique_ptr<device_lane> make_lane() const = 0;
  // Probabilities [texts x labels], row after row. Ids must be below vocab_size, lengths from 1 to
  // `positions`. Throws std::exception.
  virtual std::vector<float> run(std::span<const std::span<const std::int32_t>> texts,
                                 device_lane& lane) const = 0;
};

// `weights` in the order of plan_bert(). On a GPU they are copied there and `weights` is released.
// Throws.
std::shared_ptr<const bert_network> make_bert_network(const bert_config& config, loaded_weights weights,
                                                      const std::string& device);

}  // namespace troupe::inference
