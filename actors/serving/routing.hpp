#pragma once
// The routing snapshot: from a model's name to its resident actor, without asking anybody. The supervisor
// publishes; every thread reads.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "actors/protocol/messages.hpp"
#include "actors/protocol/metrics.hpp"
#include "actors/protocol/reports.hpp"
#include "actors/serving/batch_queue.hpp"
#include "actors/serving/gate.hpp"

namespace troupe::actors {

// What a model's batching follows; from the registry, else from the settings.
struct model_limits {
  batch_limits batch;
  std::uint32_t max_queue_items = 4096;
  std::uint32_t max_instances = 1;
  std::uint32_t warmup_requests = 0;  // rows that a warm-up runs at least, beside one run of every bucket
  std::chrono::microseconds max_queue_delay{0};
  bool auto_scaling = true;
  bool batching = true;
};

struct model_entry;

// A model in memory, together with its actor and its gate. Shared by everybody who sends to it; the model's
// memory goes back when the last reference is gone.
struct resident {
  lease_id lease = lease_id::none;
  std::string name;
  inference::model_ptr model;
  std::string answers_as;  // what decides its answers beside the input: its part of prediction cache keys
  model_limits limits;
  model_metrics_ptr metrics;
  std::shared_ptr<model_entry> counters;  // of the registered model
  model_actor actor;                      // set before it is published
  gate door;
  std::function<void()> on_emptied;  // the last item left a closed gate; any thread
  // Written by the model actor, read by reports.
  std::atomic<std::uint32_t> instances{0}, queue_items{0}, running{0};
  std::atomic<bool> fully_warm{false};
  std::atomic<std::int64_t> warmup_us{0};
};
using resident_ptr = std::shared_ptr<resident>;

// Places for `items` inside a resident's gate, given back in the destructor.
class ticket {
 public:
  ticket(resident_ptr owner, std::uint32_t items) : owner_(std::move(owner)), items_(items) {}
  ~ticket() {
    if (owner_->door.leave(items_) && owner_->on_emptied) owner_->on_emptied();
  }
  ticket(const ticket&) = delete;
  ticket& operator=(const ticket&) = delete;

 private:
  resident_ptr owner_;
  std::uint32_t items_;
};

// One registered model, for as long as it is registered. Counters survive unloading.
struct model_entry {
  explicit model_entry(std::string n) : name(std::move(n)) {}
  const std::string name;
  std::atomic<std::shared_ptr<const config::registered_model>> registration;
  std::atomic<resident_ptr> current;          // null unless resident
  std::atomic<std::int64_t> last_used_ns{0};  // steady clock; 0: never
  std::atomic<std::int64_t> last_used_wall_ns{0};
  std::atomic<std::uint64_t> accesses{0}, cache_hits{0}, cache_misses{0}, prediction_cache_hits{0};
  std::atomic<std::uint64_t> inferences{0}, inference_us{0}, failures{0};
  item_ends ends;

  void used_now() noexcept {
    last_used_ns.store(steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
    last_used_wall_ns.store(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count(),
        std::memory_order_relaxed);
  }
  void accessed(std::uint64_t items, bool resident) noexcept {
    accesses.fetch_add(items, std::memory_order_relaxed);
    (resident ? cache_hits : cache_misses).fetch_add(items, std::memory_order_relaxed);
    used_now();
  }
  model_counts counts() const noexcept;
};
using entry_ptr = std::shared_ptr<model_entry>;

struct string_hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const noexcept { return std::hash<std::string_view>{}(s); }
};
struct routing_table {
  std::unordered_map<std::string, entry_ptr, string_hash, std::equal_to<>> models;
  std::string default_model;
};
using routing_snapshot = std::atomic<std::shared_ptr<const routing_table>>;

}  // namespace troupe::actors
