#include "cache/artifacts/transfer/loop.hpp"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

#include <spdlog/spdlog.h>

#include "config/turns.hpp"

namespace troupe::cache {

namespace {
constexpr auto tick_every = std::chrono::milliseconds(100);
constexpr auto idle_for = std::chrono::seconds(60);
constexpr long idle_connections_max = 16;
}  // namespace

struct loop::inbox {
  std::mutex mutex;
  std::vector<task> tasks;
  CURLM* wake = nullptr;
  bool stopping = false, closed = false;  // closed: nobody looks into it any more
};

loop::loop() : inbox_(std::make_shared<inbox>()) {
  static const auto initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  multi_ = initialized == CURLE_OK ? curl_multi_init() : nullptr;
  if (multi_ == nullptr) throw std::bad_alloc();
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, idle_connections_max);
  inbox_->wake = multi_;
}

loop::~loop() {
  {
    const std::lock_guard held(inbox_->mutex);
    inbox_->closed = true;
  }
  curl_multi_cleanup(multi_);
}

void loop::start(std::function<bool()> tick) {
  tick_ = std::move(tick);
  thread_ = std::thread([this] { run(); });
}

void loop::stop() {
  {
    const std::lock_guard held(inbox_->mutex);
    inbox_->stopping = true;
    curl_multi_wakeup(multi_);
  }
  thread_.join();
}

loop::poster loop::post() const {
  return [to = inbox_](task t) {
    const std::lock_guard held(to->mutex);
    if (to->closed) return false;
    to->tasks.push_back(std::move(t));
    curl_multi_wakeup(to->wake);
    return true;
  };
}

loop::timer loop::at(steady_time when, task t) {
  const auto id = next_timer_++;
  when_[id] = when;
  timers_[{when, id}] = std::move(t);
  return id;
}

void loop::forget(timer& t) {
  if (const auto it = when_.find(std::exchange(t, 0)); it != when_.end()) {
    timers_.erase({it->second, it->first});
    when_.erase(it);
  }
}

void loop::add(CURL* handle, std::function<void(CURLcode)> done) {
  running_[handle] = std::move(done);
  if (curl_multi_add_handle(multi_, handle) == CURLM_OK) return;
  defer([this, handle] {
    if (auto it = running_.find(handle); it != running_.end()) {
      auto called = std::move(it->second);
      running_.erase(it);
      called(CURLE_FAILED_INIT);
    }
  });
}

void loop::remove(CURL* handle) {
  curl_multi_remove_handle(multi_, handle);
  running_.erase(handle);
}

void loop::run_posted() {
  std::vector<task> tasks;
  {
    const std::lock_guard held(inbox_->mutex);
    tasks.swap(inbox_->tasks);
    stopping_ = inbox_->stopping;
  }
  for (auto& t : tasks) t();
}

// False: somebody was quicker, and what was posted is still to be run.
bool loop::close_inbox() {
  const std::lock_guard held(inbox_->mutex);
  return inbox_->closed = inbox_->tasks.empty();
}

void loop::run_deferred() {
  while (!deferred_.empty())
    for (auto& t : std::exchange(deferred_, {})) t();
}

void loop::run_timers() {
  const auto now = steady_clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto due = timers_.extract(timers_.begin());
    when_.erase(due.key().second);
    due.mapped()();
  }
}

void loop::run_done() {
  int left = 0;
  while (auto* told = curl_multi_info_read(multi_, &left)) {
    if (told->msg != CURLMSG_DONE) continue;
    auto* handle = told->easy_handle;
    const auto how = told->data.result;
    curl_multi_remove_handle(multi_, handle);
    const auto it = running_.find(handle);
    if (it == running_.end()) continue;
    auto done = std::move(it->second);
    running_.erase(it);
    done(how);
  }
}

int loop::wait_ms() const {
  if (!deferred_.empty()) return 0;
  auto wait = idle_ ? std::chrono::milliseconds(idle_for) : std::chrono::milliseconds(tick_every);
  if (!timers_.empty()) {
    const auto until = timers_.begin()->first.first - steady_clock::now();
    wait = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(until), std::chrono::milliseconds(0), wait);
  }
  return static_cast<int>(wait.count());
}

void loop::run() {
  pthread_setname_np(pthread_self(), "transfers");
  config::take_background_turns();
  for (;;) {
    run_posted();
    int running = 0;
    if (const auto how = curl_multi_perform(multi_, &running); how != CURLM_OK)
      spdlog::error("transfers: {}", curl_multi_strerror(how));
    run_deferred();
    run_done();
    run_timers();
    run_deferred();
    idle_ = tick_();
    run_deferred();
    if (stopping_ && idle_ && close_inbox()) return;
    curl_multi_poll(multi_, nullptr, 0, wait_ms(), nullptr);
  }
}

}  // namespace troupe::cache
