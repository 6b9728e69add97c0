#pragma once
// What the supervisor, the loaders and the reclaimer tell each other: a load from its order to its end, and back.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "actors/protocol/reports.hpp"
#include "config/error.hpp"
#include "inference/model/artifact.hpp"
#include "inference/model/model.hpp"

namespace troupe::actors {

struct load_order {
  std::string model;
  inference::artifact_spec spec;
  std::shared_ptr<std::atomic<bool>> cancelled;  // set by the supervisor when nobody wants it any more
};

// What is known of a load before anything of it is read into memory.
struct size_estimate {
  inference::memory_estimate memory;
  std::uint64_t artifact_bytes = 0;  // its files; 0: not known
  std::string fingerprint;
};

// A model that has run once.
struct loaded_model {
  std::unique_ptr<const inference::model> model;        // never null
  std::unique_ptr<inference::instance> first_instance;  // warmed with the smallest bucket
  std::string fingerprint;                              // of the files that were read
  double load_time_s = 0;
};
using load_outcome = result<loaded_model>;

// What comes of a trial (trial_load.hpp).
using trial_outcome = result<optimize_report>;

// The last reference to a model: destroying it frees the memory.
struct reclaim_order {
  std::unique_ptr<const inference::model> model;
  std::function<void()> freed;  // called when the memory is back
};

}  // namespace troupe::actors
