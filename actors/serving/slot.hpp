#pragma once
// A compute slot: one thread that runs one batch at a time. The only place where a model runs. A thread that
// hangs is left behind (abandonable_thread.hpp) and replaced; what it holds is freed if it ever comes back.
//
// What holds:
// T1  A slot is taken and given back in turn, by the device alone.
// T2  A batch is of rows, or a warm-up's bucket, never both.
// T3  Each row of a batch is answered by run_batch(), or waits in it for its next step.

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/serving/batch_queue.hpp"
#include "actors/serving/right_of_way.hpp"
#include "actors/serving/routing.hpp"

namespace troupe::actors {

// Rows that run together, and where they run. Travels model actor -> slot thread -> model actor.
struct batch {
  resident_ptr owner;
  std::vector<item_ptr> items;                    // empty for a warm-up
  std::vector<job_ptr> jobs;                      // of the items; stays as it is while the batch runs
  std::optional<inference::warm_bucket> bucket;   // of a warm-up
  std::unique_ptr<ticket> warm_place;             // an explicit warm-up keeps its model from being evicted
  std::unique_ptr<inference::instance> instance;  // null: the slot's thread makes one
  std::uint64_t cost = 0;
  std::uint32_t threads = 1;
  std::chrono::microseconds took{0};
  std::uint64_t epoch = 0;  // of the slot's thread that ran it
  std::uint32_t slot_index = 0;
  std::uint32_t busy_slots = 1;  // when it began, its own counted
  bool wide = false;             // has the threads of other slots, too
  bool first_of_shape = false;   // kernels are prepared in it: its time says nothing of the next
  std::string failure;           // the batch threw as a whole
  bool warm() const noexcept { return bucket.has_value(); }
};

// The rows of one warm-up bucket, with states where the model keeps them.
class warm_rows {
 public:
  // Empty when the model has no such input. They live as long as this.
  std::vector<inference::row> make(const inference::model& m, const inference::warm_bucket& bucket);

 private:
  struct source {
    inference::prepared_ptr input;
    std::unique_ptr<inference::state> state;
  };
  std::vector<source> sources_;
};

// What came of rows that were run together.
struct rows_ran {
  std::string failure;      // of all of them; empty: each row tells of itself
  bool one_by_one = false;  // together they failed
};
// The one place where rows run. If several rows of a one-shot model throw together, each is run again alone, so that a
// bad row costs only itself (a stepping model's states may have moved on by then). Never throws.
rows_ran run_rows(const inference::model& m, inference::instance& instance, std::span<inference::row> rows);
// The first of what went wrong, of all or of one; empty: nothing.
std::string first_failure(const rows_ran& ran, std::span<const inference::row> rows);

// Runs a batch on this thread and answers its rows: outputs go to their jobs, rows that want another step stay
// in batch::items. What the model throws fails its rows. REQUIRES an owner, and T2.
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

  // By the device: granted to a model, and given back by it.
  void taken() noexcept {
    assert(!is_taken() && "T1");
    expect(no_deadline, std::chrono::microseconds(0));
    taken_.store(true, std::memory_order_relaxed);
  }
  void given_back() noexcept {
    assert(is_taken() && "T1");
    taken_.store(false, std::memory_order_relaxed);
  }

  // By the model, before run(): when it predicts the batch to end, and how long a batch of those takes who will ask
  // again then. Until it says so, nobody counts on the slot.
  void expect(steady_time end, std::chrono::microseconds refill) noexcept {
    end_.store(end, std::memory_order_relaxed);
    refill_.store(refill, std::memory_order_relaxed);
  }

  // Any thread.
  bool is_taken() const noexcept { return taken_.load(std::memory_order_relaxed); }
  // Until the slot is through with its batch and what comes back from it; 0: idle. One that is late already is
  // expected to take as long again as it is late.
  std::chrono::microseconds free_in(steady_time now) const noexcept {
    if (!is_taken()) return std::chrono::microseconds(0);
    const auto end = end_.load(std::memory_order_relaxed);
    const auto left = std::chrono::ceil<std::chrono::microseconds>(end > now ? end - now : now - end);
    return std::max(left, std::chrono::microseconds(1)) + refill_.load(std::memory_order_relaxed);
  }
  // Gives up the thread; returns the batch it was running (null: none).
  virtual batch_ptr replace() = 0;

 private:
  std::atomic<bool> taken_{false};
  std::atomic<steady_time> end_{steady_time{}};
  std::atomic<std::chrono::microseconds> refill_{std::chrono::microseconds(0)};
};

// Slots with threads of their own, whose batches go before loads. Idle threads are joined in the destructor, hung
// ones are left behind.
std::vector<slot_ptr> make_thread_slots(std::uint32_t count, const std::shared_ptr<right_of_way>& way);

}  // namespace troupe::actors
