#include "actors/residency/registry_keeper.hpp"

#include <set>

#include <pthread.h>

#include <spdlog/spdlog.h>

#include "config/turns.hpp"

namespace troupe::actors {

namespace {

// Of what others have written, or of many reloads that are one.
shared_reply<std::string> to_all(std::vector<shared_reply<std::string>> replies) {
  return std::make_shared<one_shot<std::string>>([replies = std::move(replies)](const result<std::string>& answer) {
    for (const auto& reply : replies) (*reply)(answer);
  });
}

error not_kept(const std::string& name, const error& why) {
  return {error_code::unavailable, "The change to model " + name + " could not be kept: " + why.message, why.detail,
          why.retry_after_s};
}

void tell(const std::string& name, const result<config::registration_outcome>& outcome) {
  if (outcome) return spdlog::info("registry: model {}: {}", name, config::to_string(*outcome));
  const auto& why = outcome.error();
  const auto level = why.code == error_code::unavailable ? spdlog::level::err : spdlog::level::info;
  spdlog::log(level, "registry: {}", why.message);
}

}  // namespace

config::registry whole_registry(const config::registry& operators, const registered_file& file) {
  for (const auto& name : config::names_in_both(operators, file.models()))
    spdlog::warn("model {} stands in {} and, registered at run time, in {}: the former is in force", name,
                 operators.file.string(), file.path().string());
  return config::merge(operators, file.models());
}

registry_keeper_core::registry_keeper_core(registry_keeper_actor::pointer self, keeper_world world)
    : self_(self), world_(std::move(world)) {}

void registry_keeper_core::put(std::shared_ptr<const config::registered_model> model,
                               shared_reply<registration_report> reply) {
  auto name = model->name;
  take({std::move(name), std::move(model), std::move(reply)});
}

void registry_keeper_core::remove(std::string model, shared_reply<registration_report> reply) {
  take({std::move(model), nullptr, std::move(reply)});
}

void registry_keeper_core::take(order o) {
  orders_.push_back(std::move(o));
  settle_later();
}

void registry_keeper_core::reload(shared_reply<std::string> reply) {
  reloads_.push_back(std::move(reply));
  settle_later();
}

// Behind what has come in by now: that is done in one go.
void registry_keeper_core::settle_later() {
  if (!std::exchange(settling_, true)) self_->send(self_, tick_atom::value);
}

void registry_keeper_core::settle() {
  settling_ = false;
  auto reloads = std::exchange(reloads_, {});
  const auto orders = std::exchange(orders_, {});
  bool all_anew = std::exchange(behind_, true);
  const auto trouble = world_.file->trouble();
  if (!reloads.empty()) all_anew |= read_files(reloads);
  auto changes = std::make_shared<registry_changes>();
  if (!orders.empty()) all_anew |= carry_out(orders, *changes);
  all_anew |= world_.file->trouble() != trouble;
  if (all_anew) {
    auto update = std::make_shared<registry_update>();
    update->registry = whole_registry(world_.operators, *world_.file);
    update->trouble = world_.file->trouble();
    self_->send(world_.supervisor, registry_atom::value, std::move(update), to_all(std::move(reloads)));
    changes->entries.clear();
  }
  if (!changes->answers.empty()) self_->send(world_.supervisor, registry_atom::value, std::move(changes));
  behind_ = false;
}

// False: the operator's file cannot be used, and all stays as it was. Those who asked are told.
bool registry_keeper_core::read_files(std::vector<shared_reply<std::string>>& reloads) {
  if (const auto& file = world_.operators.file; !file.empty()) {
    auto fresh = config::load_registry(file, world_.operators.reserved);
    if (!fresh) {
      for (const auto& reply : std::exchange(reloads, {})) (*reply)(tl::unexpected(fresh.error()));
      return false;
    }
    world_.operators = std::move(*fresh);
  }
  world_.file->read(reading::on_request);
  return true;
}

result<config::registration_outcome> registry_keeper_core::apply(const order& o,
                                                                 config::registered_models& models) const {
  if (!o.model) return config::remove_registered(models, world_.operators, o.name);
  auto checked = config::check_registration(*o.model, world_.operators.reserved);
  if (!checked) return tl::unexpected(checked.error());
  return config::put_registered(models, world_.operators, std::move(*checked), world_.max_registered_models);
}

// True: others have written the file, and `changes` are not all that is new.
bool registry_keeper_core::carry_out(const std::vector<order>& orders, registry_changes& changes) {
  std::vector<result<config::registration_outcome>> outcomes;
  outcomes.reserve(orders.size());
  std::set<std::string> changed;
  const auto updated = world_.file->update([&](config::registered_models& models) {
    for (const auto& o : orders) {
      const auto& outcome = outcomes.emplace_back(apply(o, models));
      if (outcome && *outcome != config::registration_outcome::unchanged) changed.insert(o.name);
    }
    return !changed.empty();
  });
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const auto& o = orders[i];
    auto& outcome = outcomes[i];
    if (outcome && !updated.kept && changed.contains(o.name))
      outcome = tl::unexpected(not_kept(o.name, updated.kept.error()));
    tell(o.name, outcome);
    if (outcome)
      changes.answers.emplace_back(o.reply, registration_report{o.name, *outcome});
    else
      (*o.reply)(tl::unexpected(outcome.error()));
  }
  if (!updated.kept) return updated.others;
  for (const auto& name : changed) {
    auto& entry = changes.entries.emplace_back();
    entry.name = name;
    const auto& models = world_.file->models();
    if (const auto now = models.find(name); now != models.end())
      entry.now = config::in_force(now->second, world_.operators);
  }
  return updated.others;
}

registry_keeper_actor::behavior_type registry_keeper(
    registry_keeper_actor::stateful_pointer<registry_keeper_state> self, const std::shared_ptr<keeper_world>& world) {
  pthread_setname_np(pthread_self(), "registry");
  config::take_long_turns();
  self->state.core = std::make_unique<registry_keeper_core>(self, std::move(*world));
  auto* core = self->state.core.get();
  return {
      [core](register_atom, const std::shared_ptr<const config::registered_model>& m,
             const shared_reply<registration_report>& r) { core->put(m, r); },
      [core](unregister_atom, const std::string& m, const shared_reply<registration_report>& r) { core->remove(m, r); },
      [core](registry_atom, const shared_reply<std::string>& r) { core->reload(r); },
      [core](tick_atom) {
        try {
          core->settle();
        } catch (const std::exception& e) {  // no memory, most likely; the replies that are dropped tell who asked
          spdlog::error("registry: {}", e.what());
        }
      },
  };
}

}  // namespace troupe::actors
