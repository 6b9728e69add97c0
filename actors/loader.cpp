#include "actors/loader.hpp"

#include <chrono>
#include <thread>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actors/slot.hpp"
#include "config/turns.hpp"
#include "inference/memory.hpp"
#include "inference/runtime.hpp"
#include "inference/step_aside.hpp"

namespace troupe::actors {

namespace {

// docs/experiments.md, b: the idle class is a trap: starved inside mmap it holds the address space's lock against
// everybody.
constexpr int gentle_nice = 10;
// One wait for running batches; whoever hurries a load wakes it.
constexpr std::chrono::milliseconds way_pause{100}, hurried_pause{2};
// The kernel chooses again who runs when somebody wakes or sleeps, and else at its tick, every 4 ms. A thread that woke on
// a loader's core and was not let in at once waits for that: so a loader does not work for much longer than a
// millisecond without a break. The shortest sleep there is takes some 60 us.
constexpr std::chrono::microseconds work_without_break{500}, break_time{1};
// All waits of one model that leaves memory: somebody may be waiting for that memory.
constexpr std::chrono::milliseconds reclaim_patience{50};
constexpr std::uint64_t trim_at_once_bytes = 8u << 20;
constexpr std::chrono::seconds trim_later{1};

void be_gentle() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), gentle_nice);
}

// Called between a thread's pieces of work, of a millisecond at most each.
class breaks {
 public:
  void take(bool rested_already) {
    const auto now = steady_clock::now();
    if (!rested_already && now - last_ < work_without_break) return;
    if (!rested_already) std::this_thread::sleep_for(break_time);
    last_ = now;
  }

 private:
  steady_time last_ = steady_clock::now();
};

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

// While it lives, no batch counts on having all cores, and a gentle thread's work gives way to batches.
class load_scope {
 public:
  load_scope(right_of_way& way, gentleness* gentle) : way_(way), gentle_(gentle) {
    way_.load_begins();
    if (!gentle_) return;
    calm_down();  // a hurry that came too late for the load before
    aside_.emplace([this] { breaks_.take(gentle_->way->give_way(gentle_->hurried, way_pause, hurried_pause)); });
  }
  ~load_scope() {
    way_.load_ended();
    if (gentle_) calm_down();
  }
  load_scope(const load_scope&) = delete;
  load_scope& operator=(const load_scope&) = delete;

 private:
  void calm_down() {
    if (gentle_->hurried.exchange(false)) be_gentle();
  }
  right_of_way& way_;
  gentleness* gentle_;
  breaks breaks_;
  std::optional<inference::step_aside_scope> aside_;
};

}  // namespace

loader_actor::behavior_type loader(loader_actor::pointer, inference::load_options options,
                                   std::shared_ptr<right_of_way> way, std::shared_ptr<gentleness> gentle) {
  pthread_setname_np(pthread_self(), gentle ? "loader-gentle" : "loader");
  config::take_long_turns();
  if (gentle) {
    gentle->thread.store(static_cast<int>(gettid()));
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
      [options, way, gentle](load_atom, const std::shared_ptr<load_order>& order,
                   const std::function<void(std::shared_ptr<load_outcome>)>& done) {
        std::shared_ptr<load_outcome> outcome;
        {
          const load_scope scope(*way, gentle.get());
          outcome = load_and_warm(*order, options);
        }
        done(std::move(outcome));
      },
  };
}

void hurry(gentleness& gentle) {
  gentle.hurried.store(true);
  gentle.way->wake();
  const int thread = gentle.thread.load();
  if (thread != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(thread), 0);
}

reclaimer_actor::behavior_type reclaimer(reclaimer_actor::pointer self, std::shared_ptr<right_of_way> way) {
  pthread_setname_np(pthread_self(), "reclaimer");
  config::take_long_turns();
  auto trim_due = std::make_shared<bool>(false);
  return {
      [=](reclaim_atom, const std::shared_ptr<reclaim_order>& order) {
        const bool much = order->model && order->model->memory().private_bytes >= trim_at_once_bytes;
        {
          const auto until = steady_clock::now() + reclaim_patience;
          breaks pauses;
          const inference::step_aside_scope scope([&way, &pauses, until] {
            static const std::atomic<bool> never{false};
            const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - steady_clock::now());
            pauses.take(left.count() > 0 && way->give_way(never, left, left));
          });
          order->model.reset();
        }
        if (much) {
          inference::return_free_memory();
        } else if (!*trim_due) {
          *trim_due = true;
          self->delayed_send(self, trim_later, tick_atom::value);
        }
        order->freed();
      },
      [=](tick_atom) {
        *trim_due = false;
        inference::return_free_memory();
      },
  };
}

}  // namespace troupe::actors
