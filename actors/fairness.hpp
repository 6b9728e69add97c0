#pragma once
// Which of the waiting models gets the next compute slot: fair queuing on the time each has used, weighted by
// priority (start-time fair queuing, Goyal et al. 1996). Pure data; owned by the device actor.

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>

#include "config/error.hpp"
#include "config/registry.hpp"

namespace troupe::actors {

using model_id = std::uint64_t;  // of one resident model, never reused

struct slot_wish {
  model_id model = 0;
  config::priority priority = config::priority::medium;
  steady_time since{};
  bool background = false;  // warm-up: only when nobody else waits and another slot stays free
};

class fair_queue {
 public:
  void push(const slot_wish& wish);
  // Removes and returns the wish to serve next. `idle_slots` counts the one to be given.
  std::optional<slot_wish> pop(std::uint32_t idle_slots, std::uint32_t all_slots);
  // The model used a slot for so long.
  void charge(model_id model, config::priority priority, std::chrono::nanoseconds used);
  void forget(model_id model);
  std::size_t waiting() const noexcept { return wishes_.size(); }

  // A level of priority doubles the share of a contended device.
  static double weight(config::priority p) noexcept { return static_cast<double>(1u << static_cast<unsigned>(p)); }

 private:
  std::list<slot_wish> wishes_;
  std::unordered_map<model_id, double> virtual_time_;
  double clock_ = 0;
};

// Intra-op threads for a batch: a lone one gets all cores, many get their slot's share.
std::uint32_t threads_for_batch(std::uint32_t busy_slots, std::size_t waiting, std::uint32_t slots,
                                std::uint32_t threads_per_slot, std::uint32_t lone_threads) noexcept;

}  // namespace troupe::actors
