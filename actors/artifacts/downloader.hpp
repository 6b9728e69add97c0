#pragma once
// A downloader: carries out one pull, which blocks, so it is detached; then it quits.

#include <functional>

#include "actors/protocol/messages.hpp"

namespace troupe::actors {

// What it does it with. Called on its thread; both block.
struct downloader_tools {
  std::function<result<cache::pulled>(const cache::pull_request&, cache::pull_observer&, const std::atomic<bool>*)>
      pull;
  // REQUIRES nothing of the folder: it is foreign.
  std::function<probe_result(const config::registered_model&)> probe;
  std::function<std::filesystem::path(const cache::manifest&)> folder_of;
};

// The model as the registry is to have it.
config::registered_model registration_of(const cache::manifest& m, std::filesystem::path folder);

downloader_actor::behavior_type downloader(downloader_actor::pointer self, downloader_tools tools,
                                           artifact_keeper_actor keeper);

}  // namespace troupe::actors
