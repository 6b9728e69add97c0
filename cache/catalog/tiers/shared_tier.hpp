#pragma once
// The tier that all instances share: what is read and written in Redis, when it is left alone, and what is made up
// when it is back. Internal to the tiers; thread-safe, callbacks on Redis' thread or before the call returns.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cache/catalog/keys.hpp"
#include "cache/catalog/tiers/breaker.hpp"
#include "cache/catalog/tiers/cached_value.hpp"
#include "cache/catalog/tiers/catalog_cache.hpp"
#include "cache/catalog/tiers/generations.hpp"

namespace troupe::cache {

// How long an invalidation stays unknown to who cannot hear of it.
inline constexpr std::chrono::milliseconds unheard_ask_pause{1000};

class shared_tier : public std::enable_shared_from_this<shared_tier> {
 public:
  struct told {
    std::function<void()> cleared;  // by another instance
    std::function<void()> up;       // may be null
    std::atomic<std::uint64_t>& errors;
  };
  // `timeout`: of a command, the client's own.
  shared_tier(generations& known, told tell, breaker::limits patience, std::chrono::milliseconds timeout);
  void connect(const catalog_cache::make_client& client, const catalog_cache::make_listener& listener);
  void disconnect();  // ends the threads; what waits is answered

  // May it be asked? Not while it is away, or has not been told yet what it has missed.
  bool usable() const noexcept { return usable_.load(std::memory_order_acquire); }
  redis_health health() const noexcept;
  std::string last_error() const;
  // Whether what others invalidate is heard of. While it is not, they are asked for their generations each
  // `unheard_ask_pause`.
  redis_health listener() const;
  std::string listener_error() const;

  struct entry {
    cached_value_ptr value;             // null: it has none
    std::chrono::milliseconds left{0};  // until it expires, by Redis' clock; 0 where it was not asked for
    std::uint64_t epoch = 0;            // of the scope, by which it was read
  };
  // An error: not asked, or no answer.
  // `held`: what memory has, which is answered again where it is the same; fresh: what is left of it is not asked for.
  void read(const cache_key& key, local_tier::found held, std::function<void(result<entry>)> then);
  // C1 of catalog_cache.hpp. True: it was written.
  void keep(const cache_key& key, const generations::known& since, const cached_value& value, std::uint64_t ttl_s,
            const std::function<void(bool)>& then);
  void holds(const cache_key& key, const std::function<void(bool)>& then);

  struct removal {
    std::vector<std::pair<std::string, std::string>> words;  // scope, its new generation
    std::vector<std::string> names;                          // the document's keys: some thousand at most
    bool models = false;                                     // all keys of models and prices
    bool all = false;                                        // every key of the catalog
  };
  void remove(const removal& what, const std::function<void(bool)>& then);

 private:
  // Invalidations that Redis has not heard of. The names of a scope follow from it; `names` are models' and prices'.
  struct debt {
    std::set<std::string> scopes, names;
    bool models = false, all = false;
    bool empty() const { return scopes.empty() && names.empty() && !models && !all; }
    void add(const debt& more);
  };

  static const redis_reply::failure* first_failure(const std::vector<redis_reply>& replies);
  void on_state(redis_state s);
  void on_message(const std::string& payload);
  void failed(const error& why);
  void leave_alone(const debt* owed, const std::string& why);
  void probe_later();
  static debt debt_of(const removal& what);
  bool owe_if_away(const removal& what);
  void make_up();
  void made_up(const debt* still_owed, const std::string& trouble);
  // `then` gets what went wrong; empty: nothing.
  void carry_out(const removal& what, const std::function<void(const std::string&)>& then);
  void send(const removal& what, const std::function<void(const std::string&)>& then);
  void learn_all(const std::function<void(bool)>& then);
  void learn_unheard();
  void sweep(std::vector<std::string> patterns, std::string cursor, const std::function<void(bool)>& then);
  struct reading {
    cache_key key;
    cached_value_ptr held;  // null: nothing
    bool fresh;             // it is
    int tries;
    steady_time until;  // no round begins that could end behind it
    std::function<void(result<entry>)> then;
  };
  void read_again(reading r);
  entry no_value(const cache_key& key);
  std::string message_of(const removal& what) const;
  std::vector<std::vector<std::string>> commands_of(const removal& what) const;
  void say(redis_health h, const std::string& why);

  generations& known_;
  const told tell_;
  const std::chrono::milliseconds timeout_;
  const std::string self_;         // whose messages are our own
  mutable std::mutex connecting_;  // of the three
  std::unique_ptr<redis_client> owned_;
  redis_client* client_ = nullptr;  // good while callbacks come
  std::unique_ptr<redis_listener> listener_;
  std::atomic<bool> usable_{false}, ended_{false};

  mutable std::mutex mutex_;  // of what follows
  breaker breaker_;
  bool probing_ = false, making_up_ = false;
  redis_health shown_ = redis_health::off;
  std::string error_;
  debt owed_;
};

}  // namespace troupe::cache
