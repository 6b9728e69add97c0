#pragma once
// What every text encoder is to the rest of the room: rows of tokens in, the network's numbers out. No Torch types.

#include <cassert>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "inference/files/model_json.hpp"
#include "inference/files/weights.hpp"
#include "inference/model/task.hpp"
#include "inference/torch/device_lane.hpp"

namespace troupe::inference {

// One text, or pair, as the network sees it. REQUIRES 1 <= ids.size() <= positions, ids below vocab_size; `types` is
// empty (0 for all) or as long as `ids`, each below token_types where that is not 0. `picks`: tokens whose lines are
// wanted, rising; empty: all.
struct token_row {
  std::span<const std::int32_t> ids;
  std::span<const std::uint8_t> types;
  std::span<const std::uint32_t> picks = {};
};

enum class network_output : std::uint8_t {
  logits,        // one line a row, as wide as the checkpoint's head
  token_logits,  // one line a token (that was picked), as wide as the checkpoint's head
  token_states,  // one line a token (that was picked), hidden_size wide: the last layer's
};

// What a network gives for a batch: fp32 on the host, line after line, in the order of the rows.
struct features {
  std::vector<float> values;
  std::int64_t width = 0;             // of a line
  std::vector<std::size_t> first_of;  // row i has the lines from first_of[i] to first_of[i + 1]

  // REQUIRES a row of the batch.
  std::span<const float> lines_of(std::size_t row) const noexcept {
    assert(row + 1 < first_of.size());
    const auto line = static_cast<std::size_t>(width);
    return std::span(values).subspan(first_of[row] * line, (first_of[row + 1] - first_of[row]) * line);
  }
};

// A network with its weights. Immutable; any number of threads may run it at the same time, each with its own lane.
class encoder {
 public:
  virtual ~encoder() = default;
  virtual std::unique_ptr<device_lane> make_lane() const = 0;
  // REQUIRES an output that its configuration gives. On a CPU a row's answer depends on its neighbours in last bits at
  // most: products are cut by their number of rows, and for helpers (torch/fork_join.hpp).
  // Throws std::exception.
  virtual features run(std::span<const token_row> rows, network_output wanted, device_lane& lane) const = 0;
};

struct encoder_shape {
  std::int64_t vocab_size = 0, hidden_size = 0, layers = 0, heads = 0;
  std::int64_t positions = 0;  // longest row
};

// The recipe for a checkpoint's weights, with the names that it uses.
struct weight_plan {
  std::vector<planned_tensor> tensors;
  std::int64_t logits = 0;       // width of the head's lines; 0: it has none
  std::int64_t token_types = 0;  // rows of the type embedding; 0: types are not looked at
  std::int64_t parameters = 0;
  std::uint64_t private_bytes = 0;  // that the network keeps beside the weights
};

// What config.json says of a network, checked and bounded. Immutable.
class encoder_config {
 public:
  virtual ~encoder_config() = default;
  virtual const encoder_shape& shape() const noexcept = 0;
  virtual bool gives(network_output what) const noexcept = 0;
  // Every tensor is there, with the right shape and a type that can be converted; else unprocessable.
  virtual result<weight_plan> plan(const checkpoint& source) const = 0;
  // `weights` in the order of plan(). On a GPU they are copied there and released here. Throws std::exception.
  virtual std::shared_ptr<const encoder> make(loaded_weights weights, const std::string& device) const = 0;
};

// One architecture: a row of the table (inference/tables.hpp).
struct architecture {
  std::string class_name;   // as config.json's `architectures` names it
  std::string model_type;   // as config.json's `model_type` names its family
  std::vector<task> tasks;  // that a checkpoint of this class can do; the first is what it was made for
  // Reads config.json. Bounds every number, so that sizes computed from them cannot overflow.
  std::function<result<std::unique_ptr<const encoder_config>>(const model_json& config)> read;
};

}  // namespace troupe::inference
