#include "actors/artifacts/artifact_keeper.hpp"

#include <pthread.h>

#include <random>

#include <spdlog/spdlog.h>

#include "actors/artifacts/artifact_metrics.hpp"
#include "cache/artifacts/sources/tts.hpp"
#include "config/turns.hpp"
#include "inference/files/ready_copies.hpp"

namespace troupe::actors {
namespace {

constexpr std::chrono::seconds upkeep_every{60};

std::string model_named(const std::string& model) { return "Model '" + model + "'"; }

error no_such(const std::string& model) {
  return {error_code::model_not_found,
          "Model not found in cache: " + model,
          "GET /models/cache/info lists what is there",
          {}};
}

error operators(const std::string& model) {
  return {error_code::conflict,
          model_named(model) + " stands in the models_file",
          "take it out there and have it read again (SIGHUP)",
          {}};
}

cache::pull_request again(const cache::manifest& m) {
  cache::pull_request r;
  r.source = m.source;
  r.model_id = m.model_id;
  r.revision = m.requested_revision;
  r.name = m.name;
  r.task = m.asked_task;
  r.convert_to_tts = m.convert_to_tts;
  return r;
}

}  // namespace

artifact_keeper_core::artifact_keeper_core(artifact_keeper_actor::pointer self, artifact_world world)
    : self_(self),
      world_(std::move(world)),
      table_(world_.limits, [random = std::mt19937(std::random_device{}())]() mutable { return random(); }) {
  tick();
}

std::shared_ptr<const config::registered_model> artifact_keeper_core::registered(const std::string& model) const {
  const auto table = world_.routes->load();
  const auto at = table->models.find(model);
  return at == table->models.end() ? nullptr : at->second->registration.load();
}

bool artifact_keeper_core::is_operators(const std::string& model) const {
  const auto r = registered(model);
  return r && r->origin == config::origin::models_file;
}

// -- downloads ------------------------------------------------------------------------------------------------

void artifact_keeper_core::pull(const download_request& request, const shared_reply<download_report>& reply) {
  const auto& name = request.pull.name;
  if (auto good = config::check_registered_name(name, world_.reserved); !good)
    return (*reply)(tl::unexpected(good.error()));
  if (removals_.contains(name))
    return (*reply)(
        fail(error_code::conflict, model_named(name) + " is being removed", "ask again when it is gone", 1));
  if (auto* d = table_.under_way(name)) return (*reply)(d->report);
  const auto stored = world_.artifacts->find(name);
  if (!stored && !registered(name)) {
    start(request, reply);
    return start_vocoder(request.pull);
  }
  ++answered_;
  auto what = stored ? again(*stored) : request.pull;
  // Told where it is another than the one that was asked for.
  const bool other = stored && what.model_id != request.pull.model_id;
  const auto from =
      other ? " (" + std::string(cache::to_string(what.source)) + " " + cache::public_id(what.model_id) + ")" : "";
  auto d = table_.add_completed(what, model_named(name) + " already exists" + from + " and is ready to use",
                                std::chrono::system_clock::now(), self_->clock().now());
  if (!d) return (*reply)(tl::unexpected(d.error()));
  auto report = (*d)->report;
  report.already_exists = true;
  (*reply)(std::move(report));
}

void artifact_keeper_core::start(download_request request, const shared_reply<download_report>& reply) {
  if (stopping_) return (*reply)(fail(error_code::unavailable, "the server is shutting down"));
  auto added = table_.add(request, std::chrono::system_clock::now(), self_->clock().now());
  if (!added) return (*reply)(tl::unexpected(added.error()));
  spdlog::info("download {}: {} {} as {}", (*added)->report.id, cache::to_string(request.pull.source),
               cache::public_id(request.pull.model_id), request.pull.name);
  const auto id = (*added)->report.id;
  (*added)->report.usual_bytes_per_s = usual_.bytes_per_s();
  take_turns();
  (*reply)(table_.find(id)->report);
}

// Beside a speech model: its failure is its own.
void artifact_keeper_core::start_vocoder(const cache::pull_request& of) {
  if (!of.include_vocoder || !table_.under_way(of.name)) return;
  const auto fits = cache::vocoder_for(of.model_id, of.vocoder_model);
  if (!fits) return;
  download_request request;
  request.pull.source = fits->source;
  request.pull.model_id = fits->model_id;
  request.pull.name = of.name + "_vocoder";
  const auto tell = [name = request.pull.name](const result<download_report>& r) {
    if (!r) spdlog::warn("the vocoder {}: {}", name, r.error().message);
  };
  pull(request, std::make_shared<one_shot<download_report>>(tell));
}

void artifact_keeper_core::take_turns() {
  while (auto* d = table_.turn()) {
    d->report.message = "Asking the source";
    d->fetching_since = self_->clock().now();
    auto order = std::make_shared<pull_order>();
    order->id = d->report.id;
    order->what = d->report.what;
    order->cancelled = d->cancelled;
    ++fetching_;
    world_.fetch(order, artifact_keeper_actor(self_));
    tell(*d);
  }
  world_.meter->running.Set(table_.running());
  world_.meter->waiting.Set(table_.waiting());
}

void artifact_keeper_core::tell(download& d) {
  std::erase_if(d.watchers, [&](const download_watcher& w) { return !w(d.report); });
}

void artifact_keeper_core::finish(download& d, download_state how, std::string message) {
  spdlog::log(how == download_state::failed ? spdlog::level::warn : spdlog::level::info, "download {} of {}: {}",
              d.report.id, d.report.what.name, message);
  (how == download_state::completed   ? world_.meter->completed
   : how == download_state::cancelled ? world_.meter->cancelled
                                      : world_.meter->failed)
      .Increment();
  table_.end(d, how, std::move(message), std::chrono::system_clock::now(), self_->clock().now());
  tell(d);
  d.watchers.clear();
  go_on_removing(d.report.what.name);
  take_turns();
}

void artifact_keeper_core::progress(const std::string& id, const pull_progress& now) {
  auto* d = table_.find(id);
  if (d == nullptr || has_ended(d->report.state)) return;
  auto& r = d->report;
  r.files = now.files;
  r.bytes_done = 0;
  std::optional<std::uint64_t> total = 0;
  for (const auto& f : now.files) {
    r.bytes_done += f.bytes_done;
    total = total && f.bytes_total ? std::optional(*total + *f.bytes_total) : std::nullopt;
  }
  r.bytes_total = total;
  d->rate.add(self_->clock().now(), r.bytes_done);
  r.bytes_per_s = d->rate.bytes_per_s(self_->clock().now());
  r.message = now.publishing ? "Putting it into the store" : "Downloading " + std::to_string(r.files.size()) + " files";
  tell(*d);
}

void artifact_keeper_core::fetched(const std::string& id, pull_outcome& outcome) {
  --fetching_;
  auto* d = table_.find(id);
  world_.take_counts();
  if (d == nullptr) return;
  table_.fetched(*d);
  if (!outcome.got) {
    const auto& why = outcome.got.error();
    d->report.why = why;
    const bool called_off = why.code == error_code::cancelled;
    if (called_off) world_.artifacts->discard_partial(d->report.what.name);
    finish(*d, called_off ? download_state::cancelled : download_state::failed,
           called_off ? "Download was cancelled"
                      : "Failed to download model '" + d->report.what.name + "': " + why.message);
  } else if (removals_.contains(d->report.what.name)) {
    finish(*d, download_state::cancelled, "Download was cancelled");
  } else {
    const auto& m = outcome.got->model;
    const auto folder = world_.artifacts->folder_of(m);
    probes_[folder] = outcome.probe;
    ++(outcome.got->unchanged ? answered_ : downloaded_);
    if (!outcome.got->unchanged) usual_.add(cache::size_bytes(m), self_->clock().now() - d->fetching_since);
    d->report.already_exists = outcome.got->unchanged;
    if (!outcome.probe.servable) d->load = false;
    if (const auto before = registered(m.name); before && before->path != folder) d->replaces = before->path;
    d->report.message = "Registering";
    tell(*d);
    register_artifact(m, [self = artifact_keeper_actor(self_), id](result<registration_report> r) {
      caf::anon_send(self, entered_atom::value, id, std::move(r));
    });
  }
  take_turns();
  if (stopping_ && fetching_ == 0) self_->quit(caf::exit_reason::user_shutdown);
}

void artifact_keeper_core::register_artifact(const cache::manifest& m,
                                             std::function<void(result<registration_report>)> then) {
  auto model = std::make_shared<const config::registered_model>(registration_of(m, world_.artifacts->folder_of(m)));
  self_->send(world_.registry, register_atom::value, std::move(model),
              std::make_shared<one_shot<registration_report>>(std::move(then)));
}

void artifact_keeper_core::entered(const std::string& id, const result<registration_report>& outcome) {
  auto* d = table_.find(id);
  if (d == nullptr || has_ended(d->report.state)) return;
  if (!outcome) {
    d->report.why = outcome.error();
    return finish(
        *d, download_state::failed,
        model_named(d->report.what.name) + " is in the store, but not registered: " + outcome.error().message);
  }
  // What the registry named before may go, and what is over the limit. Else a look at the whole store is saved, which
  // grows with it.
  if (!d->replaces.empty() || world_.store_limit_bytes > 0)
    upkeep();
  else
    measure();
  if (!d->replaces.empty()) inference::remove_ready_copies(world_.ready_store, d->replaces);
  const bool wanted = d->load && !d->cancelled->load() && !stopping_;
  if (!wanted) {
    const auto m = world_.artifacts->find(d->report.what.name);
    if (m && !probe(*m).servable)
      return finish(*d, download_state::completed, "Download completed; it cannot be served yet: " + probe(*m).reason);
    return finish(*d, download_state::completed,
                  d->report.already_exists ? "It is up to date" : "Download completed successfully");
  }
  d->report.message = "Loading";
  tell(*d);
  auto reply =
      std::make_shared<one_shot<load_report>>([self = artifact_keeper_actor(self_), id](result<load_report> r) {
        caf::anon_send(self, loaded_atom::value, id, std::move(r));
      });
  self_->send(world_.supervisor, load_atom::value, d->report.what.name, world_.load_timeout_ms, std::move(reply));
}

void artifact_keeper_core::loaded(const std::string& id, const result<load_report>& outcome) {
  auto* d = table_.find(id);
  if (d == nullptr || has_ended(d->report.state)) return;
  if (!outcome) d->report.load_error = outcome.error().message;
  finish(*d, download_state::completed,
         outcome ? "Download completed successfully"
                 : "Download completed; the model is registered, but not loaded: " + outcome.error().message);
}

void artifact_keeper_core::status(const std::string& id, const shared_reply<download_report>& reply) {
  const auto* d = table_.find(id);
  if (d == nullptr)
    return (*reply)(fail(error_code::model_not_found, "Download not found: " + id,
                         "ids are 8 hexadecimal digits, and known until the server ends"));
  (*reply)(d->report);
}

void artifact_keeper_core::watch(const std::string& id, download_watcher tell_of,
                                 const shared_reply<download_report>& reply) {
  status(id, reply);
  auto* d = table_.find(id);
  if (d != nullptr && tell_of(d->report) && !has_ended(d->report.state)) d->watchers.push_back(std::move(tell_of));
}

void artifact_keeper_core::update(const std::string& model, const shared_reply<download_report>& reply) {
  if (auto* d = table_.under_way(model)) return (*reply)(d->report);
  const auto stored = world_.artifacts->find(model);
  if (!stored) return (*reply)(tl::unexpected(no_such(model)));
  if (is_operators(model)) return (*reply)(tl::unexpected(operators(model)));
  // What is in memory is replaced by the supervisor; what is not stays out.
  start({again(*stored), false}, reply);
}

void artifact_keeper_core::retry(const std::string& model, bool force, const shared_reply<download_report>& reply) {
  if (auto* d = table_.under_way(model)) return (*reply)(d->report);
  const auto* last = table_.last_of(model);
  const auto stored = world_.artifacts->find(model);
  if (last == nullptr && !stored) return (*reply)(tl::unexpected(no_such(model)));
  if (is_operators(model)) return (*reply)(tl::unexpected(operators(model)));
  const bool failed = last != nullptr && last->report.state != download_state::completed;
  if (!failed && !force)
    return (*reply)(fail(error_code::conflict, "The download of model '" + model + "' did not fail",
                         "force_redownload=true fetches it all the same"));
  download_request request{failed || !stored ? last->report.what : again(*stored), last == nullptr || last->load};
  request.pull.afresh = force;
  if (force) world_.artifacts->discard_partial(model);
  start(std::move(request), reply);
}

// -- what is there --------------------------------------------------------------------------------------------

const probe_result& artifact_keeper_core::probe(const cache::manifest& m) {
  const auto folder = world_.artifacts->folder_of(m);
  auto known = probes_.find(folder);
  if (known == probes_.end()) known = probes_.emplace(folder, world_.probe(registration_of(m, folder))).first;
  return known->second;
}

// One after the other, between what is asked.
void artifact_keeper_core::probe_next() {
  if (unprobed_.empty() || stopping_) return;
  probe(unprobed_.back());
  unprobed_.pop_back();
  self_->send(self_, probe_atom::value);
}

artifact_report artifact_keeper_core::describe(const cache::manifest& m,
                                               const std::map<std::string, std::uint64_t>& ready) const {
  artifact_report out;
  out.stored = m;
  out.folder = world_.artifacts->folder_of(m);
  if (const auto copies = ready.find(inference::ready_key_of_real(out.folder)); copies != ready.end())
    out.ready_bytes = copies->second;
  if (const auto known = probes_.find(out.folder); known != probes_.end()) {
    out.servable = known->second.servable;
    out.reason = known->second.reason;
  }
  return out;
}

void artifact_keeper_core::list(const shared_reply<store_report>& reply) {
  store_report out;
  out.root = world_.artifacts->root();
  const auto ready = inference::ready_copies(world_.ready_store);
  for (const auto& m : world_.artifacts->list()) out.models.push_back(describe(m, ready));
  for (const auto& [key, bytes] : ready) out.ready_bytes += bytes;
  out.size_bytes = world_.artifacts->size_bytes();
  out.partial_bytes = world_.artifacts->partial_bytes();
  out.limit_bytes = world_.store_limit_bytes;
  out.answered = answered_;
  out.downloaded = downloaded_;
  out.downloads = table_.reports();
  (*reply)(std::move(out));
}

void artifact_keeper_core::find(const std::string& model, const shared_reply<artifact_status>& reply) {
  artifact_status out;
  if (const auto m = world_.artifacts->find(model)) {
    probe(*m);
    out.stored = describe(*m, inference::ready_copies(world_.ready_store));
  }
  if (const auto* d = table_.last_of(model)) out.download = d->report;
  if (!out.stored && !out.download) return (*reply)(tl::unexpected(no_such(model)));
  (*reply)(std::move(out));
}

void artifact_keeper_core::copy(const std::string& model, const std::string& to,
                                const shared_reply<artifact_status>& reply) {
  if (removals_.contains(model) || removals_.contains(to) || table_.under_way(to) != nullptr || registered(to))
    return (*reply)(fail(error_code::conflict, model_named(to) + " exists already, or is on its way here or out",
                         "choose another name"));
  const auto made = world_.artifacts->copy(model, to);
  if (!made) return (*reply)(tl::unexpected(made.error()));
  probe(*made);
  artifact_status done;
  done.stored = describe(*made, {});
  register_artifact(
      *made, [reply, done = std::move(done), kept = world_.artifacts](const result<registration_report>& r) mutable {
        if (r) return (*reply)(std::move(done));
        if (auto undone = kept->remove(done.stored->stored.name); !undone) spdlog::warn("{}", undone.error().message);
        (*reply)(tl::unexpected(r.error()));
      });
}

// -- removing -------------------------------------------------------------------------------------------------

void artifact_keeper_core::remove(const std::string& model, shared_reply<removal_report> reply) {
  if (const auto at = removals_.find(model); at != removals_.end()) {
    at->second.replies.push_back(std::move(reply));
    return;
  }
  auto* d = table_.under_way(model);
  const bool stored = world_.artifacts->find(model).has_value();
  if (d == nullptr && !stored) {
    const auto kept = world_.artifacts->discard_partial(model);
    if (kept == 0) return (*reply)(tl::unexpected(no_such(model)));
    return (*reply)(removal_report{model, false, kept});
  }
  if (stored && is_operators(model)) return (*reply)(tl::unexpected(operators(model)));
  removals_[model] = {{std::move(reply)}, d != nullptr};
  if (d == nullptr) return go_on_removing(model);
  d->cancelled->store(true);
  // What has been fetched may still be registered or loaded; the registry forgets both.
  if (!d->fetching) finish(*d, download_state::cancelled, "Download was cancelled");
}

// Once nothing of it is under way.
void artifact_keeper_core::go_on_removing(const std::string& model) {
  if (!removals_.contains(model) || table_.under_way(model) != nullptr) return;
  // Of a download that was called off the registration may still be on its way.
  if (registered(model) || removals_.at(model).cancelled) return unregister(model);
  left(model, registration_report{model, config::registration_outcome::removed});
}

void artifact_keeper_core::unregister(const std::string& model) {
  auto reply = std::make_shared<one_shot<registration_report>>(
      [self = artifact_keeper_actor(self_), model](result<registration_report> r) {
        caf::anon_send(self, left_atom::value, model, std::move(r));
      });
  self_->send(world_.registry, unregister_atom::value, model, std::move(reply));
}

void artifact_keeper_core::left(const std::string& model, const result<registration_report>& outcome) {
  if (!outcome && outcome.error().code != error_code::model_not_found)
    return removed(model, tl::unexpected(outcome.error()));
  const auto stored = world_.artifacts->find(model);
  const auto at = removals_.find(model);
  removal_report done{model, at != removals_.end() && at->second.cancelled, 0};
  if (stored) {
    const auto folder = world_.artifacts->folder_of(*stored);
    const auto freed = world_.artifacts->remove(model);
    if (!freed) return removed(model, tl::unexpected(freed.error()));
    done.freed_bytes = *freed + inference::remove_ready_copies(world_.ready_store, folder);
    probes_.erase(folder);
  }
  done.freed_bytes += world_.artifacts->discard_partial(model);
  removed(model, done);
}

void artifact_keeper_core::removed(const std::string& model, result<removal_report> outcome) {
  const auto at = removals_.find(model);
  if (at == removals_.end()) return;
  const auto replies = std::move(at->second.replies);
  removals_.erase(at);
  if (outcome) spdlog::info("removed {} from the artifact store: {} bytes", model, outcome->freed_bytes);
  for (const auto& r : replies) (*r)(outcome);
}

// -- upkeep ---------------------------------------------------------------------------------------------------

// A process may have ended between two steps, and others pull into the store and remove from it: K1, K2.
void artifact_keeper_core::reconcile() {
  const auto table = world_.routes->load();
  const auto say = [](const std::string& name) {
    return [name](const result<registration_report>& r) {
      if (!r) spdlog::warn("{} is in the artifact store, but not registered: {}", name, r.error().message);
    };
  };
  const auto under_way = [this](const std::string& name) {
    return removals_.contains(name) || table_.under_way(name) != nullptr;
  };
  std::set<std::string> stored;
  const bool probing = !unprobed_.empty();
  unprobed_.clear();
  for (const auto& m : world_.artifacts->list()) {
    stored.insert(m.name);
    if (under_way(m.name)) continue;
    if (!probes_.contains(world_.artifacts->folder_of(m))) unprobed_.push_back(m);
    const auto known = registered(m.name);
    const bool ours = known && known->origin == config::origin::run_time;
    if (!known || (ours && known->path != world_.artifacts->folder_of(m))) register_artifact(m, say(m.name));
  }
  const auto root = world_.artifacts->root().native() + '/';
  for (const auto& [name, entry] : table->models) {
    const auto r = entry->registration.load();
    if (r->origin == config::origin::run_time && r->path.native().starts_with(root) && !stored.contains(name) &&
        !under_way(name)) {
      spdlog::warn("{} is registered, but not in the artifact store any more: it is taken out", name);
      unregister(name);
    }
  }
  if (!probing && !unprobed_.empty()) self_->send(self_, probe_atom::value);
}

void artifact_keeper_core::tick() {
  if (stopping_) return;
  self_->delayed_send(self_, upkeep_every, tick_atom::value);
  reconcile();
  upkeep();
}

// Asks who is in use, then collects.
void artifact_keeper_core::upkeep() {
  auto reply =
      std::make_shared<one_shot<server_report>>([self = artifact_keeper_actor(self_)](result<server_report> r) {
        if (r) caf::anon_send(self, use_atom::value, std::make_shared<const server_report>(std::move(*r)));
      });
  self_->send(world_.supervisor, report_atom::value, std::move(reply));
}

void artifact_keeper_core::used(const server_report& now) {
  std::set<std::filesystem::path> in_use;
  for (const auto& m : now.models) {
    const bool busy = m.state != residency::unloaded && m.state != residency::failed;
    if (busy || m.registration.pinned || m.registration.origin == config::origin::models_file)
      in_use.insert(m.registration.path);
    if (auto& seen = seen_used_[m.registration.name]; m.last_accessed && *m.last_accessed > seen) {
      seen = *m.last_accessed;
      world_.artifacts->used(m.registration.name);
    }
  }
  collect(in_use);
}

void artifact_keeper_core::collect(const std::set<std::filesystem::path>& in_use) {
  if (auto done = world_.artifacts->collect(in_use); !done) {
    spdlog::warn("the artifact store: {}", done.error().message);
  } else {
    for (const auto& name : done->evicted) {
      spdlog::info("store_limit_gb: {} has left the artifact store", name);
      unregister(name);
    }
  }
  inference::remove_orphaned_copies(world_.ready_store);
  measure();
}

void artifact_keeper_core::measure() {
  std::uint64_t ready = 0;
  for (const auto& [key, bytes] : inference::ready_copies(world_.ready_store)) ready += bytes;
  auto& meter = *world_.meter;
  meter.stored_models.Set(static_cast<double>(world_.artifacts->list().size()));
  meter.store_bytes.Set(static_cast<double>(world_.artifacts->size_bytes()));
  meter.partial_bytes.Set(static_cast<double>(world_.artifacts->partial_bytes()));
  meter.ready_bytes.Set(static_cast<double>(ready));
  meter.store_limit_bytes.Set(static_cast<double>(world_.store_limit_bytes));
}

void artifact_keeper_core::stop() {
  stopping_ = true;
  for (const auto& r : table_.reports()) {
    auto* d = table_.find(r.id);
    if (has_ended(r.state)) continue;
    d->cancelled->store(true);
  }
  if (fetching_ == 0) self_->quit(caf::exit_reason::user_shutdown);
}

artifact_keeper_actor::behavior_type artifact_keeper(
    artifact_keeper_actor::stateful_pointer<artifact_keeper_state> self, const std::shared_ptr<artifact_world>& world) {
  pthread_setname_np(pthread_self(), "artifacts");
  config::take_long_turns();
  self->state.core = std::make_unique<artifact_keeper_core>(self, std::move(*world));
  auto* core = self->state.core.get();
  return {
      [core](pull_atom, const std::shared_ptr<const download_request>& r, const shared_reply<download_report>& reply) {
        core->pull(*r, reply);
      },
      [core](status_atom, const std::string& id, const shared_reply<download_report>& reply) {
        core->status(id, reply);
      },
      [core](watch_atom, const std::string& id, const download_watcher& w, const shared_reply<download_report>& reply) {
        core->watch(id, w, reply);
      },
      [core](list_atom, const shared_reply<store_report>& reply) { core->list(reply); },
      [core](find_atom, const std::string& m, const shared_reply<artifact_status>& reply) { core->find(m, reply); },
      [core](remove_atom, const std::string& m, const shared_reply<removal_report>& reply) { core->remove(m, reply); },
      [core](copy_atom, const std::string& m, const std::string& to, const shared_reply<artifact_status>& reply) {
        core->copy(m, to, reply);
      },
      [core](update_atom, const std::string& m, const shared_reply<download_report>& reply) { core->update(m, reply); },
      [core](retry_atom, const std::string& m, bool force, const shared_reply<download_report>& reply) {
        core->retry(m, force, reply);
      },
      [core](progress_atom, const std::string& id, const std::shared_ptr<const pull_progress>& p) {
        core->progress(id, *p);
      },
      [core](fetched_atom, const std::string& id, const std::shared_ptr<pull_outcome>& o) { core->fetched(id, *o); },
      [core](entered_atom, const std::string& id, const result<registration_report>& r) { core->entered(id, r); },
      [core](left_atom, const std::string& m, const result<registration_report>& r) { core->left(m, r); },
      [core](loaded_atom, const std::string& id, const result<load_report>& r) { core->loaded(id, r); },
      [core](use_atom, const std::shared_ptr<const server_report>& r) { core->used(*r); },
      [core](probe_atom) { core->probe_next(); },
      [core](tick_atom) { core->tick(); },
      [core](stop_atom) { core->stop(); },
  };
}

}  // namespace troupe::actors
