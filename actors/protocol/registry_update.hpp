#pragma once
// A registry that is to be in force from now on.

#include "config/registry.hpp"

namespace troupe::actors {

struct registry_update {
  config::registry registry;
};

}  // namespace troupe::actors
