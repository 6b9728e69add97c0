// The supervisor's loads: from a wish to a resident model, and back after a crash.

#include <spdlog/spdlog.h>

#include "actors/residency/loader.hpp"
#include "actors/residency/supervisor.hpp"
#include "actors/serving/model.hpp"
#include "cache/prediction/prediction_cache.hpp"

namespace troupe::actors {

std::shared_ptr<load_order> supervisor_core::make_order(const record& r, const attempt& a) const {
  auto order = std::make_shared<load_order>();
  order->model = r.name();
  order->spec = inference::spec_of(*r.registration);
  order->cancelled = a.cancelled;
  return order;
}

model_limits supervisor_core::limits_of(const record& r) const {
  const auto& s = world_.settings;
  const auto& m = *r.registration;
  model_limits l;
  l.batch.max_items = m.max_batch_items.value_or(s.max_batch_items);
  l.batch.max_cost = m.max_batch_tokens.value_or(s.max_batch_tokens);
  l.max_queue_items = m.max_queue_items.value_or(s.max_queue_items);
  l.max_queue_delay = std::chrono::microseconds(m.max_queue_delay_us.value_or(s.max_queue_delay_us));
  const auto most = m.max_instances.value_or(s.max_instances);
  l.max_instances = most == 0 ? world_.compute_slots : std::min(most, world_.compute_slots);
  l.auto_scaling = s.enable_auto_scaling;
  l.warmup_requests = s.warmup_requests;
  l.batching = m.batching;
  return l;
}

// -- from a wish to the loader --------------------------------------------------------------------------------

supervisor_core::attempt& supervisor_core::want_load(record& r, bool goes_on) {
  if (r.loading) {
    r.loading->goes_on |= goes_on;
    return *r.loading;
  }
  auto& a = new_attempt(r, now());
  a.goes_on = goes_on;
  a.start_at = std::max(a.since, r.not_before);
  if (a.start_at > a.since) {
    a.at = attempt::phase::backing_off;
    arm(a.start_at);
  } else {
    start(r);
  }
  return a;
}

// Somebody asks in person: no back-off, and it goes on when they wait no longer.
supervisor_core::attempt& supervisor_core::want_load_now(record& r) {
  if (!r.loading)
    r.not_before = {};
  else if (r.loading->at == attempt::phase::backing_off)
    start(r);
  return want_load(r, true);
}

supervisor_core::attempt& supervisor_core::new_attempt(record& r, steady_time since) {
  auto& a = r.loading.emplace(attempt{});
  a.lease = lease_id{++last_lease_};
  a.since = since;
  a.replaces = r.current != nullptr;
  lease_models_[a.lease] = r.name();
  r.last_load = a.lease;
  return a;
}

bool supervisor_core::outdated(const record& r) const {
  return r.current && !config::loads_alike(*r.loaded_as, *r.registration);
}

// The registration has changed: nothing that was loaded, or is being loaded, for the old one may go on under the new
// one as if it were its own. What is resident serves until its successor is there.
void supervisor_core::follow_registration(record& r, const config::registered_model& before) {
  r.not_before = {};
  r.load_failures = 0;
  if (!r.registration->enabled) {
    if (r.loading) cancel_load(r, disabled(r.name()));
    r.down_after_crash = false;
    if (r.current) {
      const auto lease = let_go(r);
      if (leaving_.at(lease).emptied) finish_leaving(lease);
    }
    return;
  }
  // Nothing is known against it. (A preloaded one is loaded at once, and has its old trouble until it is there.)
  if (!r.preload && !config::loads_alike(before, *r.registration)) {
    r.last_error.clear();
    r.load_error.clear();
  }
  if (r.loading && r.loading->at == attempt::phase::backing_off && !r.preload && !r.down_after_crash) {
    call_off(*r.loading);  // the preload's next try: nobody waits for it
    r.loading.reset();
  } else if (r.loading) {
    const auto& ordered_for = r.loading->ordered_for;
    if (ordered_for && config::loads_alike(*ordered_for, *r.registration)) return;
    if (!r.current || outdated(r)) return start_over(r);
    call_off(*r.loading);  // it is as what is resident again
    r.loading.reset();
    r.last_error.clear();
    r.load_error.clear();
    serve_waiters(r, true);
  } else if (outdated(r) || (r.preload && !r.current)) {
    want_load(r, true);
  }
}

// For another registration, under a lease of its own. Whoever waits goes on waiting.
void supervisor_core::start_over(record& r) {
  auto old = std::move(*r.loading);
  call_off(old);
  auto& a = new_attempt(r, old.since);
  a.goes_on = old.goes_on || a.replaces;
  a.start_at = now();
  start(r);
}

void supervisor_core::start(record& r) {
  auto& a = *r.loading;
  a.at = attempt::phase::estimating;
  a.order = make_order(r, a);
  a.ordered_for = r.registration;
  r.load_error.clear();
  const auto self = caf::actor_cast<supervisor_actor>(self_);
  self_->send(pick_loader(a), estimate_atom::value, a.order,
              std::function<void(result<size_estimate>)>([self, lease = a.lease](result<size_estimate> s) {
                caf::anon_send(self, estimated_atom::value, lease, std::move(s));
              }));
}

// `gentle`: null for a normal one.
loader_actor supervisor_core::pick_loader(std::shared_ptr<gentleness>& gentle) {
  const bool disturbs =
      std::any_of(records_.begin(), records_.end(), [](const auto& r) { return r.second.current != nullptr; });
  gentle = nullptr;
  if (!disturbs) return world_.loaders[next_loader_++ % world_.loaders.size()];
  const auto& chosen = world_.gentle_loaders[next_loader_++ % world_.gentle_loaders.size()];
  gentle = chosen.gentle;
  return chosen.actor;
}

loader_actor supervisor_core::pick_loader(attempt& a) {
  auto chosen = pick_loader(a.gentle);
  if (a.gentle) {
    a.given_at = now();
    arm(a.given_at + std::chrono::milliseconds(world_.settings.load_patience_ms));
  }
  return chosen;
}

void supervisor_core::hurry_loads() {
  for (auto& [name, r] : records_) {
    if (!r.loading || !r.loading->gentle) continue;
    if (r.loading->at != attempt::phase::loading && r.loading->at != attempt::phase::estimating) continue;
    const auto due = r.loading->given_at + std::chrono::milliseconds(world_.settings.load_patience_ms);
    if (due > now()) {
      arm(due);
    } else {
      hurry(*r.loading->gentle);
      arm(now() + std::chrono::milliseconds(100));  // its loader may have been on another load until then
    }
  }
}

bool supervisor_core::awaited(const record& r) const {
  return !r.requests.empty() || !r.load_waiters.empty() || !r.warm_waiters.empty() || !r.start_waiters.empty();
}

supervisor_core::record* supervisor_core::loading_record(lease_id lease) {
  const auto model = lease_models_.find(lease);
  if (model == lease_models_.end()) return nullptr;
  const auto r = records_.find(model->second);
  return r != records_.end() && r->second.loading && r->second.loading->lease == lease ? &r->second : nullptr;
}

void supervisor_core::estimated(lease_id lease, const result<size_estimate>& size) {
  if (trial_ && trial_->lease == lease) return begin_trial(size);
  auto* r = loading_record(lease);
  if (!r) return;
  if (!size) return fail_load(*r, size.error());
  auto& a = *r->loading;
  if (a.only_if_changed && r->current && !outdated(*r) && size->fingerprint == r->fingerprint) {
    r->validated_at = now();
    r->last_error.clear();  // what is resident is what lies there
    r->load_failures = 0;
    lease_models_.erase(lease);
    r->loading.reset();
    return;
  }
  if (a.only_if_changed) spdlog::info("artifact of model {} has changed: loading it beside the old one", r->name());
  a.fingerprint = size->fingerprint;
  a.memory = size->memory;
  r->artifact_bytes = size->artifact_bytes;
  tell_started(*r);
  a.at = attempt::phase::waiting_for_memory;
  try_memory();
}

void supervisor_core::begin_loading(record& r) {
  auto& a = *r.loading;
  a.size_bytes = ledger_.additional_bytes(a.memory);
  ledger_.reserve(a.lease, a.memory);
  a.at = attempt::phase::loading;
  world_.meter->load_queue_s.Observe(std::chrono::duration<double>(now() - a.since).count());
  spdlog::log(r.load_failures == 0 || awaited(r) ? spdlog::level::info : spdlog::level::debug,
              "loading model {} ({:.1f} MiB reserved)", r.name(), static_cast<double>(a.size_bytes) / 1048576.0);
  const auto self = caf::actor_cast<supervisor_actor>(self_);
  self_->send(
      pick_loader(a), load_atom::value, a.order,
      std::function<void(std::shared_ptr<load_outcome>)>([self, lease = a.lease](std::shared_ptr<load_outcome> o) {
        caf::anon_send(self, loaded_atom::value, lease, std::move(o));
      }));
}

// -- from the loader to residency -----------------------------------------------------------------------------

void supervisor_core::loaded(lease_id lease, load_outcome& outcome) {
  if (auto* r = loading_record(lease)) {
    if (outcome)
      load_ended(*r, *outcome);
    else
      fail_load(*r, outcome.error());
    return;
  }
  // Nobody wants it any more. It leaves like any other model.
  if (!ledger_.knows(lease)) return;
  if (!outcome) {
    ledger_.release(lease);
    try_memory();
    return;
  }
  outcome->first_instance.reset();
  auto order = std::make_shared<reclaim_order>();
  order->model = std::move(outcome->model);
  const auto self = caf::actor_cast<supervisor_actor>(self_);
  order->freed = [self, lease] { caf::anon_send(self, freed_atom::value, lease); };
  ledger_.draining(lease);
  self_->send(world_.reclaimer, reclaim_atom::value, std::move(order));
}

resident_ptr supervisor_core::make_resident(record& r, lease_id lease, loaded_model& loaded) {
  auto made = std::make_shared<resident>();
  made->lease = lease;
  made->name = r.name();
  made->limits = limits_of(r);
  made->metrics = world_.meter->for_model(r.name());
  made->counters = r.entry;
  const auto self = caf::actor_cast<supervisor_actor>(self_);
  // The one door through which memory goes back: whoever drops the last reference, the reclaimer frees it.
  auto order = std::make_shared<reclaim_order>();  // made now: then there may be no memory for it
  order->freed = [self, lease] { caf::anon_send(self, freed_atom::value, lease); };
  made->model = inference::model_ptr(
      loaded.model.release(), [reclaimer = world_.reclaimer, order = std::move(order)](const inference::model* m) {
        order->model.reset(m);
        caf::anon_send(reclaimer, reclaim_atom::value, order);
      });
  made->answers_as = cache::prediction_cache::answers_as(r.name(), made->model->info());
  made->on_emptied = [self, lease] { caf::anon_send(self, emptied_atom::value, lease); };
  made->actor = self_->spawn(model, made, world_.device, r.priority,
                             std::make_shared<std::unique_ptr<inference::instance>>(std::move(loaded.first_instance)),
                             std::function<void(std::string)>([self, lease](std::string why) {
                               caf::anon_send(self, failed_atom::value, lease, std::move(why));
                             }));
  self_->monitor(made->actor);
  return made;
}

void supervisor_core::load_ended(record& r, loaded_model& loaded) {
  const auto a = std::move(*r.loading);
  r.loading.reset();
  lease_models_.erase(a.lease);
  ledger_.resident(a.lease, loaded.model->memory());
  const auto old = r.current ? let_go(r) : lease_id::none;
  const auto t = now();
  auto fresh = make_resident(r, a.lease, loaded);
  r.current = fresh;
  r.loaded_as = a.ordered_for;
  r.loaded_at = r.validated_at = t;
  r.loaded_wall = std::chrono::system_clock::now();
  r.load_time_s = loaded.load_time_s;
  if (r.artifact_bytes != 0) {
    loaded_bytes_ += static_cast<double>(r.artifact_bytes);
    loading_s_ += loaded.load_time_s;
  }
  r.fingerprint = loaded.fingerprint.empty() ? a.fingerprint : loaded.fingerprint;
  r.last_error.clear();
  r.load_failures = 0;
  r.down_after_crash = false;
  r.entry->current.store(fresh);
  fresh->metrics->load_s.Observe(loaded.load_time_s);
  const auto& info = fresh->model->info();
  r.tasks = info.tasks;
  if (!info.notes.empty()) spdlog::warn("model {}: {}", r.name(), info.notes);
  spdlog::info("model {} is resident: {} {}, {:.1f} MiB, {:.0f} ms", r.name(), info.architecture, info.precision,
               static_cast<double>(ledger_.bytes_of(a.lease)) / 1048576.0, loaded.load_time_s * 1e3);
  if (old != lease_id::none) {
    if (const auto l = leaving_.find(old); l != leaving_.end() && l->second.emptied) finish_leaving(old);
  }

  serve_waiters(r, false);
  housekeeping();
  try_memory();
}

// The model that they have waited for is resident.
void supervisor_core::serve_waiters(record& r, bool already) {
  tell_started(r);
  for (auto& w : r.load_waiters) (*w.reply)(loaded_now(r, already));
  r.load_waiters.clear();
  for (auto& w : r.warm_waiters) self_->send(r.current->actor, warm_atom::value, std::move(w.reply));
  r.warm_waiters.clear();
  waiting_requests_ -= static_cast<std::uint32_t>(r.requests.size());
  for (const auto& p : r.requests)
    world_.meter->miss_wait_s.Observe(std::chrono::duration<double>(steady_clock::now() - p->job->created).count());
  if (!r.requests.empty()) world_.dispatch(std::exchange(r.requests, {}));
}

// -- what goes wrong ------------------------------------------------------------------------------------------

void supervisor_core::call_off(attempt& a) {
  a.cancelled->store(true);
  if (a.gentle && a.at == attempt::phase::loading) hurry(*a.gentle);  // it holds a reservation, and its loader
  lease_models_.erase(a.lease);                                       // its reservation stays until the loader answers
}

void supervisor_core::cancel_load(record& r, const error& why) {
  call_off(*r.loading);
  r.loading.reset();
  tell_started(r);
  for (auto& w : r.load_waiters) (*w.reply)(tl::unexpected(why));
  for (auto& w : r.warm_waiters) (*w.reply)(tl::unexpected(why));
  r.load_waiters.clear();
  r.warm_waiters.clear();
  waiting_requests_ -= static_cast<std::uint32_t>(r.requests.size());
  for (auto& p : std::exchange(r.requests, {})) p->job->fail(why);
}

void supervisor_core::fail_load(record& r, const error& why) {
  const bool retries = r.preload && !r.current;
  // A preload that goes on failing the same way is told once, unless somebody has asked for it.
  const bool news = !retries || r.load_failures == 0 || r.last_error != why.message || awaited(r);
  spdlog::log(news ? spdlog::level::err : spdlog::level::debug, "loading model {} failed: {}{}{}{}", r.name(),
              why.message, why.detail.empty() ? "" : ": ", why.detail,
              retries ? " (preloaded: it is tried again)" : "");
  world_.meter->load_failures.Increment();
  r.last_error = why.message;
  r.load_error = why.detail.empty() ? why.message : why.message + ": " + why.detail;
  r.unusable = why.code == error_code::unprocessable;
  const bool replaces = r.current != nullptr;
  if (replaces) r.validated_at = now();
  ++r.load_failures;
  const auto& s = world_.settings;
  r.not_before = now() + restart_backoff(r.load_failures, std::chrono::milliseconds(s.restart_backoff_min_ms),
                                         std::chrono::milliseconds(s.restart_backoff_max_ms));
  const auto lease = r.loading->lease;
  cancel_load(r, why);
  ledger_.release(lease);
  // A preloaded model comes by itself once what was wrong is mended. (`r` has its last error until then.)
  if (retries && !r.loading) want_load(r, true);
  housekeeping();
  try_memory();
}

// Requests that were answered (their deadline) or given up wait no more. A load that only requests wanted is given up
// when the last of them has gone.
void supervisor_core::give_up_unwanted_loads() {
  for (auto& [name, r] : records_) {
    const auto gone =
        std::remove_if(r.requests.begin(), r.requests.end(), [](const pending_ptr& p) { return p->job->closed(); });
    waiting_requests_ -= static_cast<std::uint32_t>(r.requests.end() - gone);
    r.requests.erase(gone, r.requests.end());
    if (!r.loading || r.loading->goes_on || r.loading->replaces) continue;
    if (r.loading->at == attempt::phase::loading) continue;  // too late: it may as well be used
    if (!awaited(r)) cancel_load(r, {error_code::cancelled, "nobody waits for it any more", {}, {}});
  }
}

void supervisor_core::crashed(record& r, const std::string& why) {
  const auto t = now();
  if (t - r.loaded_at > std::chrono::minutes(1)) r.crashes = 0;
  ++r.crashes;
  ++r.restarts;
  r.last_error = why;
  r.down_after_crash = true;
  r.load_failures = 0;  // of a replacement, perhaps: this one is waited for
  const auto& s = world_.settings;
  const auto pause = restart_backoff(r.crashes, std::chrono::milliseconds(s.restart_backoff_min_ms),
                                     std::chrono::milliseconds(s.restart_backoff_max_ms));
  spdlog::error("model {} failed: {}; restart in {} ms", r.name(), why, pause.count());
  r.current->metrics->restarts.Increment();
  const auto lease = let_go(r);
  finish_leaving(lease);  // its actor is gone: nobody to wait for
  r.not_before = t + pause;
  want_load(r, true);
}

void supervisor_core::failed(lease_id lease, const std::string& why) {
  for (auto& [name, r] : records_)
    if (r.current && r.current->lease == lease) return crashed(r, why);
  finish_leaving(lease);
}

void supervisor_core::down(const caf::actor_addr& who, const std::string& why) {
  for (auto& [name, r] : records_)
    if (r.current && r.current->actor.address() == who) return crashed(r, "its actor died: " + why);
  for (auto& [lease, l] : leaving_)
    if (l.resident && l.resident->actor.address() == who) return finish_leaving(lease);
}

}  // namespace troupe::actors
