#pragma once
// CT-Punc's network: words in, a mark a word out. SANMEncoder, and for streaming SANMVadEncoder. No Torch types.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "inference/files/weights.hpp"
#include "inference/speech/ct_transformer_config.hpp"
#include "inference/torch/device_lane.hpp"

namespace troupe::inference {

// REQUIRES 1 to ct_transformer_positions ids, below vocab_size. `pending`: streaming; words that were there before the
// new ones came. In the last layer words before the last of them cannot see the new ones.
struct ct_transformer_row {
  std::span<const std::int32_t> ids;
  std::size_t pending = 0;
};

// With its weights. Immutable; any number of threads may run it at the same time, each with its own lane.
class ct_transformer_network {
 public:
  virtual ~ct_transformer_network() = default;
  virtual std::unique_ptr<device_lane> make_lane() const = 0;
  // A row's marks depend on its neighbours in last bits of their scores at most. Throws std::exception.
  virtual std::vector<std::vector<std::int32_t>> run(std::span<const ct_transformer_row> rows,
                                                     device_lane& lane) const = 0;
};

// `weights` in the order of plan_ct_transformer(). On a CPU. Throws std::exception.
std::shared_ptr<const ct_transformer_network> make_ct_transformer_network(const ct_transformer_settings& settings,
                                                                          loaded_weights weights);

}  // namespace troupe::inference
