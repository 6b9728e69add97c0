#pragma once
// The waiting items of one model, and the pure policy that forms the next batch from them.
// Not thread-safe: owned by one model actor. No clock of its own.
//
// What holds:
// Q1  size() and cost() are those of the items that wait, dead ones that are not dropped yet among them.
// Q2  An item waits in the lane of its batch key and home, with those of its job's priority, in the order of rank.
// Q3  A batch has one batch key and at most one home; it is within the limits, or one item alone; an item that wants to
//     be alone is.

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "actors/protocol/job.hpp"
#include "inference/model/model.hpp"

namespace troupe::actors {

class ticket;

// One input of a job on its way through a model.
struct item {
  job_ptr job;
  std::uint32_t index = 0;
  inference::prepared_ptr in;
  std::shared_ptr<inference::state> state;    // of a session: its own, which goes on when this item is done
  const inference::instance* home = nullptr;  // of a stepping model, from its first step on: where its state is
  std::shared_ptr<const ticket> place;        // inside the model's gate, its own or its session's
  steady_time enqueued{};                     // at this step
  steady_time due_from{};  // later than that: it came ahead of its time, and waits behind what did not
  std::uint32_t prepare_us = 0, queue_us = 0, infer_us = 0;
  bool alone = false;     // enable_batching: false
  std::string cache_key;  // where its result is kept; empty: nowhere

  bool answered = false;  // its last write is done, or somebody else will do it

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

  static constexpr std::uint64_t all = std::numeric_limits<std::uint64_t>::max() / 4;
  using homes = std::span<const std::unique_ptr<inference::instance>>;

  // The next batch: led by the item that has waited longest (a priority level is worth `priority_worth` of
  // waiting, so nothing starves), filled with others of its batch key up to the limits, and, in whole items, up to
  // about `wanted_cost`. The leader is taken even when it alone is over the limit. Items that have a home are taken
  // only when it is among the `idle` instances, together with others of the same home or without one, and whatever
  // is wanted. Dead items are dropped on the way.
  std::vector<item_ptr> take(const batch_limits& limits, inference::padding rule, std::uint64_t wanted_cost = all,
                             homes idle = {});
  // take() may find something: an item without a home, or with an idle one.
  bool has_work(homes idle) const noexcept;
  // An item waits for this instance.
  bool waits_for(const inference::instance* home) const noexcept;

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
  struct lane {  // one batch key and home; a FIFO for each priority
    std::array<fifo, 3> by_priority;
    bool empty() const noexcept;
  };
  struct lane_key {
    std::uint64_t batch_key;
    const inference::instance* home;
    auto operator<=>(const lane_key&) const = default;  // NOLINT(modernize-use-nullptr): the compiler's own 0
  };
  using lane_map = std::map<lane_key, lane>;
  // Where the items of one batch may come from: lanes of one batch key.
  using sources = std::vector<lane*>;
  static steady_time rank(const item& it) noexcept;
  // Of the first items, the one that ranks first; null when there is none.
  static fifo* leader(const sources& from) noexcept;
  item_ptr pop(fifo& f);
  void forget(const item& it) noexcept;
  void drop_dead_fronts(lane& l);
  sources sources_for(lane_map::iterator best, homes idle);
  std::vector<item_ptr> fill_packed(const sources& from, item_ptr first, const batch_limits& limits,
                                    std::uint64_t wanted_cost);
  std::vector<item_ptr> fill_padded(const sources& from, item_ptr first, const batch_limits& limits,
                                    std::uint64_t wanted_cost);
  bool sound() const;  // Q1 and Q2, for asserts: it looks at every item

  lane_map lanes_;  // an empty lane is dropped when it is come across
  std::size_t size_ = 0;
  std::uint64_t cost_ = 0;
};

}  // namespace troupe::actors
