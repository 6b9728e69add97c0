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
      speaking(gauge(r, "troupe_sessions_speaking", "live sessions whose recogniser was fed within two seconds")),
      share(gauge(r, "troupe_sessions_compute_share", "share of the compute slots that active sessions need")),
      opened(counter(r, "troupe_sessions_opened_total", "live sessions opened")),
      refused(counter(r, "troupe_sessions_refused_total", "live sessions refused: too many, or the cores are full")),
      failed(counter(r, "troupe_sessions_failed_total", "live sessions that ended with an error")),
      shed(counter(r, "troupe_sessions_shed_total", "live sessions asked to leave because steps were late")),
      sound_s(counter(r, "troupe_sessions_sound_seconds_total", "seconds of sound heard")),
      speech_s(counter(r, "troupe_sessions_speech_seconds_total", "seconds of sound that recognisers heard")),
      passes(counter(r, "troupe_sessions_second_passes_total", "sentences that were recognised again, or should be")),
      passes_failed(
          counter(r, "troupe_sessions_second_passes_failed_total", "of them, those that stayed as they were")),
      lateness_s(
          histograms(r, "troupe_sessions_step_latency_seconds", "from when a step was due to its answer")
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
                std::to_string(active(now).speaking) + " of " + std::to_string(active(now).all) + " speak", 1);
  members_[next_].fed = members_[next_].spoke = now;
  meter_.opened.Increment();
  meter_.open.Set(static_cast<double>(members_.size()));
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
  if (!members_.empty()) return;
  for (auto* g : {&meter_.active, &meter_.speaking, &meter_.share}) g->Set(0);  // nobody is left to say it later
  empty_.notify_all();
}

void session_board::ticked(steady_time now) {
  const std::lock_guard lock(mutex_);
  publish(now);
}

void session_board::clear(const error& why) {
  std::unique_lock lock(mutex_);
  for (auto& [who, m] : members_)
    if (m.leave) m.leave(why);
  empty_.wait(lock, [&] { return members_.empty(); });
}

void session_board::fed(number who, std::chrono::microseconds sound, steady_time now) {
  const std::lock_guard lock(mutex_);
  meter_.sound_s.Increment(seconds(sound));
  if (const auto m = members_.find(who); m != members_.end()) m->second.fed = now;
}

void session_board::spoke(number who, steady_time now) {
  const std::lock_guard lock(mutex_);
  if (const auto m = members_.find(who); m != members_.end()) m->second.spoke = now;
}

void session_board::passed(bool well) {
  meter_.passes.Increment();
  if (!well) meter_.passes_failed.Increment();
}

void session_board::stepped(number who, stage which, std::chrono::microseconds share, std::chrono::microseconds sound,
                            std::chrono::microseconds lateness, steady_time now) {
  std::function<void(error)> leave;
  {
    const std::lock_guard lock(mutex_);
    load_.ran(which, share, sound);
    if (which == stage::recognising) meter_.speech_s.Increment(seconds(sound));
    meter_.lateness_s.Observe(seconds(lateness));
    publish(now);
    if (lateness < late_enough || now - last_shed_ < shed_pause || !members_.contains(who)) return;
    const auto newest_of = [&](steady_time member::*last) {
      return std::find_if(members_.rbegin(), members_.rend(), [&](const auto& m) {
        return !m.second.leaving && m.second.leave && now - m.second.*last < active_within;
      });
    };
    auto newest = newest_of(&member::spoke);
    if (newest == members_.rend()) newest = newest_of(&member::fed);
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

live_load::fed_sessions session_board::active(steady_time now) const {
  live_load::fed_sessions out;
  for (const auto& [who, m] : members_) {
    if (now - m.fed < active_within) ++out.all;
    if (now - m.spoke < active_within) ++out.speaking;
  }
  return out;
}

void session_board::publish(steady_time now) {
  if (now - last_published_ < publish_pause) return;
  last_published_ = now;
  const auto n = active(now);
  meter_.open.Set(static_cast<double>(members_.size()));
  meter_.active.Set(n.all);
  meter_.speaking.Set(n.speaking);
  meter_.share.Set(load_.share_of(n));
}

}  // namespace troupe::actors
