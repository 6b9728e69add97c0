#pragma once
// When models were used last: kept in memory, and on the disk as the time of a file beside the manifest, so that it
// outlives the process. Owned by a store; thread-safe.

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "cache/artifacts/manifest.hpp"
#include "cache/artifacts/store/layout.hpp"
#include "config/error.hpp"

namespace troupe::cache {

class last_uses {
 public:
  using clock = std::chrono::system_clock;

  explicit last_uses(const layout& at) : at_(at) {}
  // A model that is being made: its first use. REQUIRES the store's lock, and the model's folder.
  result<void> begin(const std::string& name);
  // Written at most once a minute.
  void now(const std::string& name);
  // When it was downloaded, where nothing else is known.
  clock::time_point of(const manifest& m) const;

 private:
  struct use {
    clock::time_point at, written;
  };
  const layout& at_;
  mutable std::mutex mutex_;
  std::map<std::string, use> uses_;
};

}  // namespace troupe::cache
