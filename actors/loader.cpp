#include "actors/loader.hpp"

#include <chrono>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actors/slot.hpp"
#include "inference/memory.hpp"
#include "inference/runtime.hpp"

namespace troupe::actors {

namespace {

// docs/experiments.md, b: at nice 10 a load is hardly felt and still moves on a machine whose cores are taken. The
// idle class is a trap: starved inside mmap it holds the address space's lock against everybody.
constexpr int gentle_nice = 10;

void be_gentle() { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), gentle_nice); }

std::string run_smallest_bucket(const inference::model& m, inference::instance& instance) {
  const auto buckets = m.warm_buckets(1, ~0u);
  if (buckets.empty()) return {};
  warm_rows warm;
  auto rows = warm.make(m, buckets.front());
  inference::set_thread_intra_op_threads(1);
  return run_rows(instance, rows);
}

std::shared_ptr<load_outcome> load_and_warm(const load_order& order, inference::load_options options) {
  auto out = std::make_shared<load_outcome>();
  const auto started = steady_clock::now();
  options.cancelled = order.cancelled.get();
  auto loaded = inference::load(order.spec, options);
  if (!loaded) {
    out->problem = loaded.error();
    return out;
  }
  if (const auto print = inference::fingerprint(order.spec)) out->fingerprint = *print;
  try {
    out->first_instance = (*loaded)->make_instance();
  } catch (const std::exception& e) {
    out->problem = {error_code::load_failed, "Model " + order.model + " could not be instantiated: " + e.what(), {}, {}};
    return out;
  }
  // Ready early: one bucket here, the others on idle slots while the model serves.
  const auto failure = run_smallest_bucket(**loaded, *out->first_instance);
  if (!failure.empty()) {
    out->first_instance.reset();
    out->problem = {error_code::load_failed, "Model " + order.model + " failed its first run: " + failure, {}, {}};
    return out;
  }
  out->model = std::move(*loaded);
  out->load_time_s = std::chrono::duration<double>(steady_clock::now() - started).count();
  return out;
}

}  // namespace

loader_actor::behavior_type loader(loader_actor::pointer, inference::load_options options, gentle_thread gentle) {
  pthread_setname_np(pthread_self(), gentle ? "loader-gentle" : "loader");
  if (gentle) {
    gentle->store(static_cast<int>(gettid()));
    be_gentle();
  }
  return {
      [options](estimate_atom, const std::shared_ptr<load_order>& order, const std::function<void(size_estimate)>& done) {
        size_estimate out;
        const auto size = inference::estimate_bytes(order->spec, options);
        const auto print = size ? inference::fingerprint(order->spec) : result<std::string>(std::string());
        if (size && print) {
          out.ok = true;
          out.size_bytes = *size;
          out.fingerprint = *print;
        } else {
          out.problem = size ? print.error() : size.error();
        }
        done(std::move(out));
      },
      [options, gentle](load_atom, const std::shared_ptr<load_order>& order,
                   const std::function<void(std::shared_ptr<load_outcome>)>& done) {
        auto outcome = load_and_warm(*order, options);
        done(std::move(outcome));
        if (gentle) be_gentle();  // it may have been hurried
      },
  };
}

void hurry(const std::atomic<int>& gentle) {
  const int thread = gentle.load();
  if (thread != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(thread), 0);
}

reclaimer_actor::behavior_type reclaimer(reclaimer_actor::pointer) {
  pthread_setname_np(pthread_self(), "reclaimer");
  return {
      [](reclaim_atom, const std::shared_ptr<reclaim_order>& order) {
        order->model.reset();
        inference::return_free_memory();
        order->freed();
      },
  };
}

}  // namespace troupe::actors
