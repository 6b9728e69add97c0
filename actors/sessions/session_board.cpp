#include "actors/sessions/session_board.hpp"

#include <algorithm>
#include <utility>

#include "actors/protocol/metric_makers.hpp"

namespace troupe::actors {

namespace {

using std::chrono::milliseconds;

// Who was fed, or came, within this time is counted on to be fed again.
constexpr milliseconds active_within{2000};
// A step that is later than this asks the newest session to leave.
constexpr milliseconds late_enough{2000};
// Between two who are asked to leave: what the first one frees is seen first.
constexpr milliseconds shed_pause{500};
// Counting looks at every session.
constexpr milliseconds publish_pause{200};

double seconds(std::chrono::microseconds t) { return std::chrono::duration<double>(t).count(); }

}  // namespace

session_metrics::session_metrics(prometheus::Registry& r)
    : open(gauge(r, "troupe_sessions_open", "live sessions")),
      active(gauge(r, "troupe_sessions_active", "live sessions that were fed within two seconds")),
      share(gauge(r, "troupe_sessions_compute_share", "share of the compute slots that active sessions need")),
      opened(counter(r, "troupe_sessions_opened_total", "live sessions opened")),
      refused(counter(r, "troupe_sessions_refused_total", "live sessions refused: too many, or the cores are full")),
      failed(counter(r, "troupe_sessions_failed_total", "live sessions that ended with an error")),
      shed(counter(r, "troupe_sessions_shed_total", "live sessions asked to leave because steps were late")),
      sound_s(counter(r, "troupe_sessions_sound_seconds_total", "seconds of sound heard")),
      lateness_s(
          histograms(r, "troupe_sessions_step_latency_seconds", "from when a step's sound was whole to its answer")
              .Add({}, prometheus::Histogram::BucketBoundaries{.01, .025, .05, .1, .2, .3, .45, .6, 1, 2, 5, 10})) {}

session_board::session_board(load_limits limits, std::uint32_t slots, prometheus::Registry& registry)
    : load_(limits, slots), meter_(registry) {}

result<session_board::number> session_board::enter(steady_time now) {
  const std::lock_guard lock(mutex_);
  const auto why = load_.admit(static_cast<std::uint32_t>(members_.size()), active(now));
  if (why != live_load::answer::welcome) meter_.refused.Increment();
  if (why == live_load::answer::too_many)
    return fail(error_code::too_many_requests, "too many live sessions are open",
                "max_sessions is " + std::to_string(load_.limits().max_sessions), 1);
  if (why == live_load::answer::too_slow)
    return fail(error_code::too_many_requests, "the cores cannot hold another live session in real time",
                std::to_string(active(now)) + " are being heard", 1);
  members_[next_].fed = now;
  meter_.opened.Increment();
  publish(now);
  return next_++;
}

void session_board::set_leave(number who, std::function<void(error)> leave) {
  const std::lock_guard lock(mutex_);
  if (const auto m = members_.find(who); m != members_.end()) m->second.leave = std::move(leave);
}

void session_board::left(number who, bool failed) {
  const std::lock_guard lock(mutex_);
  if (members_.erase(who) == 0) return;
  if (failed) meter_.failed.Increment();
  meter_.open.Set(static_cast<double>(members_.size()));
  if (members_.empty()) empty_.notify_all();
}

void session_board::clear(const error& why) {
  std::unique_lock lock(mutex_);
  for (auto& [who, m] : members_)
    if (m.leave) m.leave(why);
  empty_.wait(lock, [&] { return members_.empty(); });
}

void session_board::fed(number who, steady_time now) {
  const std::lock_guard lock(mutex_);
  if (const auto m = members_.find(who); m != members_.end()) m->second.fed = now;
}

void session_board::stepped(number who, std::chrono::microseconds share, std::chrono::microseconds sound,
                            std::chrono::microseconds lateness, steady_time now) {
  std::function<void(error)> leave;
  {
    const std::lock_guard lock(mutex_);
    load_.ran(share, sound);
    meter_.sound_s.Increment(seconds(sound));
    meter_.lateness_s.Observe(seconds(lateness));
    publish(now);
    if (lateness < late_enough || now - last_shed_ < shed_pause || !members_.contains(who)) return;
    const auto newest = std::find_if(members_.rbegin(), members_.rend(), [&](const auto& m) {
      return !m.second.leaving && m.second.leave && now - m.second.fed < active_within;
    });
    if (newest == members_.rend()) return;
    last_shed_ = now;
    newest->second.leaving = true;
    leave = newest->second.leave;
    meter_.shed.Increment();
  }
  leave({error_code::unavailable, "the cores are too slow for all live sessions", "try again later", 5});
}

std::uint32_t session_board::open() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(members_.size());
}

std::uint32_t session_board::active(steady_time now) const {
  return static_cast<std::uint32_t>(std::count_if(members_.begin(), members_.end(),
                                                  [&](const auto& m) { return now - m.second.fed < active_within; }));
}

void session_board::publish(steady_time now) {
  if (now - last_published_ < publish_pause) return;
  last_published_ = now;
  const auto n = active(now);
  meter_.open.Set(static_cast<double>(members_.size()));
  meter_.active.Set(n);
  meter_.share.Set(load_.share_of(n));
}

}  // namespace troupe::actors
