#include "actors/residency/watched_load.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>

#include "actors/protocol/foreign_exception.hpp"
#include "actors/serving/abandonable_thread.hpp"
#include "actors/serving/slot.hpp"
#include "inference/loader.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::actors {

namespace {

// How often it is looked whether the load was called off.
constexpr std::chrono::milliseconds look_pause{100};

// What the load's thread shares with whoever waits; outlives the latter when the thread hangs.
struct watch {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<steady_time> running_since;  // the first run has begun
  std::shared_ptr<load_outcome> outcome;     // the load has ended
  bool given_up = false;

  void first_run_begins() {
    const std::lock_guard lock(mutex);
    running_since = steady_clock::now();
  }
};

std::string run_smallest_bucket(const inference::model& m, inference::instance& instance) {
  const auto buckets = m.warm_buckets(1, ~0u);
  if (buckets.empty()) return {};
  warm_rows warm;
  auto rows = warm.make(m, buckets.front());
  return first_failure(run_rows(m, instance, rows), rows);
}

load_outcome load_and_run(const load_order& order, inference::load_options options, watch& w) {
  const auto started = steady_clock::now();
  options.cancelled = order.cancelled.get();
  inference::use_threads({});
  auto loaded = inference::load(order.spec, options);
  if (!loaded) return tl::unexpected(std::move(loaded.error()));
  w.first_run_begins();
  auto instance = (*loaded)->make_instance();
  // Ready early: one bucket here, the others on idle slots while the model serves.
  const auto failure = run_smallest_bucket(**loaded, *instance);
  if (!failure.empty())
    return fail(error_code::load_failed, "Model " + order.model + " failed its first run: " + failure);
  loaded_model out;
  out.fingerprint = (*loaded)->info().version;  // of what was read, not of what lies there by now
  out.first_instance = std::move(instance);
  out.model = std::move(*loaded);
  out.load_time_s = std::chrono::duration<double>(steady_clock::now() - started).count();
  return out;
}

// Never throws: somebody waits for the outcome.
void load_or_tell(const load_order& order, const inference::load_options& options, watch& w, load_outcome& out,
                  const std::function<std::shared_ptr<void>()>& enter) noexcept {
  try {
    const auto inside = enter();
    out = load_and_run(order, options, w);
  } catch (...) {
    try {
      out = tl::unexpected(caught_error(error_code::load_failed, "Model " + order.model + " could not be loaded"));
    } catch (...) {  // no memory even for that: the code says it
      out = tl::unexpected(error{error_code::insufficient_memory, {}, {}, {}});
    }
  }
}

// Null: the first run has taken too long.
std::shared_ptr<load_outcome> wait_for(watch& w, const load_order& order, watch_limits limits) {
  std::optional<steady_time> called_off;
  std::unique_lock lock(w.mutex);
  for (;;) {
    if (w.changed.wait_for(lock, look_pause, [&] { return w.outcome != nullptr; })) return w.outcome;
    if (!w.running_since) continue;  // files are read: that ends by itself, or by `cancelled`
    const auto now = steady_clock::now();
    if (order.cancelled->load() && !called_off) called_off = now;
    if (now - *w.running_since < limits.first_run_max && (!called_off || now - *called_off < limits.called_off_max))
      continue;
    w.given_up = true;
    return nullptr;
  }
}

}  // namespace

std::shared_ptr<load_outcome> load_watched(const std::shared_ptr<load_order>& order,
                                           const inference::load_options& options, watch_limits limits,
                                           std::function<std::shared_ptr<void>()> enter) {
  const auto w = std::make_shared<watch>();
  const auto failed = [](error why) { return std::make_shared<load_outcome>(tl::unexpected(std::move(why))); };
  abandonable_thread thread;
  try {
    thread = abandonable_thread("load",
                                [w, order, options, enter = std::move(enter), made = std::make_shared<load_outcome>()] {
                                  auto out = made;
                                  load_or_tell(*order, options, *w, *out, enter);
                                  const std::lock_guard lock(w->mutex);
                                  if (w->given_up) return;
                                  w->outcome = std::move(out);
                                  w->changed.notify_all();
                                });
  } catch (const std::system_error& e) {
    return failed({error_code::unavailable, "Model " + order->model + " cannot be loaded now: " + e.what(), {}, 1});
  }
  if (auto out = wait_for(*w, *order, limits)) {
    thread.join();
    return out;
  }
  thread.leave_behind();
  return failed({error_code::load_failed,
                 "Model " + order->model + " did not finish its first run",
                 "its thread is left behind; slot_timeout_ms bounds a run",
                 {}});
}

}  // namespace troupe::actors
