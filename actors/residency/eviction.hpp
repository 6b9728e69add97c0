#pragma once
// Who must leave memory, and when: pure functions over plain values.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "config/error.hpp"
#include "config/registry.hpp"

namespace troupe::actors {

struct eviction_candidate {
  std::string model;
  std::uint64_t size_bytes = 0;  // what its going gives back (a shared mapping gives nothing)
  config::priority priority = config::priority::low;
  steady_time last_used{}, loaded_at{};
  bool busy = false;
  bool pinned = false;
};

struct eviction_need {
  std::uint64_t size_bytes = 0;  // to free, beyond what is already on its way back
  std::uint32_t models = 0;      // to remove, for max_models
};

struct eviction_rules {
  steady_time now{};
  std::chrono::milliseconds min_resident{1000};  // just-loaded ones are spared, and those after them in the order wait
  bool take_busy = false;  // waited long enough: busy ones are drained, idle ones still go first
  bool as_far_as_it_goes = false;  // plan even where the need cannot be covered
};

struct eviction_plan {
  // E3: nobody is in both, and nobody pinned or just loaded in either.
  std::vector<std::string> idle;   // close and free now
  std::vector<std::string> drain;  // close, let the work inside finish, free then
  bool enough = false;             // E1: the plan covers the need
  bool hopeless = false;           // E2: even every unpinned model's going would not, so it is not enough either
  // When not enough: the moment from which a spared one may be taken; no_deadline if none.
  steady_time retry_at = no_deadline;
};

// Low before medium before high priority, least recently used within one (to have been loaded is to have been used), and
// only as many as are needed (a single sufficient model later in that order does not save several earlier ones: the
// order is the promise; but a victim whose bytes turn out not to be needed once a later one was chosen is spared
// again). Sparing a just-loaded one delays: it never sends another, more used one in its place.
eviction_plan plan_eviction(std::vector<eviction_candidate> candidates, const eviction_need& need,
                            const eviction_rules& rules);

}  // namespace troupe::actors
