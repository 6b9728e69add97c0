#pragma once
// The catalog's two cached tiers, Redis before memory, behind one interface. What nothing has is the database's to
// answer: the caller asks it (once a key: actors/catalog/) and gives the answer to keep().
//
//   find -> a value, fresh or stale         -> answered; a stale one is refreshed by the caller
//        -> nothing                         -> caller: begin(), reads the database, keep()
//   invalidate(scopes): new generations in Redis, the document's keys away, the other instances told; local copies of
//   the old ones are outdated from that moment on
//
// C1: what keep() is given is kept only while its scope has had no invalidation since begin().
// C2: no call waits for Redis longer than its timeout; while Redis is left alone (breaker.hpp) none does at all.
// C3: before Redis is read again, the invalidations that it has missed are made up.
// Thread-safe. Ends with its last callback run or dropped.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/catalog/keys.hpp"
#include "cache/catalog/redis/redis_client.hpp"
#include "cache/catalog/tiers/generations.hpp"
#include "cache/catalog/tiers/local_tier.hpp"

namespace troupe::cache {

enum class cache_tier : std::uint8_t { redis, local };

struct cached_answer {
  cached_value_ptr value;  // null: a miss
  cache_tier from = cache_tier::local;
  bool stale = false;
};

// Of the whole life of the process. hits + misses are the requests.
struct cache_counts {
  std::array<std::uint64_t, cache_kinds> hits{}, misses{}, sets{}, invalidations{};
  std::uint64_t local_hits = 0, stale_hits = 0, errors = 0, too_large = 0;
  std::uint64_t local_entries = 0, local_entries_max = 0, local_bytes = 0, local_bytes_max = 0, local_evictions = 0;
};

enum class redis_health : std::uint8_t { off, up, down };
std::string_view to_string(redis_health h) noexcept;

struct cache_options {
  bool enabled = true;
  cache_times times;
  local_tier::limits local;
  std::uint64_t value_bytes_max = 8ull << 20;
  std::chrono::milliseconds redis_timeout{100}, redis_retry{30000};
  std::function<void()> on_redis_up;  // on Redis' thread, each time that it is asked from then on; null: nobody listens
};

class catalog_cache {
 public:
  // How Redis is reached; null: not at all. Called once, with what is to be told of its state.
  using make_client = std::function<std::unique_ptr<redis_client>(std::function<void(redis_state)> on_state)>;
  using make_listener = std::function<std::unique_ptr<redis_listener>(std::function<void(std::string)> on_message,
                                                                      std::function<void()> on_listening)>;

  virtual ~catalog_cache() = default;
  static std::shared_ptr<catalog_cache> make(const cache_options& options, const make_client& client,
                                             const make_listener& listener);

  // `then` runs before this returns, or on Redis' thread.
  virtual void find(const cache_key& key, std::function<void(cached_answer)> then) = 0;
  // What is in memory, however old: for when the database fails.
  virtual cached_value_ptr last_known(const cache_key& key) = 0;
  // The database has nothing of it any more: memory's copy goes.
  virtual void forget(const cache_key& key) = 0;

  // Said before the rows are read that keep() will be given.
  virtual generations::known begin(const cache_key& key) const = 0;
  // `rows`: for the log; 0: the value is small. Too large a value is not kept, and that is logged.
  virtual void keep(const cache_key& key, const generations::known& since, cached_value_ptr value,
                    std::uint64_t rows) = 0;
  virtual bool fits(std::uint64_t size_bytes) const = 0;
  // Does Redis hold the document's own key? True also where nothing is put there.
  virtual void holds(const cache_key& key, std::function<void(bool)> then) = 0;

  struct scope_change {
    cache_kind kind = cache_kind::full;
    std::string of;                // a provider's name
    std::vector<std::string> ids;  // of model and pricing: which
  };
  // `then` when Redis has it (true), or it will be made up (false).
  virtual void invalidate(const std::vector<scope_change>& changes, std::function<void(bool)> then) = 0;
  // Everything, everywhere. Local copies are dropped, here and on the other instances.
  virtual void clear(std::function<void(bool)> then) = 0;

  virtual cache_counts counts() const = 0;
  virtual redis_health redis() const = 0;
  virtual std::string redis_error() const = 0;
  // Whether other instances' invalidations are heard; while they are not, Redis is asked for them each second.
  virtual redis_health listener() const = 0;
  virtual std::string listener_error() const = 0;
};

}  // namespace troupe::cache
