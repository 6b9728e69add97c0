#pragma once
// Puts live sessions together: finds the model, asks whether another session fits, and starts its actor.

#include <memory>
#include <string>

#include <prometheus/registry.h>
#include <caf/all.hpp>

#include "actors/protocol/sessions.hpp"
#include "actors/serving/gateway.hpp"
#include "actors/sessions/speech_models.hpp"
#include "config/settings.hpp"

namespace troupe::actors {

class session_wing {
 public:
  virtual ~session_wing() = default;  // ends all sessions
  virtual session_service& service() = 0;

  // All outlive it.
  static std::unique_ptr<session_wing> make(caf::actor_system& system, const config::settings& settings, gateway& door,
                                            const speech_models& models, std::uint32_t slots,
                                            std::shared_ptr<std::atomic<std::uint32_t>> in_flight,
                                            prometheus::Registry& metrics);
};

}  // namespace troupe::actors
