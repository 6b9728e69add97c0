#pragma once
// Puts recordings together: chooses who hears one, gives it its turn, and an actor each to run on.

#include <memory>

#include <prometheus/registry.h>
#include <caf/all.hpp>

#include "actors/protocol/recordings.hpp"
#include "actors/serving/gateway.hpp"
#include "actors/sessions/speech_models.hpp"
#include "config/settings.hpp"

namespace troupe::actors {

class recording_wing {
 public:
  virtual ~recording_wing() = default;  // ends all recordings
  virtual recording_service& service() = 0;

  // All outlive it.
  static std::unique_ptr<recording_wing> make(caf::actor_system& system, const config::settings& settings,
                                              gateway& door, session_service& sessions, const speech_models& models,
                                              std::shared_ptr<std::atomic<std::uint32_t>> in_flight,
                                              prometheus::Registry& metrics);
};

}  // namespace troupe::actors
