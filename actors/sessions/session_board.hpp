#pragma once
// Who is live: how many sessions there are, who of them is fed, and whether another fits. Shared by the sessions and by
// those who open them; thread-safe, nothing in it blocks.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "actors/sessions/live_load.hpp"
#include "config/error.hpp"

namespace troupe::actors {

using steady_clock = std::chrono::steady_clock;
using steady_time = steady_clock::time_point;

// Handles, made once.
struct session_metrics {
  explicit session_metrics(prometheus::Registry& registry);
  prometheus::Gauge& open;
  prometheus::Gauge& active;    // fed within the last two seconds
  prometheus::Gauge& speaking;  // of them, those whose recogniser was
  prometheus::Gauge& share;     // of the cores, that the active ones need
  prometheus::Counter& opened;
  prometheus::Counter& refused;  // 429
  prometheus::Counter& failed;
  prometheus::Counter& shed;      // asked to leave: the cores were too slow
  prometheus::Counter& sound_s;   // that was heard
  prometheus::Counter& speech_s;  // of it, what the recogniser heard
  prometheus::Counter& passes;    // sentences that were recognised again
  prometheus::Counter& passes_failed;
  prometheus::Histogram& lateness_s;  // from when a step's sound was whole to its answer
};

class session_board {
 public:
  using number = std::uint64_t;  // in the order of opening
  session_board(load_limits limits, std::uint32_t slots, prometheus::Registry& registry);

  // Enters a session, or says why not. `leave`: asks it to go; any thread, must not block.
  result<number> enter(steady_time now);
  void set_leave(number who, std::function<void(error)> leave);
  void left(number who, bool failed);
  void fed(number who, std::chrono::microseconds sound, steady_time now);
  void spoke(number who, steady_time now);  // .. and its recogniser was
  using stage = live_load::stage;
  // A step has run: its share of its batch's time, its sound, and how long after it was due. Where that is too long,
  // the newest session of those that speak, else of those that are fed, is asked to leave.
  void stepped(number who, stage which, std::chrono::microseconds share, std::chrono::microseconds sound,
               std::chrono::microseconds lateness, steady_time now);
  void ticked(steady_time now);  // a session's second has passed: gauges of those who fell silent follow
  void passed(bool well);        // a sentence's second pass has ended
  // Asks all to go, and returns when they have. REQUIRES nobody to enter any more.
  void clear(const error& why);
  std::uint32_t open() const;

 private:
  struct member {
    steady_time fed{}, spoke{};
    std::function<void(error)> leave;
    bool leaving = false;
  };
  live_load::fed_sessions active(steady_time now) const;
  void publish(steady_time now);

  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::map<number, member> members_;
  number next_ = 1;
  live_load load_;
  steady_time last_shed_{}, last_published_{};
  session_metrics meter_;
};

}  // namespace troupe::actors
