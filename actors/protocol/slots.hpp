#pragma once
// What models and the device tell each other of compute slots.

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "actors/protocol/lease.hpp"
#include "config/registry.hpp"

namespace troupe::actors {

class slot;
using slot_ptr = std::shared_ptr<slot>;

// A resident model wants a slot for one batch. One at a time is open, and one in the background.
struct slot_wish {
  lease_id lease = lease_id::none;  // the model's
  config::priority priority = config::priority::medium;
  bool background = false;  // warm-up: only on a quiet device, and another slot stays free
  bool single = false;      // one row waits, which would keep every core that it is given
};

// A slot is given to a model for one batch. Answered exactly once: by decline, or by the slot's release.
struct grant {
  slot_ptr where;
  std::uint64_t epoch = 0;                             // of the slot's thread; goes back with the answer
  std::uint32_t threads = 1;                           // intra-op
  std::uint32_t lone_threads = 1;                      // for a single row: all cores, where nothing else wants them
  bool background = false;                             // of the wish that it answers
  std::shared_ptr<const std::vector<slot_ptr>> slots;  // all of the device
  std::uint32_t others = 0;                            // wishes of other models that wait
};

// What one batch has taken of a slot.
struct slot_use {
  std::uint32_t slot_index = 0;
  std::uint64_t epoch = 0;  // of the thread that ran it: another one says nothing of the slot as it is now
  std::chrono::microseconds time{0};
};

// A model gives its slot back.
struct slot_release {
  slot_use use;
  std::vector<slot_wish> next;  // its next wishes come along, so that a backlog keeps its place
};

}  // namespace troupe::actors
