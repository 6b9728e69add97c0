#include "actors/catalog/catalog_keeper.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "cache/catalog/catalog_json.hpp"

namespace troupe::actors {
namespace {

constexpr std::size_t lists_max = 4096;  // more than there are providers

using self_pointer = catalog_keeper_actor::stateful_pointer<catalog_keeper_state>;

class keeper {
 public:
  keeper(self_pointer self, std::shared_ptr<const catalog_world> world) : self_(self), world_(std::move(world)) {
    self_->state.busy.resize(world_->readers.size());
  }

  void ask(const std::shared_ptr<const catalog_question>& question, const shared_reply<catalog_answer>& reply) const {
    if (self_->state.waiting >= world_->waiters_max) {
      (*reply)(fail(error_code::too_many_requests, "Too many requests wait for the catalog's database",
                    "the limit is max_catalog_waiters", 1));
      return;
    }
    auto& f = fly(question);
    f.waiting.push_back(reply);
    ++self_->state.waiting;
    world_->meter->waiting.Set(self_->state.waiting);
  }

  void refresh(const std::shared_ptr<const catalog_question>& question) const { fly(question); }

  void read(const catalog_reading& r) const {
    auto& state = self_->state;
    const auto at = state.flights.find(r.flight);
    if (at == state.flights.end()) return;
    auto f = std::move(at->second);
    state.flights.erase(at);
    --state.busy[f.reader];
    state.waiting -= static_cast<std::uint32_t>(f.waiting.size());
    world_->meter->waiting.Set(state.waiting);
    if (r.why) return answer_failure(f, *r.why);
    if (r.rows > 0) want_list(f.key);
    for (const auto& reply : f.waiting) (*reply)(catalog_answer{r.json, answered_from::database, false, r.empty});
  }

  // A page was made: the list whose part it is, too, if it fits.
  void want_list(const cache::cache_key& key) const {
    const cache::cache_key whole{key.kind, key.of, {}};
    if (key.page.empty() || whole.names({}).empty()) return;
    if (world_->tiers->redis() != cache::redis_health::up || needs_none(whole)) return;
    world_->tiers->holds(whole, [keeper = catalog_keeper_actor(self_), whole](bool there) {
      if (!there) caf::anon_send(keeper, list_atom::value, whole.kind, whole.of);
    });
  }

  void list(cache::cache_kind kind, const std::string& of) const {
    const cache::cache_key key{kind, of, {}};
    if (needs_none(key)) return;
    const auto since = world_->tiers->begin(key);
    self_->state.lists.insert(key.local_name());
    give(next_reader(),
         [world = world_, key, since, keeper = catalog_keeper_actor(self_)](cache::catalog_database& db) {
           bool fits = true;
           try {
             fits = make_list(*world, db, key, since);
           } catch (const std::exception& e) {  // no memory, most likely
             spdlog::error("the catalog: {}", e.what());
           }
           caf::anon_send(keeper, list_atom::value, key.local_name(), fits ? std::uint64_t{0} : since.epoch + 1);
         });
  }

  // `large_epoch`: one more than that of a list that does not fit; 0: it did.
  void listed(const std::string& name, std::uint64_t large_epoch) const {
    auto& state = self_->state;
    state.lists.erase(name);
    if (large_epoch == 0) return;
    if (state.large_lists.size() >= lists_max) state.large_lists.clear();
    state.large_lists[name] = large_epoch - 1;
  }

 private:
  using flight = catalog_keeper_state::flight;

  bool needs_none(const cache::cache_key& key) const {
    const auto name = key.local_name();
    const auto large = self_->state.large_lists.find(name);
    return self_->state.lists.contains(name) ||
           (large != self_->state.large_lists.end() && large->second == world_->tiers->begin(key).epoch);
  }

  std::size_t next_reader() const {
    const auto& busy = self_->state.busy;
    return static_cast<std::size_t>(std::min_element(busy.begin(), busy.end()) - busy.begin());
  }

  template <class Work>
  void give(std::size_t reader, Work work) const {
    self_->send(world_->readers[reader], work_atom::value,
                std::make_shared<const std::function<void(cache::catalog_database&)>>(std::move(work)));
  }

