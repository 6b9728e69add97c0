#pragma once
// Answers in memory: LRU, bounded in entries and in bytes. An entry is fresh, then stale for a grace, then gone; one of
// an older epoch of its scope is outdated: somebody has invalidated it. Thread-safe; the clock is given with each call.

#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cache/catalog/tiers/cached_value.hpp"
#include "config/error.hpp"

namespace troupe::cache {

class local_tier {
 public:
  struct limits {
    std::uint64_t entries_max = 500, bytes_max = 50ull << 20;
  };
  explicit local_tier(limits at_most) : limits_(at_most) {}

  enum class age : std::uint8_t { none, fresh, stale, outdated };
  struct found {
    age is = age::none;
    cached_value_ptr value;  // null: none
  };
  // `epoch` is the scope's now. Makes it the most recently used.
  found find(const std::string& name, std::uint64_t epoch, steady_time now);
  // Larger than the whole tier: not kept. `stale_until` is not before `fresh_until`.
  void put(const std::string& name, std::uint64_t epoch, cached_value_ptr value, steady_time fresh_until,
           steady_time stale_until);
  void remove(const std::string& name);
  void clear();

  std::uint64_t entries() const;
  std::uint64_t size_bytes() const;
  std::uint64_t evictions() const;
  limits bounds() const noexcept { return limits_; }

 private:
  struct entry {
    std::string name;
    std::uint64_t epoch;
    cached_value_ptr value;
    steady_time fresh_until, stale_until;
    std::uint64_t size_bytes;
  };
  void drop(std::list<entry>::iterator at);

  const limits limits_;
  mutable std::mutex mutex_;
  std::list<entry> by_use_;  // most recent first
  std::unordered_map<std::string_view, std::list<entry>::iterator> index_;
  std::uint64_t size_bytes_ = 0, evictions_ = 0;
};

}  // namespace troupe::cache
