#pragma once
// For tests only: what no client may do.

#include <string>

#include "actors/protocol/service.hpp"

namespace troupe::actors::test_hooks {

// Kills the actor of a resident model as a bug in it would. False if it is not resident.
bool kill_model(service& s, const std::string& model);

}  // namespace troupe::actors::test_hooks
