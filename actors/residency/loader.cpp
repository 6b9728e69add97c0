#include "actors/residency/loader.hpp"

#include <chrono>
#include <thread>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "actors/protocol/foreign_exception.hpp"
#include "actors/residency/trial_load.hpp"
#include "config/machine.hpp"
#include "config/turns.hpp"
#include "inference/loader.hpp"
#include "inference/model/step_aside.hpp"
#include "inference/torch/memory.hpp"

namespace troupe::actors {

namespace {

// One wait for running batches; whoever hurries a load wakes it.
constexpr std::chrono::milliseconds way_pause{100}, hurried_pause{2};
// The kernel chooses again who runs when somebody wakes or sleeps, and else at its tick, every 4 ms. A thread that woke
// on a loader's core and was not let in at once waits for that: so a loader does not work for much longer than a
// millisecond without a break. The shortest sleep there is takes some 60 us.
constexpr std::chrono::microseconds work_without_break{500}, break_time{1};
// All waits of one model that leaves memory: somebody may be waiting for that memory.
constexpr std::chrono::milliseconds reclaim_patience{50};
constexpr std::uint64_t trim_at_once_bytes = 8u << 20;
// Else a second later, when no batch has run for a while: trimming takes the free memory of those who run batches, too,
// who then fault it in again. Not for ever, though.
constexpr std::chrono::milliseconds trim_later{1000}, trim_when_quiet_for{200}, trim_at_last{30'000};
// Batches of many lengths leave holes in the heap, 30 to 90 MiB after minutes of them. When the process has grown by so
// much since it was trimmed, and has as much to give, it is trimmed once no batch runs.
constexpr std::uint64_t holes_bytes = 16u << 20;
constexpr std::chrono::milliseconds look_for_holes{2000}, holes_when_quiet_for{1000};

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

// While it lives, no batch counts on having all cores.
class load_scope {
 public:
  explicit load_scope(right_of_way& way) : way_(way) { way_.load_begins(); }
  ~load_scope() { way_.load_ended(); }
  load_scope(const load_scope&) = delete;
  load_scope& operator=(const load_scope&) = delete;

 private:
  right_of_way& way_;
};

// While it lives, this thread is a gentle loader's, and its work gives way to batches.
class gentle_scope {
 public:
  explicit gentle_scope(std::shared_ptr<gentleness> gentle) : gentle_(std::move(gentle)) {
    gentle_->hurried.store(false);  // a hurry that came too late for the load before
    config::take_background_turns();
    gentle_->thread.store(static_cast<int>(gettid()));
    aside_.emplace([this] { breaks_.take(gentle_->way->give_way(gentle_->hurried, way_pause, hurried_pause)); });
  }
  ~gentle_scope() { gentle_->thread.store(0); }
  gentle_scope(const gentle_scope&) = delete;
  gentle_scope& operator=(const gentle_scope&) = delete;

 private:
  std::shared_ptr<gentleness> gentle_;
  breaks breaks_;
  std::optional<inference::step_aside_scope> aside_;
};

result<size_estimate> estimate(const load_order& order, const inference::load_options& options) {
  try {
    const auto memory = inference::estimate_memory(order.spec, options);
    if (!memory) return tl::unexpected(memory.error());
    const auto fingerprint = inference::fingerprint(order.spec);
    if (!fingerprint) return tl::unexpected(fingerprint.error());
    return size_estimate{*memory, inference::artifact_bytes(order.spec).value_or(0), *fingerprint};
  } catch (...) {
    return tl::unexpected(caught_error(error_code::load_failed, "Model " + order.model + " could not be looked at"));
  }
}

void free_with_breaks(std::unique_ptr<const inference::model> model, right_of_way& way) {
  const auto until = steady_clock::now() + reclaim_patience;
  breaks pauses;
  const inference::step_aside_scope scope([&way, &pauses, until] {
    static const std::atomic<bool> never{false};
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - steady_clock::now());
    pauses.take(left.count() > 0 && way.give_way(never, left, left));
  });
  model.reset();
}

}  // namespace

loader_actor::behavior_type loader(loader_actor::pointer, inference::load_options options, watch_limits limits,
                                   const std::shared_ptr<right_of_way>& way, std::shared_ptr<gentleness> gentle) {
  pthread_setname_np(pthread_self(), gentle ? "loader-gentle" : "loader");
  gentle ? config::take_background_turns() : config::take_long_turns();
  const auto how = std::make_shared<const inference::load_options>(std::move(options));
  const auto watched = [limits, way, gentle = std::move(gentle)](const std::shared_ptr<load_order>& order,
                                                                 const inference::load_options& with) {
    const load_scope scope(*way);
    return load_watched(order, with, limits, [gentle]() -> std::shared_ptr<void> {
      return gentle ? std::make_shared<gentle_scope>(gentle) : nullptr;
    });
  };
  return {
      [how](estimate_atom, const std::shared_ptr<load_order>& order,
            const std::function<void(result<size_estimate>)>& done) { done(estimate(*order, *how)); },
      [how, watched](load_atom, const std::shared_ptr<load_order>& order,
                     const std::function<void(std::shared_ptr<load_outcome>)>& done) { done(watched(order, *how)); },
      [how, watched, way](trial_atom, const std::shared_ptr<load_order>& order,
                          const std::function<void(std::shared_ptr<trial_outcome>)>& done) {
        const trial_hands hands{watched, [way](std::unique_ptr<const inference::model> model) {
                                  free_with_breaks(std::move(model), *way);
                                  inference::return_free_memory();
                                }};
        done(std::make_shared<trial_outcome>(trial_load(order, *how, hands)));
      },
  };
}

void hurry(gentleness& gentle) {
  gentle.hurried.store(true);
  gentle.way->wake();
  const int thread = gentle.thread.load();
  if (thread != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(thread), 0);
}

reclaimer_actor::behavior_type reclaimer(reclaimer_actor::pointer self, const std::shared_ptr<right_of_way>& way) {
  pthread_setname_np(pthread_self(), "reclaimer");
  config::take_long_turns();
  auto trim_wanted = std::make_shared<std::optional<steady_time>>();  // since when
  auto after_trim = std::make_shared<std::uint64_t>(config::anonymous_bytes());
  const auto trim = [after_trim] {
    inference::return_free_memory();
    *after_trim = config::anonymous_bytes();
  };
  self->delayed_send(self, look_for_holes, quiet_atom::value);
  return {
      [=](reclaim_atom, const std::shared_ptr<reclaim_order>& order) {
        const bool much = order->model && order->model->memory().private_bytes >= trim_at_once_bytes;
        free_with_breaks(std::move(order->model), *way);
        if (much) {
          trim();
        } else if (!*trim_wanted) {
          *trim_wanted = steady_clock::now();
          self->delayed_send(self, trim_later, tick_atom::value);
        }
        order->freed();
      },
      [=](tick_atom) {
        if (!way->quiet_for(trim_when_quiet_for) && steady_clock::now() - trim_wanted->value() < trim_at_last) {
          self->delayed_send(self, trim_when_quiet_for, tick_atom::value);
          return;
        }
        trim_wanted->reset();
        trim();
      },
      [=](quiet_atom) {
        if (way->quiet_for(holes_when_quiet_for) && config::anonymous_bytes() >= *after_trim + holes_bytes &&
            inference::free_heap_bytes() >= holes_bytes)
          trim();
        self->delayed_send(self, look_for_holes, quiet_atom::value);
      },
  };
}

}  // namespace troupe::actors
