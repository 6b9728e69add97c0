#pragma once
// A pull, from what is asked to a model in the store: plan, fetch, publish. What the downloader actors and the command
// line carry out. Blocks until it is done; any thread.

#include <atomic>
#include <cstdint>

#include "cache/artifacts/manifest.hpp"
#include "cache/artifacts/pull_request.hpp"
#include "cache/artifacts/sources/sources.hpp"
#include "cache/artifacts/store/store.hpp"
#include "cache/artifacts/transfer/transfers.hpp"

namespace troupe::cache {

// Told of a pull as it goes on; its calls come from one thread at a time, and must be quick.
class pull_observer {
 public:
  virtual ~pull_observer() = default;
  virtual void planned(const pull_plan&) {}
  // `bytes_done` of that file of the plan. At most ten times a second a file; less than before where it starts over.
  virtual void progress(std::size_t /*file*/, std::uint64_t /*bytes_done*/) {}
  virtual void publishing() {}
};

struct pull_tools {  // outlive every pull
  store& artifacts;
  transfers& net;
  const source_settings& sources;
  std::uint64_t artifact_bytes_max = 0;  // 0: unbounded
};

struct pulled {
  manifest model;
  bool unchanged = false;  // the store had it, as the source has it now
};

// What is kept in the store is taken from there, whatever model it belongs to. Errors: as make_plan, transfers::fetch
// and store::publish give them; payload_too_large. Then the store has no such model, or the one that it had before.
result<pulled> pull(const pull_request& request, const pull_tools& tools, pull_observer& observer,
                    const std::atomic<bool>* cancelled);

}  // namespace troupe::cache
