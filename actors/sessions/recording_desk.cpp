#include "actors/sessions/recording_desk.hpp"

#include <string>
#include <utility>

#include "actors/protocol/metric_makers.hpp"

namespace troupe::actors {

recording_metrics::recording_metrics(prometheus::Registry& r)
    : running(gauge(r, "troupe_recordings_running", "recordings that are heard now")),
      waiting(gauge(r, "troupe_recordings_waiting", "recordings that wait for their turn")),
      taken(counter(r, "troupe_recordings_taken_total", "recordings taken")),
      refused(counter(r, "troupe_recordings_refused_total", "recordings refused: max_recordings were there")),
      failed(counter(r, "troupe_recordings_failed_total", "recordings that ended with an error")),
      sound_s(counter(r, "troupe_recordings_sound_seconds_total", "seconds of recordings heard")) {}

result<recording_desk::number> recording_desk::enter() {
  const std::lock_guard lock(mutex_);
  if (members_.size() >= most_) {
    meter_.refused.Increment();
    return fail(error_code::too_many_requests, "too many recordings are heard or wait for it",
                "max_recordings is " + std::to_string(most_), 5);
  }
  members_[next_];
  meter_.taken.Increment();
  return next_++;
}

void recording_desk::set(number who, std::function<void()> begin, std::function<void(error)> leave) {
  std::deque<std::function<void()>> begun;
  {
    const std::lock_guard lock(mutex_);
    const auto m = members_.find(who);
    if (m == members_.end()) return;
    m->second.begin = std::move(begin);
    m->second.leave = std::move(leave);
    begun = next();
  }
  for (const auto& f : begun) f();
}

void recording_desk::left(number who, bool failed, double sound_s) {
  std::deque<std::function<void()>> begun;
  {
    const std::lock_guard lock(mutex_);
    const auto m = members_.find(who);
    if (m == members_.end()) return;
    if (m->second.running) --running_;
    members_.erase(m);
    if (failed) meter_.failed.Increment();
    meter_.sound_s.Increment(sound_s);
    begun = next();
    if (members_.empty()) empty_.notify_all();
  }
  for (const auto& f : begun) f();
}

void recording_desk::clear(const error& why) {
  std::deque<std::function<void(error)>> leave;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [who, m] : members_)
      if (m.leave) leave.push_back(m.leave);
  }
  for (const auto& f : leave) f(why);
  std::unique_lock lock(mutex_);
  empty_.wait(lock, [&] { return members_.empty(); });
}

std::deque<std::function<void()>> recording_desk::next() {
  std::deque<std::function<void()>> begun;
  for (auto& [who, m] : members_) {
    if (running_ >= at_once_) break;
    if (m.running || !m.begin) continue;
    m.running = true;
    ++running_;
    begun.push_back(std::exchange(m.begin, nullptr));
  }
  publish();
  return begun;
}

void recording_desk::publish() {
  meter_.running.Set(running_);
  meter_.waiting.Set(static_cast<double>(members_.size() - running_));
}

}  // namespace troupe::actors
