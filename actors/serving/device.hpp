#pragma once
// The device actor: owns the compute slots, shares them fairly between models, and replaces those that hang.
//
// A seat, one a slot:
//
//            grant --> model                     idle <-- slot's thread
//   free -------------------------------> busy --------------------------> ended
//    ^   a wish is next (fairness.hpp)     |     its batch has run           |
//    |                                     |                                 |
//    |   decline, release <-- model        |                                 |
//    +-------------------------------------+---------------------------------+
//    |   tick: slot_timeout is over        |                                 |
//    |   another thread, hung --> model    |                                 |
//    +-------------------------------------+---------------------------------+
//    |   forget <-- its model has died     |                                 |
//    |   at once where nothing runs, else when it is ended                   |
//    +-------------------------------------+---------------------------------+
//
// Wishes come by want, and along with a release. Idle slots look for the next one (give_slots) after these messages,
// and after narrow (a batch leaves its other cores alone after all), share (a batch has had all cores for
// whole_device_max) and quiet (for wishes in the background).
//
// What holds after each message:
// D1  A seat is busy while its slot is taken, and has the model's actor as its user as long.
// D2  A seat is freed once a grant. An answer of a thread that was replaced meanwhile frees nothing.
// D3  Beside a batch that has the whole device nothing is started, for whole_device_max at most.
// D4  Of each timer one message is under way at most; a busy seat is watched.
// D5  device_gauges tells how many seats are busy.

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

  // Of one slot. What is below `busy` is of the grant that made it so, and says nothing of a free seat.
  struct seat {
    slot_ptr where;                     // never null; its index() is the seat's
    bool busy = false;                  // D1
    bool whole = false;                 // D3: its batch leaves no core for another
    bool ended = false;                 // its thread is idle again
    bool user_gone = false;             // the model's actor has died: nobody will release it
    std::chrono::microseconds used{0};  // once ended
    std::uint64_t epoch = 0;            // of the slot's thread when it was granted
    slot_wish user;                     // that was granted
    model_actor user_actor;             // D1
    steady_time granted{};
  };
  std::vector<seat> seats;                                   // as many as slots, for ever
  std::shared_ptr<const std::vector<slot_ptr>> slots;        // of all seats, for those who plan
  fair_queue queue;                                          // wishes that are not granted yet
  std::unordered_map<lease_id, model_actor> waiting_actors;  // whoever has a wish in the queue, until it is forgotten
  device_options options;
  std::shared_ptr<metrics> meter;
  std::shared_ptr<device_gauges> gauges;
  bool tick_armed = false, quiet_armed = false, share_armed = false;  // D4
  steady_time shared_at = steady_time::min();                         // a batch had company
  steady_time asked_at = steady_time::min();                          // a slot was given or given back, not for warm-up

  std::uint32_t busy_seats() const;
  bool sound() const;  // D1, D4 and D5, for asserts
};

// Warm-up in the background waits until the device was left alone for so long.
constexpr std::chrono::milliseconds quiet_after{50};

// For so long nothing else starts beside a batch that was given all cores and keeps them (inference::lone_use): its
// threads would wait for each other.
constexpr std::chrono::milliseconds whole_device_max{20};

// REQUIRES slots that nobody has taken, in the order of their indices.
device_actor::behavior_type device(device_actor::stateful_pointer<device_state> self, std::vector<slot_ptr> slots,
                                   device_options options, std::shared_ptr<metrics> meter,
                                   std::shared_ptr<device_gauges> gauges);

}  // namespace troupe::actors
