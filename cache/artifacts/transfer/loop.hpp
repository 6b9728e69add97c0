#pragma once
// One thread that runs libcurl's multi handle, timers, and what other threads hand it. Knows nothing of HTTP. Owned by
// `transfers`.
//
// Where nothing else is said, for the loop's own thread: in tasks, timers, the tick and what add() calls.

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

class loop {
 public:
  using task = std::function<void()>;
  // Any thread, also when the loop is gone. False: it has stopped, the task is dropped.
  using poster = std::function<bool(task)>;

  loop();
  ~loop();  // stop() was called, or it was never started
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  // Any thread, once. `tick` runs after whatever happened, and says whether nothing is under way.
  void start(std::function<bool()> tick);
  // Any thread, once: returns when nothing is under way and the thread has ended. The tick sees to it by stopping().
  void stop();
  bool stopping() const noexcept { return stopping_; }
  poster post() const;

  // A task after the callbacks of libcurl that run now, where its handles may be taken out.
  void defer(task t) { deferred_.push_back(std::move(t)); }
  using timer = std::uint64_t;  // 0: none
  timer at(steady_time when, task t);
  void forget(timer& t);  // also of one that has run; zeroes it

  // Runs the handle; `done` is called once, unless it is removed before.
  void add(CURL* handle, std::function<void(CURLcode)> done);
  void remove(CURL* handle);

 private:
  struct inbox;
  void run();
  void run_posted();
  bool close_inbox();
  void run_deferred();
  void run_timers();
  void run_done();
  int wait_ms() const;

  std::shared_ptr<inbox> inbox_;
  CURLM* multi_;
  std::function<bool()> tick_;
  std::vector<task> deferred_;
  std::map<std::pair<steady_time, timer>, task> timers_;
  std::unordered_map<timer, steady_time> when_;
  timer next_timer_ = 1;
  std::unordered_map<CURL*, std::function<void(CURLcode)>> running_;
  bool idle_ = true;  // else the tick runs ten times a second
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace troupe::cache
