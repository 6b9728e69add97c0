#pragma once
// The model actor: one per resident model. Owns its queue, its instances and its items' deadlines; asks the
// device for one slot at a time and decides, when it is granted, what the batch takes (pace.hpp, plan.hpp).
//
// An item:
//
//   enqueue <-- gateway --> queue ------ form_batch ------> batch, on a slot's thread ------> answered
//                            ^ |                                      |
//                            | | its job has closed: deadline (tick), | done: it wants another step
//                            | | client gone                          |
//                            | +--> dropped                           |
//                            +----------------------------------------+
//
// A slot, as the model sees it:
//
//          pump: there is work            grant <-- device
//   none ------------------------> asked -------------------> use_slot <---- tick, enqueue ---+
//    ^     want --> device                                     | | |                          |
//    |                                                         | | | clients are due back     |
//    |     decline --> device: nothing to run on it            | | +----------------------> held
//    +---------------------------------------------------------+ |
//    |     release --> device, with the next wishes              | run
//    +------------------------- done <-- slot ------- running <--+
//
// In the background another wish is open, for warm-up alone. Beside that: warm <-- supervisor (a warm-up that somebody
// waits for), priority <-- supervisor, hung <-- device (every job of the batch is answered, report_failure, the end).
// Whatever ends the actor: forget --> device, and the items left in its queue answer 503.
//
// What holds after each message:
// M1  One wish is open or one slot is held, never both; and one wish more in the background.
// M2  running <= instances <= what the limits allow.
// M3  As many instances exist as `instances` says at most, those that run counted; of a stepping model also those that
//     rows in the queue are bound to.
// M4  Who waits in the queue has a place inside the gate.
// M5  A tick is under way, at the latest for the earliest deadline.

#include <vector>

#include "actors/protocol/messages.hpp"
#include "actors/serving/batch_queue.hpp"
#include "actors/serving/deadline_heap.hpp"
#include "actors/serving/pace.hpp"
#include "actors/serving/routing.hpp"
#include "actors/serving/slot.hpp"
#include "actors/serving/warm_up.hpp"

namespace troupe::actors {

struct model_state {
  static inline const char* name = "model";

  resident_ptr me;  // never null
  device_actor device;
  std::function<void(std::string)> report_failure;       // to the supervisor
  config::priority priority = config::priority::medium;  // of the wishes from now on

  batch_queue queue;                                                 // M4; what runs is not in it
  deadline_heap deadlines;                                           // of every job that came and is open
  std::vector<std::unique_ptr<inference::instance>> free_instances;  // M3; none is null, none runs
  std::uint32_t instances = 1;                     // M2: that may run beside each other now; follows use (scaling.hpp)
  std::uint32_t running = 0;                       // batches that are on slots
  std::uint32_t wishes = 0;                        // M1: 0 or 1
  std::uint32_t background_wishes = 0;             // M1: 0 or 1
  steady_time surplus_since = steady_time::max();  // not all instances are needed; max(): they are
  pace learned;

  // The slot that was granted last, not for the background; kept for a moment where more of its batch is due.
  struct {
    std::shared_ptr<grant> slot;     // M1; null: it is in use, or was given back
    steady_time granted{}, until{};  // of the last grant, whether it is held or not
  } held;
  steady_time released = steady_time::min();  // what was queued by then has waited for its queue delay
  std::uint32_t batches_since_warm_up = 0;    // of requests, since the last bucket was run

  steady_time armed = no_deadline;  // M5: of the earliest tick under way; a stale one does no harm

  std::unique_ptr<warm_up> warm;  // null: none is under way

  bool sound() const;  // M1 to M4, for asserts
};

// `first` is an instance that the loader made and warmed; null: none. `report_failure` is called when the model hangs;
// the actor then quits.
model_actor::behavior_type model(model_actor::stateful_pointer<model_state> self, resident_ptr me, device_actor device,
                                 config::priority priority,
                                 const std::shared_ptr<std::unique_ptr<inference::instance>>& first,
                                 std::function<void(std::string)> report_failure);

}  // namespace troupe::actors