  flight& fly(const std::shared_ptr<const catalog_question>& question) const {
    auto key = key_of(*question);
    auto since = world_->tiers->begin(key);
    auto name = key.local_name() + '\n' + std::to_string(since.epoch);
    const auto [at, fresh] = self_->state.flights.try_emplace(name);
    if (!fresh) return at->second;
    at->second = {std::move(key), {}, next_reader()};
    ++self_->state.busy[at->second.reader];
    give(at->second.reader, [world = world_, keeper = catalog_keeper_actor(self_), question, name, since,
                             key = at->second.key](cache::catalog_database& db) {
      auto r = std::make_shared<catalog_reading>();
      r->flight = name;
      const auto started = steady_clock::now();
      try {
        if (auto made = make_answer(db, *question, world->providers)) {
          r->json = std::make_shared<const cache::cached_value>(std::move(made->json));
          r->rows = made->rows;
          r->empty = !made->keep;
          if (made->keep)
            world->tiers->keep(key, since, r->json, made->rows);
          else
            world->tiers->forget(key);
        } else {
          r->why = made.error();
        }
      } catch (const std::exception& e) {  // no memory, most likely
        r->why = error{error_code::internal, "The catalog could not be read", e.what(), {}};
      }
      world->meter->database_s.Observe(std::chrono::duration<double>(steady_clock::now() - started).count());
      caf::anon_send(keeper, read_atom::value, std::shared_ptr<const catalog_reading>(std::move(r)));
    });
    return at->second;
  }

  void answer_failure(const flight& f, const error& why) const {
    // Addresses and users are for the log and the administration.
    const error away{error_code::unavailable, "The catalog's database does not answer", {}, 1};
    // What memory has, however old, is better than nothing while the database is away.
    const auto kept = why.code == error_code::unavailable ? world_->tiers->last_known(f.key) : nullptr;
    for (const auto& reply : f.waiting) {
      if (kept)
        (*reply)(catalog_answer{kept, answered_from::local, true, false});
      else
        (*reply)(tl::unexpected(why.code == error_code::unavailable ? away : why));
    }
    if (f.waiting.empty()) spdlog::debug("the catalog's refresh failed: {}", why.message);
    if (why.code == error_code::model_not_found) world_->tiers->forget(f.key);
  }

  // False: it does not fit.
  static bool make_list(const catalog_world& world, cache::catalog_database& db, const cache::cache_key& key,
                        const cache::generations::known& since) {
    cache::list_writer list;
    bool fits = true;
    const auto room = [&] { return fits = world.tiers->fits(list.size_bytes()); };
    std::vector<cache::offer> same;  // of one id
    const auto flush = [&] {
      if (!same.empty()) list.add(cache::merge_offers(std::move(same)));
      same.clear();
      return room();
    };
    const bool unique = key.kind == cache::cache_kind::unique;
    const auto read = db.each_offer(key.of, [&](const cache::offer& o) {
      if (!unique) {
        list.add(o);
        return room();
      }
      if (!same.empty() && same.front().id != o.id && !flush()) return false;
      same.push_back(o);
      return true;
    });
    if (!read) return true;
    if (unique && fits) flush();
    if (!fits) {
      spdlog::info("Cache SKIP: {} (more than model_cache_max_value_mb)", cache::words_for(key.kind, key.of));
      return false;
    }
    const auto rows = list.rows();
    if (rows > 0) world.tiers->keep(key, since, std::make_shared<const cache::cached_value>(list.take()), rows);
    return true;
  }

  const self_pointer self_;
  const std::shared_ptr<const catalog_world> world_;
};

}  // namespace

catalog_keeper_actor::behavior_type catalog_keeper(self_pointer self,
                                                   const std::shared_ptr<const catalog_world>& world) {
  const auto core = std::make_shared<const keeper>(self, world);
  self->delayed_send(self, warm_after, warm_atom::value);
  return {
      [core](ask_atom, const std::shared_ptr<const catalog_question>& q, const shared_reply<catalog_answer>& r) {
        core->ask(q, r);
      },
      [core](refresh_atom, const std::shared_ptr<const catalog_question>& q) { core->refresh(q); },
      [core](read_atom, const std::shared_ptr<const catalog_reading>& r) { core->read(*r); },
      [core](list_atom, cache::cache_kind kind, const std::string& of) { core->list(kind, of); },
      [core](list_atom, const std::string& name, std::uint64_t large) { core->listed(name, large); },
      [world](warm_atom) {
        if (world->warm) world->warm();
      },
  };
}

}  // namespace troupe::actors
