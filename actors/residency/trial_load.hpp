#pragma once
// What a serving-ready copy gains: an artifact is loaded without it and with it, in turn, each time up to the first
// answer. Nothing of that is served. Blocks; on a loader's thread.

#include <functional>
#include <memory>

#include "actors/protocol/loads.hpp"

namespace troupe::actors {

// How the loader loads and frees (and tests do).
struct trial_hands {
  std::function<std::shared_ptr<load_outcome>(const std::shared_ptr<load_order>&, const inference::load_options&)> load;
  std::function<void(std::unique_ptr<const inference::model>)> free;
};

// A copy that is missing or damaged is written first. At most one of the loads is in memory at a time. Errors: those of
// a load.
trial_outcome trial_load(const std::shared_ptr<load_order>& order, const inference::load_options& options,
                         const trial_hands& hands);

}  // namespace troupe::actors
