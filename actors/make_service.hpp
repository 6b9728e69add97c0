#pragma once
// Puts the actors together. The service owns the actor system; destroying it stops everything in order.

#include <memory>

#include "actors/protocol/service.hpp"
#include "config/registry.hpp"
#include "config/settings.hpp"
#include "inference/loader.hpp"

namespace troupe::actors {

// What main has found out about this machine (inference/calibration.hpp; settings already applied).
struct compute_options {
  std::uint32_t slots = 1;
  std::uint32_t threads_per_slot = 1;
  std::uint32_t lone_threads = 1;  // for a batch that has the device to itself
  std::uint32_t actor_threads = 1;
  std::uint64_t device_memory_bytes = 0;  // of a GPU, where models then live; 0: in the machine's memory
  inference::load_options load;
};

// `settings` must outlive the service.
std::unique_ptr<service> make_service(const config::settings& settings, config::registry registry,
                                      compute_options compute);

// Threads given up because a model hung in them; while there are any, leave the process with _Exit.
std::uint32_t abandoned_compute_threads();

}  // namespace troupe::actors
