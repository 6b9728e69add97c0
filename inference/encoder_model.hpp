#pragma once
// A text encoder as everybody outside knows it (inference/model/model.hpp): tokenizer, network, tasks.

#include <cstdint>
#include <memory>
#include <vector>

#include "inference/encoders/encoder.hpp"
#include "inference/model/model.hpp"
#include "inference/tasks/task_head.hpp"

namespace troupe::inference {

struct task_and_head {
  task what;
  std::unique_ptr<const task_head> head;
};

// What a model and its instances share and keep alive. Immutable once the model is made.
struct encoder_parts {
  std::unique_ptr<const text_reader> reader;
  std::vector<task_and_head> heads;  // the model's own first
  std::shared_ptr<memory_account> account;
  std::shared_ptr<const encoder> network;
  std::uint64_t charged_bytes = 0;  // of the account, for what its allocator does not see
  ~encoder_parts();
};

// REQUIRES a head at least, each of which wants what the network gives; info.max_length as the reader's.
std::unique_ptr<const model> make_encoder_model(std::shared_ptr<const encoder_parts> parts, model_info info,
                                                std::vector<mapping_use> mappings);

}  // namespace troupe::inference
