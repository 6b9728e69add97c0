// The supervisor's registry: an entry comes, changes or goes. A reload is many of them.

#include <algorithm>

#include <spdlog/spdlog.h>

#include "actors/residency/supervisor.hpp"
#include "config/default_model.hpp"

namespace troupe::actors {

void supervisor_core::apply_registration(record& r, const config::registered_model& m) {
  r.registration = std::make_shared<const config::registered_model>(m);
  r.entry->registration.store(r.registration);
  r.preload = config::is_preloaded(world_.settings, m);
}

supervisor_core::entry_change supervisor_core::put_entry(const config::registered_model& m) {
  const auto [at, added] = records_.try_emplace(m.name);
  auto& r = at->second;
  if (added) {
    r.entry = std::make_shared<model_entry>(m.name);
    apply_registration(r, m);
    if (r.preload) want_load(r, true);
    return entry_change::added;
  }
  if (*r.registration == m) return entry_change::none;
  const auto before = r.registration;
  apply_registration(r, m);
  follow_registration(r, *before);
  return entry_change::changed;
}

// Whoever waits for it is answered; what is resident finishes what it has, and leaves.
std::map<std::string, supervisor_core::record>::iterator supervisor_core::drop_entry(
    std::map<std::string, record>::iterator gone) {
  auto& [name, r] = *gone;
  if (r.loading)
    cancel_load(r, {error_code::model_not_found, "Model " + name + " was taken out of the registry", {}, {}});
  if (r.current) {
    const auto lease = let_go(r);
    if (leaving_.at(lease).emptied) finish_leaving(lease);
  }
  if (trial_ && trial_->order->model == name) trial_->order->cancelled->store(true);
  add_counts(removed_counts_, r.entry->counts());
  world_.meter->forget(name);
  return records_.erase(gone);
}

// Costs a visit of every registered model, so it is done once for all entries that change together.
void supervisor_core::publish_routes() {
  auto table = std::make_shared<routing_table>();
  table->models.reserve(records_.size());
  for (const auto& [name, r] : records_) table->models.emplace(name, r.entry);
  table->default_model = config::default_model(world_.settings, records_, [](const auto& named) {
    return config::default_rank(named.second.preload, named.second.registration->origin);
  });
  world_.routes->store(std::move(table));
}

void supervisor_core::tell_if_named(const std::string& absent) const {
  const auto& s = world_.settings;
  if (absent == s.default_model)
    spdlog::error("default_model is {}, which the registry does not have: requests that name no model are refused",
                  absent);
  if (std::find(s.preload_models.begin(), s.preload_models.end(), absent) != s.preload_models.end())
    spdlog::error("preload_models names {}, which the registry does not have", absent);
}

void supervisor_core::tell_of_absent_names() const {
  std::set<std::string> named(world_.settings.preload_models.begin(), world_.settings.preload_models.end());
  if (const auto& name = world_.settings.default_model; !name.empty()) named.insert(name);
  for (const auto& name : named)
    if (!records_.contains(name)) tell_if_named(name);
}

void supervisor_core::update_registry(const registry_update& update, const shared_reply<std::string>& reply) {
  const auto& models = update.registry.models;
  std::uint32_t added = 0, changed = 0, removed = 0;
  for (auto it = records_.begin(); it != records_.end();) {
    if (models.contains(it->first)) {
      ++it;
      continue;
    }
    ++removed;
    it = drop_entry(it);
  }
  for (const auto& [name, m] : models) {
    const auto change = put_entry(m);
    added += change == entry_change::added;
    changed += change == entry_change::changed;
  }
  publish_routes();
  tell_of_absent_names();
  refresh_priorities();
  world_.registry_trouble = update.trouble;
  const auto summary = std::to_string(models.size()) + " models registered: " + std::to_string(added) + " added, " +
                       std::to_string(changed) + " changed, " + std::to_string(removed) + " removed";
  spdlog::info("registry: {}", summary);
  (*reply)(summary);
}

void supervisor_core::change_registry(const registry_changes& changes) {
  for (const auto& entry : changes.entries) {
    if (entry.now) {
      put_entry(*entry.now);
    } else if (const auto known = records_.find(entry.name); known != records_.end()) {
      drop_entry(known);
      tell_if_named(entry.name);
    }
  }
  if (!changes.entries.empty()) {
    publish_routes();
    refresh_priorities();
  }
  for (const auto& [reply, report] : changes.answers) (*reply)(report);
}

}  // namespace troupe::actors
