// The supervisor's memory: who must leave so that a load fits, TTL, cleanup, and what the timer does.

#include <algorithm>
#include <cassert>

#include <spdlog/spdlog.h>

#include "actors/residency/supervisor.hpp"

namespace troupe::actors {

namespace {

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / 1048576.0; }

}  // namespace

std::uint64_t supervisor_core::threshold_bytes() const {
  // Both settings are shares of one whole, of which the budget is the larger one's; so too where memory_limit_mb is the
  // budget.
  const auto share = world_.settings.memory_threshold / world_.settings.max_memory_usage;
  return std::min(world_.budget_bytes, static_cast<std::uint64_t>(share * static_cast<double>(world_.budget_bytes)));
}

std::uint32_t supervisor_core::resident_or_loading() const {
  std::uint32_t n = 0;
  for (const auto& [name, r] : records_) n += r.current || (r.loading && r.loading->at == attempt::phase::loading);
  return n;
}

std::vector<eviction_candidate> supervisor_core::candidates(const record* except) {
  std::vector<eviction_candidate> all;
  // What `except` is going to map is no gain: it would be mapped again.
  const auto wanted = except && except->loading ? except->loading->memory.file : std::string();
  for (const auto& [name, r] : records_) {
    if (!r.current || &r == except) continue;
    eviction_candidate c;
    c.model = name;
    c.size_bytes = ledger_.exclusive_bytes(r.current->lease, wanted);
    c.priority = r.priority;
    const steady_time used(steady_clock::duration(r.entry->last_used_ns.load(std::memory_order_relaxed)));
    c.last_used = std::max(used, r.loaded_at);
    c.loaded_at = r.loaded_at;
    c.busy = r.current->door.inside() > 0;
    c.pinned = r.registration->pinned || (r.loading && r.loading->replaces);
    all.push_back(std::move(c));
  }
  return all;
}

// -- room for loads -------------------------------------------------------------------------------------------

// Loads get their memory in order: high priority first, then the longest waiting.
void supervisor_core::try_memory() {
  for (;;) {
    record* first = nullptr;
    for (auto& [name, r] : records_) {
      if (!r.loading || r.loading->at != attempt::phase::waiting_for_memory) continue;
      if (!first || r.priority > first->priority ||
          (r.priority == first->priority && r.loading->since < first->loading->since))
        first = &r;
    }
    if (!first || !make_room(*first)) return;
  }
}

// True when the load got its memory, or has failed for good: the next may be looked at.
bool supervisor_core::make_room(record& r) {
  refresh_private_bytes();
  auto& a = *r.loading;
  const auto budget = world_.budget_bytes;
  a.size_bytes = ledger_.additional_bytes(a.memory);
  if (a.memory.total_bytes() > budget) {
    fail_load(r, {error_code::insufficient_memory,
                  "Model " + r.name() + " does not fit into the memory budget",
                  fmt::format("it needs {:.1f} MiB, the budget is {:.1f} MiB (max_memory_usage, memory_limit_mb)",
                              mib(a.memory.total_bytes()), mib(budget)),
                  {}});
    return false;  // fail_load has gone on with the others
  }
  const auto used = ledger_.used_bytes(), coming_back = ledger_.draining_bytes();
  const auto count = resident_or_loading();
  const std::uint32_t over =
      !r.current && count + 1 > world_.settings.max_models ? count + 1 - world_.settings.max_models : 0;
  if (used + a.size_bytes <= budget && over == 0) {
    begin_loading(r);
    return true;
  }
  eviction_need need;
  need.size_bytes = used - coming_back + a.size_bytes > budget ? used - coming_back + a.size_bytes - budget : 0;
  need.models = over;
  if (need.size_bytes == 0 && need.models == 0) return false;  // it is on its way back
  eviction_rules rules;
  rules.now = now();
  rules.min_resident = std::chrono::milliseconds(world_.settings.min_resident_ms);
  const auto patience = a.since + std::chrono::milliseconds(world_.settings.max_eviction_wait_ms);
  rules.take_busy = rules.now >= patience;
  const auto plan = plan_eviction(candidates(&r), need, rules);
  if (plan.hopeless && ledger_.reserved_bytes() == 0 && !others_go_on(r)) {
    fail_load(r, {error_code::insufficient_memory, "no memory for model " + r.name(),
                  fmt::format("it needs {:.1f} MiB of a budget of {:.1f} MiB, and what is resident is pinned",
                              mib(a.size_bytes), mib(budget)),
                  1});
    return false;
  }
  if (plan.enough) {
    for (const auto& m : plan.idle) evict(m, false, "room for a load");
    for (const auto& m : plan.drain) evict(m, true, "room for a load");
    // An idle one may have become busy since; then the next look decides.
    if (!plan.idle.empty()) arm(rules.now + std::chrono::milliseconds(10));
  } else {
    arm(plan.retry_at);
    arm(rules.take_busy ? rules.now + std::chrono::milliseconds(50) : patience);
  }
  // max_models alone was in the way: the places are free at once, the bytes are enough.
  if (need.size_bytes == 0 && used + a.size_bytes <= budget &&
      resident_or_loading() + 1 <= world_.settings.max_models) {
    begin_loading(r);
    return true;
  }
  return false;
}

