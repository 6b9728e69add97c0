#pragma once
// A compute slot: one thread that runs one batch at a time. The only place where a model runs. A thread that
// hangs is left behind (abandonable_thread.hpp) and replaced; what it holds is freed if it ever comes back.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/batch_queue.hpp"
#include "actors/right_of_way.hpp"
#include "actors/routing.hpp"

namespace troupe::actors {

// Rows that run together, and where they run. Travels model actor -> slot thread -> model actor.
struct batch {
  resident_ptr owner;
  std::vector<item_ptr> items;                   // empty for a warm-up
  std::vector<job_ptr> jobs;                     // of the items; stays as it is while the batch runs
  std::optional<inference::warm_bucket> bucket;  // of a warm-up
  std::unique_ptr<ticket> warm_place;            // an explicit warm-up keeps its model from being evicted
  std::unique_ptr<inference::instance> instance; // null: the slot's thread makes one
  std::uint64_t cost = 0;
  std::uint32_t threads = 1;
  std::chrono::microseconds took{0};
  std::uint64_t epoch = 0;                       // of the slot's thread that ran it
  std::uint32_t slot_index = 0;
  std::string failure;                           // the batch threw as a whole
  bool warm() const noexcept { return bucket.has_value(); }
};

// The rows of one warm-up bucket, with states where the model keeps them.
struct warm_rows {
  std::vector<inference::prepared_ptr> inputs;
  std::vector<std::unique_ptr<inference::state>> states;
  // Empty when the model has no such input.
  std::vector<inference::row> make(const inference::model& m, const inference::warm_bucket& bucket);
};
// Runs them; empty on success, else what the model said. Never throws.
std::string run_rows(inference::instance& instance, std::span<inference::row> rows);

// Runs a batch on this thread and answers its rows: outputs go to their jobs, rows that want another step stay
// in batch::items. If a batch of several one-shot rows throws, each is run alone, so that a bad row costs only
// itself. What the model throws fails its rows.
void run_batch(batch& b);
// Answers a batch that cannot be run.
void refuse_batch(batch& b, const std::string& why);

class slot {
 public:
  // Told on the slot's thread after each batch.
  using finished = std::function<void(std::uint64_t epoch, batch_ptr)>;

  virtual ~slot() = default;
  virtual std::uint32_t index() const noexcept = 0;
  virtual std::uint64_t epoch() const noexcept = 0;
  virtual void run(batch_ptr b, finished f) = 0;
  // A batch was given to it and its thread is not through with it.
  virtual bool busy() const = 0;
  // Gives up the thread; returns the batch it was running (null: none).
  virtual batch_ptr replace() = 0;
};

// Slots with threads of their own, whose batches go before loads. Idle threads are joined in the destructor, hung
// ones are left behind.
std::vector<slot_ptr> make_thread_slots(std::uint32_t count, std::shared_ptr<right_of_way> way);

}  // namespace troupe::actors
