#include "actors/residency/supervisor.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace troupe::actors {

supervisor_core::supervisor_core(self_ptr self, supervisor_world world, const config::registry& registry)
    : self_(self), world_(std::move(world)), started_wall_(std::chrono::system_clock::now()) {
  started_ = now();
  next_cleanup_ = started_ + std::chrono::seconds(world_.settings.cleanup_interval_s);
  for (const auto& [name, m] : registry.models) {
    auto& r = records_[name];
    r.entry = std::make_shared<model_entry>(name);
    apply_registration(r, m);
  }
  publish_routes();
  tell_of_absent_names();
  for (auto& [name, r] : records_)
    if (r.preload) want_load(r, true);
  housekeeping();
}

error supervisor_core::unknown(const std::string& model) const {
  return {error_code::model_not_found, "Model " + model + " not found", "GET /models lists what is registered", {}};
}

error supervisor_core::disabled(const std::string& model) {
  return {error_code::conflict, "Model " + model + " is disabled", "its registry entry says \"enabled\": false", {}};
}

void supervisor_core::arm(steady_time when) {
  if (when >= armed_) return;
  armed_ = when;
  self_->delayed_send(self_, std::max(when - now(), steady_clock::duration(0)), tick_atom::value);
}

// -- requests -------------------------------------------------------------------------------------------------

void supervisor_core::miss(const pending_ptr& p) {
  const auto found = records_.find(p->job->model);
  if (found == records_.end()) {
    p->job->fail(unknown(p->job->model));
    return;
  }
  auto& r = found->second;
  if (!r.registration->enabled) {
    p->job->fail(disabled(r.name()));
    return;
  }
  if (r.current) {
    world_.dispatch({p});
    return;
  }
  const bool pauses = !r.loading || r.loading->at == attempt::phase::backing_off;
  if (pauses && r.load_failures > 0 && now() < r.not_before) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(r.not_before - now()).count();
    error why{error_code::load_failed, "Model " + r.name() + " could not be loaded", r.last_error,
              static_cast<int>(left)};
    if (r.unusable) why.code = error_code::unprocessable, why.retry_after_s.reset();
    p->job->fail(why);
    return;
  }
  if (waiting_requests_ >= world_.settings.max_load_waiters) {
    world_.meter->admission_rejected.Increment();
    p->job->fail({error_code::too_many_requests, "too many requests wait for models to load",
                  "max_load_waiters is " + std::to_string(world_.settings.max_load_waiters), 1});
    return;
  }
  ++waiting_requests_;
  deadlines_.push(p->job);
  r.requests.push_back(p);
  arm(deadlines_.next());
  want_load(r, false);
}

void supervisor_core::load(const std::string& model, bool again, std::uint64_t wait_ms,
                           shared_reply<load_report> reply) {
  const auto found = records_.find(model);
  if (found == records_.end()) return (*reply)(tl::unexpected(unknown(model)));
  auto& r = found->second;
  if (!r.registration->enabled) return (*reply)(tl::unexpected(disabled(model)));
  if (r.current && !outdated(r) && !again) return (*reply)(loaded_now(r, true));
  waiter<load_report> w{std::move(reply), now() + std::chrono::milliseconds(wait_ms)};
  arm(w.due);
  r.load_waiters.push_back(std::move(w));
  auto& a = want_load_now(r);  // outdated, or again: beside the one that serves
  if (again) a.only_if_changed = false;
}

void supervisor_core::begin_load(const std::string& model, bool again, shared_reply<load_start> reply) {
  const auto found = records_.find(model);
  if (found == records_.end()) return (*reply)(tl::unexpected(unknown(model)));
  auto& r = found->second;
  if (!r.registration->enabled) return (*reply)(tl::unexpected(disabled(model)));
  if (r.current && !outdated(r) && !again) return (*reply)(load_start{model, load_id_of(r.current->lease), true, 0.0});
  waiter<load_start> w{std::move(reply), now() + std::chrono::milliseconds(250)};
  arm(w.due);
  r.start_waiters.push_back(std::move(w));
  auto& a = want_load_now(r);
  if (again) a.only_if_changed = false;
  if (expected_load_s(r)) tell_started(r);
}

void supervisor_core::warm(const std::string& model, std::uint64_t wait_ms, shared_reply<warmup_report> reply) {
  const auto found = records_.find(model);
  if (found == records_.end()) return (*reply)(tl::unexpected(unknown(model)));
  auto& r = found->second;
  if (!r.registration->enabled) return (*reply)(tl::unexpected(disabled(model)));
  if (r.current && !outdated(r)) return self_->send(r.current->actor, warm_atom::value, std::move(reply));
  waiter<warmup_report> w{std::move(reply), now() + std::chrono::milliseconds(wait_ms)};
  arm(w.due);
  r.warm_waiters.push_back(std::move(w));
  want_load_now(r);
}