// Other loads may yet end, and then free what they replace: until then there is hope for this one. A reload that waits
// behind it although it fits is let go before it.
bool supervisor_core::others_go_on(const record& waiting) {
  bool any = false;
  for (auto& [name, r] : records_) {
    if (&r == &waiting || !r.loading) continue;
    auto& l = *r.loading;
    if (l.at == attempt::phase::waiting_for_memory && l.replaces &&
        ledger_.used_bytes() + ledger_.additional_bytes(l.memory) <= world_.budget_bytes)
      begin_loading(r);
    any |= l.at == attempt::phase::estimating || l.at == attempt::phase::loading;
  }
  return any;
}

// -- leaving --------------------------------------------------------------------------------------------------

void supervisor_core::evict(const std::string& model, bool drain, const char* reason) {
  auto& r = records_.at(model);
  if (!r.current) return;
  if (!drain && !r.current->door.try_close_if_idle()) return;  // somebody has just come in
  const auto t = now();
  spdlog::info("evicting model {} ({}{}, {:.1f} MiB)", model, reason, drain ? ", drains" : "",
               mib(ledger_.bytes_of(r.current->lease)));
  r.current->metrics->evictions.Increment();
  world_.meter->eviction_age_s.Observe(std::chrono::duration<double>(t - r.loaded_at).count());
  const steady_time used(steady_clock::duration(r.entry->last_used_ns.load(std::memory_order_relaxed)));
  world_.meter->eviction_idle_s.Observe(std::chrono::duration<double>(t - std::max(used, r.loaded_at)).count());
  ++cleanups_.evictions;
  const auto lease = let_go(r);
  leaving_.at(lease).evicted = true;
  if (leaving_.at(lease).emptied) finish_leaving(lease);
}

// Takes a model out of the routes and closes its gate. It is freed when nobody is inside any more.
lease_id supervisor_core::let_go(record& r) {
  refresh_private_bytes();
  auto gone = std::exchange(r.current, nullptr);
  const auto lease = gone->lease;
  r.entry->current.store(nullptr);
  ledger_.draining(lease);
  auto& l = leaving_[lease];
  l.model = r.name();
  l.emptied = gone->door.is_closed() ? gone->door.inside() == 0 : gone->door.close();
  l.resident = std::move(gone);
  return lease;
}

void supervisor_core::emptied(lease_id lease) {
  if (const auto l = leaving_.find(lease); l != leaving_.end()) {
    l->second.emptied = true;
    finish_leaving(lease);
  }
}

void supervisor_core::finish_leaving(lease_id lease) {
  const auto found = leaving_.find(lease);
  if (found == leaving_.end()) return;
  if (auto gone = std::exchange(found->second.resident, nullptr)) {
    self_->demonitor(gone->actor.address());
    self_->send_exit(gone->actor, caf::exit_reason::user_shutdown);
  }
}

void supervisor_core::freed(lease_id lease) {
  const auto credited = ledger_.release(lease);
  if (const auto found = leaving_.find(lease); found != leaving_.end()) {
    if (found->second.evicted) cleanups_.bytes_freed += credited;
    spdlog::info("model {} has left memory: {:.1f} MiB back", found->second.model, mib(credited));
    auto told = credited;  // once: the others waited for the same bytes
    for (auto& w : found->second.waiters)
      (*w.reply)(unload_report{found->second.model, false, false, std::exchange(told, 0)});
    leaving_.erase(found);
  }
  for (auto c = cleanings_.begin(); c != cleanings_.end();) {
    c->leases.erase(lease);
    if (!c->leases.empty()) {
      ++c;
      continue;
    }
    c->report.after_bytes = ledger_.used_bytes();
    for (auto& reply : c->waiters) (*reply)(c->report);
    c = cleanings_.erase(c);
  }
  try_memory();
}

