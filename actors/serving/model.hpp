#pragma once
// The model actor: one per resident model. Owns its queue, its instances and its items' deadlines; asks the
// device for one slot at a time and decides, when it is granted, what the batch takes (pace.hpp, plan.hpp).

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

  resident_ptr me;
  device_actor device;
  std::function<void(std::string)> report_failure;  // to the supervisor
  config::priority priority = config::priority::medium;

  batch_queue queue;
  deadline_heap deadlines;
  std::vector<std::unique_ptr<inference::instance>> free_instances;
  std::uint32_t instances = 1, running = 0, wishes = 0, background_wishes = 0;
  steady_time surplus_since = steady_time::max();
  pace learned;

  // The slot that was granted last, not for the background; kept for a moment where more of its batch is due.
  struct {
    std::shared_ptr<grant> slot;  // null: it is in use, or was given back
    steady_time granted{}, until{};
  } held;
  steady_time released = steady_time::min();  // what was queued by then has waited for its queue delay
  std::uint32_t batches_since_warm_up = 0;

  // Timers: the earliest one armed; stale ticks do no harm.
  steady_time armed = no_deadline;

  std::unique_ptr<warm_up> warm;  // null: none runs
};

// `first` is an instance that the loader made and warmed. `report_failure` is called when the model hangs;
// the actor then quits.
model_actor::behavior_type model(model_actor::stateful_pointer<model_state> self, resident_ptr me,
                                 device_actor device, config::priority priority,
                                 std::shared_ptr<std::unique_ptr<inference::instance>> first,
                                 std::function<void(std::string)> report_failure);

}  // namespace troupe::actors
