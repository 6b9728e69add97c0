#pragma once
// What the supervisor is told of the registry: all of it, or the entries that have changed.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/protocol/one_shot.hpp"
#include "actors/protocol/reports.hpp"
#include "config/registry.hpp"

namespace troupe::actors {

// A registry that is to be in force from now on.
struct registry_update {
  config::registry registry;
  std::string trouble;  // of its files, for people; empty: none
};

// Entries that are new, other or gone: all are followed, then the answers are given.
struct registry_changes {
  struct entry {
    std::string name;
    std::optional<config::registered_model> now;  // null: it is gone
  };
  std::vector<entry> entries;
  std::vector<std::pair<shared_reply<registration_report>, registration_report>> answers;
};

}  // namespace troupe::actors