void supervisor_core::refresh_private_bytes() {
  // At rest: what a running batch allocates for moments is no reason to evict, and would make every view differ.
  for (auto& [name, r] : records_)
    if (r.current && r.current->running.load(std::memory_order_relaxed) == 0)
      ledger_.update_private(r.current->lease, r.current->model->memory().private_bytes);
}

// -- cleanup --------------------------------------------------------------------------------------------------

// Gives the moment from which one that was spared may go, if that would be of use.
steady_time supervisor_core::clean_up_now(shared_reply<cleanup_report> reply) {
  refresh_private_bytes();
  cleaning c;
  c.report.before_bytes = c.report.after_bytes = ledger_.used_bytes();
  c.report.reason = "not_needed";
  const auto goes = [&c](const departure& d, const char* reason) {
    c.report.models_unloaded.push_back(d.model);
    c.leases.insert(d.lease);
    c.report.reason = reason;
  };
  for (const auto& d : expire_idle()) goes(d, "ttl_expired");
  const auto used = ledger_.used_bytes() - ledger_.draining_bytes();
  std::uint32_t count = 0;
  for (const auto& [name, r] : records_) count += r.current != nullptr;
  eviction_need need;
  if (used > threshold_bytes()) need.size_bytes = used - threshold_bytes();
  if (count > world_.settings.max_models) need.models = count - world_.settings.max_models;
  auto again_at = no_deadline;
  if (need.size_bytes || need.models) {
    eviction_rules rules;
    rules.now = now();
    rules.min_resident = std::chrono::milliseconds(world_.settings.min_resident_ms);
    rules.as_far_as_it_goes = true;
    const auto plan = plan_eviction(candidates(nullptr), need, rules);
    if (!plan.enough) again_at = plan.retry_at;
    for (const auto& m : plan.idle) {
      const auto& r = records_.at(m);
      const auto lease = r.current->lease;
      evict(m, false, "cleanup");
      if (!r.current) goes({m, lease}, need.size_bytes ? "memory_threshold_exceeded" : "max_models_exceeded");
    }
    if (c.leases.empty()) c.report.reason = "all_spared";
  }
  if (c.leases.empty()) {
    if (reply) (*reply)(c.report);
    return again_at;
  }
  count_cleanup(c.report.reason);
  if (reply) c.waiters.push_back(std::move(reply));
  cleanings_.push_back(std::move(c));
  return again_at;
}

void supervisor_core::count_cleanup(std::string reason) {
  ++cleanups_.cleanups;
  cleanups_.last = std::chrono::system_clock::now();
  cleanups_.last_reason = std::move(reason);
}

// -- the timer ------------------------------------------------------------------------------------------------

config::priority supervisor_core::priority_of(const record& r) const {
  return effective_priority(r.registration->priority, r.preload,
                            r.use.at(now(), std::chrono::seconds(world_.settings.usage_half_life_s)), all_use_);
}

void supervisor_core::refresh_priorities() {
  const auto t = now();
  const std::chrono::seconds half_life(world_.settings.usage_half_life_s);
  all_use_ = 0;
  for (auto& [name, r] : records_) {
    const auto accesses = r.entry->accesses.load(std::memory_order_relaxed);
    if (accesses != r.accesses_seen) r.use.add(static_cast<double>(accesses - r.accesses_seen), t, half_life);
    r.accesses_seen = accesses;
    all_use_ += r.use.at(t, half_life);
  }
  for (auto& [name, r] : records_) {
    const auto p = priority_of(r);
    if (p == r.priority) continue;
    r.priority = p;
    if (r.current) self_->send(r.current->actor, priority_atom::value, p);
  }
}

std::chrono::seconds supervisor_core::ttl_of(const record& r) const {
  return std::chrono::seconds(r.registration->cache_ttl_s.value_or(world_.settings.cache_ttl_s));
}

std::chrono::nanoseconds supervisor_core::idle_time(const record& r) const {
  const steady_time used(steady_clock::duration(r.entry->last_used_ns.load(std::memory_order_relaxed)));
  return now() - std::max({used, r.loaded_at, r.validated_at});
}

// Unloads what has been idle for longer than its TTL, and has the artifacts of those that stay all the same looked at
// again.
std::vector<supervisor_core::departure> supervisor_core::expire_idle() {
  std::vector<departure> gone;
  for (auto& [name, r] : records_) {
    if (!r.current || r.loading) continue;
    switch (check_expiry(ttl_of(r), idle_time(r), r.preload || r.registration->pinned, r.current->door.inside() > 0)) {
      case expiry::keep: break;
      case expiry::unload: {
        const auto lease = r.current->lease;
        evict(name, false, "TTL expired");
        if (!r.current) gone.push_back({name, lease});
        break;
      }
      case expiry::revalidate: {
        r.not_before = {};
        want_load(r, true).only_if_changed = !outdated(r);
        break;
      }
    }
  }
  return gone;
}

