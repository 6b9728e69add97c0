#pragma once
// Which of the waiting models gets the next compute slot: fair queuing on the time each has used, weighted by
// priority (start-time fair queuing, Goyal et al. 1996). Pure data; owned by the device actor.
//
// What holds:
// F1  Of each lease at most one wish waits, and one in the background.
// F2  Virtual times never go back: a model's own, and the one that an idle model starts at.

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>

#include "actors/protocol/slots.hpp"
#include "config/registry.hpp"

namespace troupe::actors {

class fair_queue {
 public:
  // REQUIRES that none of its kind waits (F1).
  void push(const slot_wish& wish);
  // Removes and returns the wish to serve next. `idle_slots` counts the one to be given. `quiet`: background
  // wishes are served too, where nobody else waits.
  std::optional<slot_wish> pop(std::uint32_t idle_slots, std::uint32_t all_slots, bool quiet);
  // The model used a slot for so long.
  void charge(lease_id lease, config::priority priority, std::chrono::nanoseconds used);
  void forget(lease_id lease);
  std::size_t waiting() const noexcept { return wishes_.size() - background_waiting(); }  // without background
  std::size_t background_waiting() const noexcept;

  // A level of priority doubles the share of a contended device.
  static double weight(config::priority p) noexcept { return static_cast<double>(1u << static_cast<unsigned>(p)); }

 private:
  std::list<slot_wish> wishes_;
  std::unordered_map<lease_id, double> virtual_time_;
  double clock_ = 0;
};

// What happens beside a batch that is about to run.
struct company {
  std::uint32_t busy_slots = 0;
  std::size_t waiting = 0;                  // wishes for slots
  std::uint32_t loads = 0;                  // models being loaded
  std::chrono::nanoseconds since_shared{};  // since a batch last had company
};
// A batch that had no company lately either may use the other cores. Where others use them too, threads of OpenMP wait
// for each other: one batch in a hundred then takes ten times as long (docs/experiments.md, a); helpers are woken for
// nothing.
constexpr std::chrono::milliseconds lone_after{100};
bool is_lone(const company& c) noexcept;
// Intra-op threads for a batch: a lone one gets all cores, many get their slot's share.
std::uint32_t threads_for_batch(bool lone, std::uint32_t threads_per_slot, std::uint32_t lone_threads) noexcept;

}  // namespace troupe::actors
