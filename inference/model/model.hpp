#pragma once
// What a model is, to everybody outside inference/: no Torch, no actors, no HTTP.
//
// Life of one item:  input --prepare()--> prepared --(queue, batch)--> instance::step(rows) --> output
// A one-shot model is done after one step. A stepping model (speech, generation) keeps a `state` a
// row between steps and asks for another one with `row::again`.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/error.hpp"
#include "inference/model/live.hpp"
#include "inference/model/memory_use.hpp"
#include "inference/model/outputs.hpp"
#include "inference/model/task.hpp"
#include "inference/model/text_tools.hpp"
#include "inference/model/values.hpp"

namespace troupe::inference {

// An input made ready for the queue. Immutable, owned by its item, freed on any thread.
class prepared {
 public:
  virtual ~prepared() = default;
  std::uint64_t batch_key = 0;  // only rows of one key may share a batch (shape, dtype, task)
  std::uint32_t cost = 1;       // in the model's cost unit (tokens for text), >= 1
  bool truncated = false;       // the input was longer than the model takes
};
using prepared_ptr = std::unique_ptr<const prepared>;

// What a stepping model keeps for one row between steps. Stays with the instance that made it.
class state {
 public:
  virtual ~state() = default;
};

// One row of a batch. `out` and `again` are the step's results; with `problem` set only this row
// failed.
struct row {
  const prepared* in = nullptr;
  state* st = nullptr;  // null for one-shot models
  output out;
  bool again = false;  // wants another step
  std::string problem;
};

// The mutable part of a model: what one batch at a time may use. Instances share the weights.
// Not thread-safe; used by one slot thread at a time.
class instance {
 public:
  virtual ~instance() = default;
  // Runs one batch. REQUIRES at least one row, all of one batch_key, of inputs that this model prepared, with a state
  // of this instance where the model keeps one. Throws std::exception when the batch fails as a whole.
  virtual void step(std::span<row> rows) = 0;
};

// How the cost of a batch follows from its rows' costs.
enum class padding {
  none,        // sum of the costs (rows are packed, not padded)
  to_longest,  // rows x longest
};

// How one precision does, measured with the model itself on this CPU.
struct precision_figures {
  std::string precision;   // "fp32", "bf16", "int8"
  double texts_per_s = 0;  // one core, batches of 8 texts of 32 tokens
  // From fp32's answers to probe texts: the largest difference of a probability; of vectors and plain scores see
  // `vectors`. NaN: not comparable.
  double difference = 0;
  bool vectors = false;  // difference is 1 - the least cosine
};

// What a batch that is alone does with the cores of idle slots.
enum class lone_use : std::uint8_t {
  none,          // it runs on its own slot's threads
  shares_cores,  // its helpers leave when another batch begins
  keeps_cores,   // its threads wait for each other until it ends: nothing should start beside it
};

struct model_info {
  std::string architecture;            // "BertForSequenceClassification", "TorchScript", ..
  std::string format;                  // "safetensors", "torchscript", ..
  std::string precision;               // what it computes in: "fp32", "bf16"
  std::string device;                  // "cpu", "cuda:0"
  std::vector<inference::task> tasks;  // what it does; the first is its own, the others can be asked for
  std::string version;                 // changes whenever the artifact's bytes change
  std::vector<std::string> labels;
  std::int64_t parameters = 0;
  std::int64_t hidden_size = 0, num_hidden_layers = 0, num_attention_heads = 0, vocab_size = 0;
  std::uint32_t max_length = 0;  // longest input in tokens; 0: not applicable
  bool stateful = false;         // a stepping model with open_state()
  lone_use lone = lone_use::keeps_cores;
  std::string notes;                          // what an operator should know of this load; empty: nothing
  std::vector<precision_figures> precisions;  // what the choice of precision went by; empty: nothing was measured
  std::vector<tensor_spec> inputs;
};

// unprocessable: says which tasks the model has.
error wrong_task(const model_info& info, task asked);

// One bucket to warm: `items` rows of `length` cost units.
struct warm_bucket {
  std::uint32_t items = 1;
  std::uint32_t length = 1;
};

// A loaded model. Immutable and thread-safe; freed only when every instance and row is gone.
class model {
 public:
  virtual ~model() = default;
  virtual const model_info& info() const noexcept = 0;
  // Any thread. Too long an input is cut, told by prepared::truncated. unprocessable: an input of another kind than
  // the model takes, a task that it does not do, parameters that are not the task's.
  virtual result<prepared_ptr> prepare(const input& in, const question& asked) const = 0;
  // The model's own task, without parameters.
  result<prepared_ptr> prepare(const input& in) const { return prepare(in, question{}); }
  // null for one-shot models.
  virtual std::unique_ptr<state> open_state(const prepared&) const { return nullptr; }
  virtual std::uint64_t state_size_bytes() const noexcept { return 0; }
  // Slot thread or loader thread; may throw.
  virtual std::unique_ptr<instance> make_instance() const = 0;
  virtual padding padding_rule() const noexcept { return padding::none; }
  // Smallest first.
  virtual std::vector<warm_bucket> warm_buckets(std::uint32_t max_batch_items, std::uint32_t max_batch_cost) const = 0;
  virtual prepared_ptr warm_input(const warm_bucket& bucket) const = 0;
  // null: it reads no texts.
  virtual const text_tools* texts() const noexcept { return nullptr; }
  // null: it cannot be fed (live.hpp).
  virtual const live_model* live() const noexcept { return nullptr; }
  virtual memory_use memory() const = 0;
};
using model_ptr = std::shared_ptr<const model>;

}  // namespace troupe::inference