void supervisor_core::unload(const std::string& model, shared_reply<unload_report> reply) {
  const auto found = records_.find(model);
  if (found == records_.end()) return (*reply)(tl::unexpected(unknown(model)));
  auto& r = found->second;
  const bool called_off = r.loading.has_value();
  if (called_off) {
    const error why{error_code::conflict, "Loading model " + model + " was called off: it was unloaded", {}, {}};
    r.load_error = why.message;
    cancel_load(r, why);
  }
  waiter<unload_report> w{std::move(reply), now() + std::chrono::milliseconds(world_.settings.load_timeout_ms)};
  if (r.current) {
    spdlog::info("unloading model {} on request", model);
    const auto lease = let_go(r);
    arm(w.due);
    leaving_.at(lease).waiters.push_back(std::move(w));
    if (leaving_.at(lease).emptied) finish_leaving(lease);
    return;
  }
  const auto same =
      std::find_if(leaving_.begin(), leaving_.end(), [&](const auto& l) { return l.second.model == model; });
  if (same != leaving_.end()) {
    arm(w.due);
    same->second.waiters.push_back(std::move(w));
    return;
  }
  (*w.reply)(unload_report{model, !called_off, called_off, 0});
}

void supervisor_core::cleanup(shared_reply<cleanup_report> reply) { clean_up_now(std::move(reply)); }

// -- the actor ------------------------------------------------------------------------------------------------

void supervisor_core::stop() {
  stopping_ = true;
  const error going{error_code::unavailable, "the server is shutting down", {}, {}};
  for (auto& [name, r] : records_) {
    if (r.loading) cancel_load(r, going);
    if (r.current) {
      const auto lease = let_go(r);
      if (auto& l = leaving_.at(lease); l.resident) finish_leaving(lease);
    }
  }
  if (trial_) trial_->order->cancelled->store(true), end_trial(tl::unexpected(going));
  world_.routes->store(std::make_shared<routing_table>());
  self_->quit(caf::exit_reason::user_shutdown);
}

supervisor_actor::behavior_type supervisor(supervisor_actor::stateful_pointer<supervisor_state> self,
                                           const std::shared_ptr<supervisor_world>& world,
                                           const std::shared_ptr<config::registry>& registry) {
  self->state.core = std::make_unique<supervisor_core>(self, *world, *registry);
  auto* core = self->state.core.get();
  self->set_down_handler([core](caf::down_msg& d) { core->down(d.source, to_string(d.reason)); });
  return {
      [core](miss_atom, const pending_ptr& p) { core->miss(p); },
      [core](load_atom, const std::string& m, std::uint64_t wait_ms, const shared_reply<load_report>& r) {
        core->load(m, false, wait_ms, r);
      },
      [core](reload_atom, const std::string& m, std::uint64_t wait_ms, const shared_reply<load_report>& r) {
        core->load(m, true, wait_ms, r);
      },
      [core](begin_atom, const std::string& m, bool again, const shared_reply<load_start>& r) {
        core->begin_load(m, again, r);
      },
      [core](unload_atom, const std::string& m, const shared_reply<unload_report>& r) { core->unload(m, r); },
      [core](warm_atom, const std::string& m, std::uint64_t wait_ms, const shared_reply<warmup_report>& r) {
        core->warm(m, wait_ms, r);
      },
      [core](optimize_atom, const std::string& m, std::uint64_t wait_ms, const shared_reply<optimize_report>& r) {
        core->optimize(m, wait_ms, r);
      },
      [core](cleanup_atom, const shared_reply<cleanup_report>& r) { core->cleanup(r); },
      [core](report_atom, const shared_reply<server_report>& r) { (*r)(core->report()); },
      [core](report_atom, const std::string& m, const shared_reply<model_report>& r) {
        if (core->knows(m))
          (*r)(core->report_of(m));
        else
          (*r)(fail(error_code::model_not_found, "Model " + m + " not found", "GET /models lists what is registered"));
      },
      [core](estimated_atom, lease_id lease, const result<size_estimate>& s) { core->estimated(lease, s); },
      [core](loaded_atom, lease_id lease, const std::shared_ptr<load_outcome>& o) { core->loaded(lease, *o); },
      [core](tried_atom, lease_id lease, const std::shared_ptr<trial_outcome>& o) { core->tried(lease, *o); },
      [core](freed_atom, lease_id lease) { core->freed(lease); },
      [core](emptied_atom, lease_id lease) { core->emptied(lease); },
      [core](failed_atom, lease_id lease, const std::string& why) { core->failed(lease, why); },
      [core](registry_atom, const std::shared_ptr<registry_update>& u, const shared_reply<std::string>& r) {
        core->update_registry(*u, r);
      },
      [core](registry_atom, const std::shared_ptr<registry_changes>& c) { core->change_registry(*c); },
      [core](tick_atom) { core->tick(); },
      [core](stop_atom) { core->stop(); },
  };
}

}  // namespace troupe::actors
