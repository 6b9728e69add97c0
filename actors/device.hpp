#pragma once
// The device actor: owns the compute slots, shares them fairly between models, and replaces those that hang.

#include <chrono>
#include <vector>

#include "actors/fairness.hpp"
#include "actors/metrics.hpp"
#include "actors/protocol.hpp"
#include "actors/slot.hpp"

namespace troupe::actors {

struct device_options {
  std::uint32_t threads_per_slot = 1;
  std::uint32_t lone_threads = 1;  // for a batch that has the device to itself
  std::chrono::milliseconds slot_timeout{30000};
};

// Read by reports; any thread.
struct device_gauges {
  std::atomic<std::uint32_t> slots{0}, busy{0}, replaced{0};
};

struct device_state {
  static inline const char* name = "device";

  struct seat {  // of one slot
    slot_ptr where;
    bool busy = false;
    bool ended = false;      // its thread is idle again
    bool user_gone = false;  // the model's actor has died
    std::chrono::nanoseconds used{0};
    std::uint64_t epoch = 0;
    slot_wish user;
    model_actor user_actor;
    steady_time granted{};
  };
  std::vector<seat> seats;
  fair_queue queue;
  std::unordered_map<std::uint64_t, model_actor> waiting_actors;
  device_options options;
  std::shared_ptr<metrics> meter;
  std::shared_ptr<device_gauges> gauges;
  bool tick_armed = false;

  std::uint32_t busy_seats() const;
};

device_actor::behavior_type device(device_actor::stateful_pointer<device_state> self, std::vector<slot_ptr> slots,
                                   device_options options, std::shared_ptr<metrics> meter,
                                   std::shared_ptr<device_gauges> gauges);

}  // namespace troupe::actors
