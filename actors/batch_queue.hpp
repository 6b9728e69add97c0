#pragma once
// The waiting items of one model, and the pure policy that forms the next batch from them.
// Not thread-safe: owned by one model actor. No clock of its own.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "actors/job.hpp"
#include "inference/model.hpp"

namespace troupe::actors {

class ticket;

// One input of a job on its way through a model.
struct item {
  job_ptr job;
  std::uint32_t index = 0;
  inference::prepared_ptr in;
  std::unique_ptr<inference::state> state;
  std::unique_ptr<ticket> place;  // its place inside the model's gate
  steady_time enqueued{};         // at this step
  std::uint32_t prepare_us = 0, queue_us = 0, infer_us = 0;
  bool alone = false;             // enable_batching: false
  std::string cache_key;          // where its result is kept; empty: nowhere

  bool answered = false;          // its last write is done, or somebody else will do it

  item();
  ~item();  // dropped unanswered, on a queue of an actor that died: its job answers 503
  bool dead() const noexcept { return job->closed(); }
};
using item_ptr = std::shared_ptr<item>;

struct batch_limits {
  std::uint32_t max_items = 64;
  std::uint32_t max_cost = 1024;  // padded tokens
};

// What a batch costs under a padding rule.
std::uint64_t batch_cost(inference::padding rule, std::uint64_t items, std::uint64_t cost_sum,
                         std::uint64_t cost_max) noexcept;

class batch_queue {
 public:
  void push(item_ptr it);

  // The next batch: led by the item that has waited longest (a priority level is worth `priority_worth` of
  // waiting, so nothing starves), filled with others of its batch key up to the limits. The leader is taken
  // even when it alone is over the limit. Dead items are dropped on the way.
  std::vector<item_ptr> take(const batch_limits& limits, inference::padding rule);

  // Drops closed jobs' items; returns how many.
  std::size_t drop_dead();

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }
  std::uint64_t cost() const noexcept { return cost_; }
  // Of all waiting items; steady_time::max() when empty. Dead ones count until they are dropped.
  steady_time oldest() const noexcept;
  // A full batch waits.
  bool has_full_batch(const batch_limits& limits) const noexcept;

  static constexpr std::chrono::milliseconds priority_worth{100};

 private:
  using fifo = std::deque<item_ptr>;
  struct lane {  // one batch key; a FIFO for each priority
    std::array<fifo, 3> by_priority;
    bool empty() const noexcept;
    // Index of the FIFO whose front ranks first, -1 if empty.
    int leader() const noexcept;
  };
  static steady_time rank(const item& it) noexcept;
  item_ptr pop(lane& l, int priority);
  void forget(const item& it) noexcept;
  void drop_dead_fronts(lane& l);
  std::vector<item_ptr> fill_packed(lane& l, item_ptr leader, const batch_limits& limits);
  std::vector<item_ptr> fill_padded(lane& l, item_ptr leader, const batch_limits& limits);

  std::map<std::uint64_t, lane> lanes_;
  std::size_t size_ = 0;
  std::uint64_t cost_ = 0;
};

}  // namespace troupe::actors
