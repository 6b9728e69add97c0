#pragma once
// A database and tiers that exist in memory only, for the catalog's actors in virtual time.

#include <map>

#include "actors/catalog/catalog_worker.hpp"
#include "cache/catalog/sql/database.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors::testing {

// Rows in a map; counts what it is asked.
struct fake_database final : cache::catalog_database {
  using key = std::pair<std::string, std::string>;  // id, provider
  std::map<key, cache::offer> rows;
  std::optional<error> problem;
  int asked = 0, edits = 0;
  std::vector<std::pair<std::string, std::string>> noted;
  bool fail_finish = false;

  struct sync final : cache::provider_sync {
    sync(fake_database& db, std::string p) : db_(db), provider(std::move(p)) {}
    result<void> add(const std::vector<cache::offer>& some) override {
      for (const auto& o : some) fresh[{o.id, o.provider}] = o;
      return {};
    }
    result<outcome> finish() override {
      if (db_.fail_finish) return fail(error_code::unavailable, "the disk is full");
      outcome out;
      for (auto at = db_.rows.begin(); at != db_.rows.end();) {
        const bool gone = at->second.provider == provider && !fresh.contains(at->first);
        if (gone) out.touched_ids.push_back(at->second.id), ++out.removed;
        at = gone ? db_.rows.erase(at) : std::next(at);
      }
      for (const auto& [k, o] : fresh) {
        const auto [at, is_new] = db_.rows.try_emplace(k, o);
        if (is_new)
          ++out.added;
        else if (at->second == o)
          ++out.unchanged;
        else
          at->second = o, ++out.changed;
        if (is_new || out.changed > 0) out.touched_ids.push_back(o.id);
      }
      return out;
    }
    fake_database& db_;
    std::string provider;
    std::map<key, cache::offer> fresh;
  };

  result<cache::catalog_page> list(const cache::page_query& q) override {
    ++asked;
    if (problem) return tl::unexpected(*problem);
    cache::catalog_page page;
    for (const auto& [k, o] : rows)
      if (q.provider.empty() || q.provider == o.provider) page.offers.push_back(o);
    page.total = page.offers.size();
    return page;
  }
  result<std::vector<cache::offer>> offers_of(const std::string& id) override {
    ++asked;
    if (problem) return tl::unexpected(*problem);
    std::vector<cache::offer> out;
    for (const auto& [k, o] : rows)
      if (o.id == id) out.push_back(o);
    return out;
  }
  result<std::vector<cache::provider_facts>> providers() override {
    if (problem) return tl::unexpected(*problem);
    return std::vector<cache::provider_facts>{};
  }
  result<cache::catalog_counts> counts() override {
    ++asked;
    if (problem) return tl::unexpected(*problem);
    cache::catalog_counts c;
    c.offers = rows.size();
    return c;
  }
  result<void> each_offer(const std::string& provider, const std::function<bool(const cache::offer&)>& f) override {
    ++asked;
    if (problem) return tl::unexpected(*problem);
    for (const auto& [k, o] : rows)
      if ((provider.empty() || provider == o.provider) && !f(o)) break;
    return {};
  }
  result<std::unique_ptr<cache::provider_sync>> begin_sync(const std::string& provider) override {
    if (problem) return tl::unexpected(*problem);
    return std::unique_ptr<cache::provider_sync>(new sync(*this, provider));
  }
  result<void> note_sync(const std::string& provider, const std::string& why) override {
    noted.emplace_back(provider, why);
    return {};
  }
  result<void> put(const cache::offer& row) override {
    if (problem) return tl::unexpected(*problem);
    rows[{row.id, row.provider}] = row;
    return {};
  }
  result<cache::offer> edit(const std::string& id, const row_change& change) override {
    if (problem) return tl::unexpected(*problem);
    std::vector<cache::offer> there;
    for (const auto& [k, o] : rows)
      if (o.id == id) there.push_back(o);
    auto row = change(there);
    ++edits;
    if (row) rows[{row->id, row->provider}] = *row;
    return row;
  }
  result<std::vector<std::string>> take_out(const std::string& id, const std::string& provider) override {
    if (problem) return tl::unexpected(*problem);
    std::vector<std::string> gone;
    for (auto at = rows.begin(); at != rows.end();) {
      const bool out = at->second.id == id && (provider.empty() || provider == at->second.provider);
      if (out) gone.push_back(at->second.provider);
      at = out ? rows.erase(at) : std::next(at);
    }
    return gone;
  }
  result<std::vector<std::string>> keep_providers(const std::vector<std::string>&) override {
    return std::vector<std::string>{};
  }
  std::string kind() const override { return "fake"; }

  void add(const std::string& id, const std::string& provider, std::optional<double> price = {}) {
    cache::offer o;
    o.id = o.name = id;
    o.provider = provider;
    o.prompt_price = price;
    rows[{id, provider}] = o;
  }
};

// A worker in virtual time.
inline catalog_worker_actor spawn_worker(caf::actor_system& system, std::shared_ptr<fake_database> db) {
  return system.spawn([db](catalog_worker_actor::pointer) -> catalog_worker_actor::behavior_type {
    return {[db](work_atom, const database_work& work) { (*work)(*db); }};
  });
}

template <class T>
struct heard {
  std::vector<result<T>> answers;
  shared_reply<T> reply() {
    return std::make_shared<one_shot<T>>([this](result<T> r) { answers.push_back(std::move(r)); });
  }
};

}  // namespace troupe::actors::testing
