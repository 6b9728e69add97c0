#include "actors/catalog/provider_sync.hpp"

#include <algorithm>
#include <utility>

#include "inference/torch/memory.hpp"

namespace troupe::actors {
namespace {

constexpr std::chrono::seconds first_retry{30};

using self_pointer = provider_sync_actor::stateful_pointer<provider_sync_state>;

void start(self_pointer self, const std::shared_ptr<const sync_world>& world, bool on_demand) {
  self->state.running = true;
  self->state.waiting = std::exchange(self->state.next, {});
  self->send(world->worker, work_atom::value,
             std::make_shared<const std::function<void(cache::catalog_database&)>>(
                 [world, me = provider_sync_actor(self), on_demand](cache::catalog_database& db) {
                   auto out = std::make_shared<sync_result>();
                   try {
                     *out = run_sync(db, world->provider, world->tools, on_demand);
                   } catch (const std::exception& e) {  // no memory, most likely
                     out->provider = world->provider.name;
                     out->type = world->provider.type;
                     out->why = error{error_code::internal, "The sync failed", e.what(), {}};
                   }
                   inference::return_free_memory();  // a large provider's pages and rows
                   world->meter->synced(*out);
                   caf::anon_send(me, synced_atom::value, std::shared_ptr<const sync_result>(std::move(out)));
                 }));
}

void try_again(self_pointer self, const sync_world& world, bool failed) {
  self->state.failures = failed ? self->state.failures + 1 : 0;
  const std::chrono::seconds interval(world.provider.interval_s);
  if (!failed || interval.count() == 0) return;
  const auto pause = first_retry * (1 << std::min(self->state.failures - 1, 10u));
  if (pause < interval) self->delayed_send(self, pause, retry_atom::value);
}

void answer_late(provider_sync_state& state, const sync_world& world, const sync_reply& reply) {
  const auto left = std::erase(state.waiting, reply) + std::erase(state.next, reply);
  if (left == 0) return;  // it was answered
  (*reply)(fail(error_code::deadline_exceeded, "The sync of " + world.provider.name + " takes longer, and goes on",
                "GET /catalog/providers tells what came of it (synced_at, last_error), and so does the log"));
}

}  // namespace

provider_sync_actor::behavior_type provider_sync(self_pointer self, const std::shared_ptr<const sync_world>& world) {
  if (world->provider.interval_s > 0) self->send(self, tick_atom::value);
  const auto again = [self, world] {
    self->delayed_send(self, std::chrono::seconds(world->provider.interval_s), tick_atom::value);
  };
  return {
      [self, world](sync_atom, const sync_reply& reply) {
        self->state.next.push_back(reply);
        self->delayed_send(self, world->answer_within, late_atom::value, reply);
        if (!self->state.running) start(self, world, true);
      },
      [self, world, again](tick_atom) {
        again();
        if (!self->state.running) start(self, world, false);
      },
      [self, world](retry_atom) {
        if (!self->state.running) start(self, world, false);
      },
      [self, world](late_atom, const sync_reply& reply) { answer_late(self->state, *world, reply); },
      [self, world](synced_atom, const std::shared_ptr<const sync_result>& r) {
        self->state.running = false;
        try_again(self, *world, r->why.has_value());
        for (const auto& reply : std::exchange(self->state.waiting, {})) (*reply)(*r);
        if (!self->state.next.empty()) start(self, world, true);
      },
  };
}

}  // namespace troupe::actors
