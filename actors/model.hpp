#pragma once
// The model actor: one per resident model. Owns its queue, its instances and its items' deadlines; asks the
// device for slots and forms batches when one is granted.

#include <vector>

#include "actors/batch_queue.hpp"
#include "actors/deadline_heap.hpp"
#include "actors/protocol.hpp"
#include "actors/routing.hpp"
#include "actors/slot.hpp"

namespace troupe::actors {

// Warm-up in the background leaves out batches that would take longer.
constexpr std::chrono::milliseconds background_batch_max{100};

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
  std::chrono::microseconds batch_time{0};  // of late
  double cost_per_s = 0;                    // of late, one instance

  // Timers: the earliest one armed; stale ticks do no harm.
  steady_time armed = no_deadline;

  // Warm-up: buckets still to run, and who waits for them.
  struct warming {
    std::vector<inference::warm_bucket> left;
    std::uint32_t running = 0, requests = 0;
    std::chrono::microseconds busy{0};
    std::chrono::duration<double, std::micro> per_cost{0};  // the least that was seen
    steady_time started{};
    bool background = true;
    std::string failure;
    std::vector<shared_reply<warmup_report>> waiters;
  };
  std::unique_ptr<warming> warm;
};

// `first` is an instance that the loader made and warmed. `report_failure` is called when the model hangs;
// the actor then quits.
model_actor::behavior_type model(model_actor::stateful_pointer<model_state> self, resident_ptr me,
                                 device_actor device, config::priority priority,
                                 std::shared_ptr<std::unique_ptr<inference::instance>> first,
                                 std::function<void(std::string)> report_failure);

}  // namespace troupe::actors
