#pragma once
// Whose turn it is: a few recordings are heard at once, others wait in the order of their coming, more are refused.
// Shared by recordings and those who bring them; thread-safe, nothing in it blocks but clear().

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include "config/error.hpp"

namespace troupe::actors {

// Handles, made once.
struct recording_metrics {
  explicit recording_metrics(prometheus::Registry& registry);
  prometheus::Gauge& running;
  prometheus::Gauge& waiting;
  prometheus::Counter& taken;
  prometheus::Counter& refused;  // 429
  prometheus::Counter& failed;   // an error was told
  prometheus::Counter& sound_s;  // that was heard
};

class recording_desk {
 public:
  using number = std::uint64_t;  // in the order of coming
  recording_desk(std::uint32_t at_once, std::uint32_t most, prometheus::Registry& registry)
      : at_once_(at_once), most_(most), meter_(registry) {}

  // too_many_requests: it is not taken.
  result<number> enter();
  // `begin` runs when its turn is there, perhaps at once; `leave` asks it to go, perhaps after it has. Both on any
  // thread, must not block.
  void set(number who, std::function<void()> begin, std::function<void(error)> leave);
  // Once. `sound_s`: that was heard.
  void left(number who, bool failed, double sound_s);
  // Asks all to go, and returns when they have. REQUIRES nobody to enter any more.
  void clear(const error& why);

 private:
  struct member {
    std::function<void()> begin;  // empty: its turn has come
    std::function<void(error)> leave;
    bool running = false;
  };
  // Those whose turn has come by now.
  std::deque<std::function<void()>> next();  // REQUIRES mutex_
  void publish();                            // likewise

  const std::uint32_t at_once_, most_;
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::map<number, member> members_;
  number next_ = 1;
  std::uint32_t running_ = 0;
  recording_metrics meter_;
};

}  // namespace troupe::actors
