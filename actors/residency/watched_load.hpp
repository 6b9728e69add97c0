#pragma once
// One load, on a thread of its own. A model's first run is its own code and may never end: then the thread is left
// behind, as a slot's is, and only that load has failed.

#include <chrono>
#include <functional>
#include <memory>

#include "actors/protocol/loads.hpp"

namespace troupe::actors {

struct watch_limits {
  std::chrono::milliseconds first_run_max{30000};  // as long as a batch may take
  std::chrono::milliseconds called_off_max{2000};  // of a first run whose load nobody wants any more
};

// Loads and runs the model once. Blocks the calling thread until the outcome is there, or the first run has taken too long. `enter`
// is called on the load's thread, and what it returns lives there as long as the load. Never throws.
std::shared_ptr<load_outcome> load_watched(const std::shared_ptr<load_order>& order, const inference::load_options& options,
                                           watch_limits limits, std::function<std::shared_ptr<void>()> enter);

}  // namespace troupe::actors
