#pragma once
// What the artifact keeper and its downloaders tell each other.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/protocol/artifacts.hpp"
#include "cache/artifacts/pull.hpp"
#include "config/registry.hpp"

namespace troupe::actors {

// Whether this program can load a model that lies in a folder.
struct probe_result {
  bool servable = false;
  std::string reason;  // why not
};

struct pull_progress {
  std::vector<file_progress> files;
  bool publishing = false;
};

struct pull_outcome {
  result<cache::pulled> got;
  probe_result probe;  // of what was got
};

struct pull_order {
  std::string id;  // of the download
  cache::pull_request what;
  std::shared_ptr<std::atomic<bool>> cancelled;  // shared with the keeper
};

}  // namespace troupe::actors
