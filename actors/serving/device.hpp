#pragma once
// The device actor: owns the compute slots, shares them fairly between models, and replaces those that hang.

#include <chrono>
#include <vector>

#include "actors/protocol/messages.hpp"
#include "actors/protocol/metrics.hpp"
#include "actors/serving/fairness.hpp"
#include "actors/serving/slot.hpp"

namespace troupe::actors {

struct device_options {
  std::uint32_t threads_per_slot = 1;
  std::uint32_t lone_threads = 1;  // for a batch that has the device to itself
  std::chrono::milliseconds slot_timeout{30000};
  std::shared_ptr<right_of_way> way = std::make_shared<right_of_way>();  // tells of loads
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
    bool whole = false;      // its batch leaves no core for another
    bool ended = false;      // its thread is idle again
    bool user_gone = false;  // the model's actor has died
    std::chrono::microseconds used{0};
    std::uint64_t epoch = 0;
    slot_wish user;
    model_actor user_actor;
    steady_time granted{};
  };
  std::vector<seat> seats;
  std::shared_ptr<const std::vector<slot_ptr>> slots;  // of all seats, for those who plan
  fair_queue queue;
  std::unordered_map<lease_id, model_actor> waiting_actors;
  device_options options;
  std::shared_ptr<metrics> meter;
  std::shared_ptr<device_gauges> gauges;
  bool tick_armed = false, quiet_armed = false, share_armed = false;
  steady_time shared_at = steady_time::min();  // a batch had company
  steady_time asked_at = steady_time::min();   // a slot was given or given back, not for warm-up

  std::uint32_t busy_seats() const;
};

// Warm-up in the background waits until the device was left alone for so long.
constexpr std::chrono::milliseconds quiet_after{50};

// For so long nothing else starts beside a batch that was given all cores: its threads would wait for each other.
constexpr std::chrono::milliseconds whole_device_max{20};

device_actor::behavior_type device(device_actor::stateful_pointer<device_state> self, std::vector<slot_ptr> slots,
                                   device_options options, std::shared_ptr<metrics> meter,
                                   std::shared_ptr<device_gauges> gauges);

}  // namespace troupe::actors