void supervisor_core::housekeeping() {
  const auto t = now();
  refresh_priorities();
  const bool preloads_done = std::none_of(records_.begin(), records_.end(), [](const auto& r) {
    return r.second.preload && !r.second.current && r.second.loading && r.second.last_error.empty();
  });
  if (!expire_idle().empty()) count_cleanup("ttl_expired");
  preloads_done_ |= preloads_done;
  if (t >= next_cleanup_) {
    next_cleanup_ = t + std::chrono::seconds(std::max<std::uint64_t>(1, world_.settings.cleanup_interval_s));
    next_cleanup_ = std::min(next_cleanup_, std::max(clean_up_now(nullptr), t + std::chrono::seconds(1)));
  }
  next_housekeeping_ = t + std::chrono::seconds(1);
  arm(next_housekeeping_);
  assert(sound() && "S1 to S5");
}

bool supervisor_core::sound() const {
  std::size_t loads = 0, requests = 0;
  for (const auto& [name, r] : records_) {
    if (r.entry->current.load() != r.current || (r.current && !ledger_.knows(r.current->lease))) return false;  // S1
    requests += r.requests.size();
    if (!r.loading) {
      if (awaited(r)) return false;  // S5
      continue;
    }
    ++loads;
    const auto named = lease_models_.find(r.loading->lease);
    if (named == lease_models_.end() || named->second != name) return false;                          // S2
    if (ledger_.knows(r.loading->lease) != (r.loading->at == attempt::phase::loading)) return false;  // S3
  }
  if (trial_ && (lease_models_.contains(trial_->lease) || leaving_.contains(trial_->lease))) return false;  // S6
  const bool leaves_right =                                                                                 // S4
      std::all_of(leaving_.begin(), leaving_.end(), [&](const auto& l) { return ledger_.knows(l.first); });
  return leaves_right && loads == lease_models_.size() && requests == waiting_requests_;  // S2, S5
}

void supervisor_core::expire_waiters() {
  const auto t = now();
  for (auto& j : deadlines_.expired(t)) {
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(t - j->created).count();
    const bool late =
        j->fail({error_code::deadline_exceeded, "Model " + j->model + " was not loaded within the request's deadline",
                 "waited " + std::to_string(waited) + " ms; the load goes on, try again or send a longer timeout", 1});
    if (late && knows(j->model)) world_.meter->for_model(j->model)->expired.Increment();
  }
  auto next = no_deadline;
  const auto sweep = [&](auto& waiters, const error& why) {
    std::erase_if(waiters, [&](auto& w) {
      if (w.due > t) {
        next = std::min(next, w.due);
        return false;
      }
      (*w.reply)(tl::unexpected(why));
      return true;
    });
  };
  for (auto& [name, r] : records_) {
    if (!r.start_waiters.empty()) {
      if (const auto due = r.start_waiters.front().due; due > t)
        next = std::min(next, due);
      else
        tell_started(r);
    }
    if (r.load_waiters.empty() && r.warm_waiters.empty()) continue;
    const error late{error_code::deadline_exceeded, "Model " + name + " is not loaded yet", "the load goes on", 1};
    sweep(r.load_waiters, late);
    sweep(r.warm_waiters, late);
  }
  if (trial_)
    sweep(trial_->waiters,
          {error_code::deadline_exceeded, "Model " + trial_->order->model + " is not optimized yet", "it goes on", 1});
  for (auto& [lease, l] : leaving_)
    sweep(l.waiters, {error_code::deadline_exceeded, "Model " + l.model + " has not left memory yet",
                      "work inside it has not finished; it goes when that ends", 1});
  arm(next);
  arm(deadlines_.next());
  give_up_unwanted_loads();
}

void supervisor_core::tick() {
  const auto t = now();
  if (t < armed_ || stopping_) return;  // a stale one: its successor is armed
  armed_ = no_deadline;
  expire_waiters();
  for (auto& [name, r] : records_) {
    if (!r.loading || r.loading->at != attempt::phase::backing_off) continue;
    if (r.loading->start_at <= t)
      start(r);
    else
      arm(r.loading->start_at);
  }
  hurry_loads();
  try_memory();
  if (t >= next_housekeeping_)
    housekeeping();
  else
    arm(next_housekeeping_);
}

}  // namespace troupe::actors
