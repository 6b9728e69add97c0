#include "actors/catalog/catalog_wing.hpp"

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>

#include <spdlog/spdlog.h>

#include "actors/catalog/catalog_edits.hpp"
#include "actors/catalog/catalog_keeper.hpp"
#include "actors/catalog/catalog_worker.hpp"
#include "actors/catalog/outdated.hpp"
#include "actors/catalog/provider_sync.hpp"
#include "actors/protocol/share.hpp"
#include "cache/artifacts/tools.hpp"
#include "cache/artifacts/transfer/transfers.hpp"
#include "cache/catalog/redis/redis_client.hpp"

namespace troupe::actors {
namespace {

constexpr std::size_t sync_workers = 2;
constexpr std::chrono::milliseconds patience_at_end{1000};

// One answer out of several that come in any order, on any thread.
template <class Report>
class gathering {
 public:
  gathering(std::size_t parts, one_shot<Report> reply) : open_(parts), reply_(std::move(reply)) {}
  template <class Enter>
  void part(const Enter& enter) {
    bool last = false;
    {
      const std::lock_guard lock(mutex_);
      enter(report);
      last = --open_ == 0;
    }
    if (!last) return;
    if (instead_)
      reply_(tl::unexpected(std::move(*instead_)));
    else
      reply_(std::move(report));
  }
  // While a part is entered: the first of these is the answer, once all are there.
  void fail_with(error why) {
    if (!instead_) instead_ = std::move(why);
  }
  Report report;  // before the first part

 private:
  std::mutex mutex_;
  std::size_t open_;
  std::optional<error> instead_;
  one_shot<Report> reply_;
};

// This server's own models: all that there are, so none at all is no fault.
class own_source final : public cache::provider_source {
 public:
  explicit own_source(std::function<std::vector<cache::offer>()> models) : models_(std::move(models)) {}
  result<cache::provider_reading> read(const take_rows& take, const std::atomic<bool>*) override {
    auto rows = models_();
    cache::provider_reading out;
    out.rows = rows.size();
    out.pages = 1;
    if (auto taken = take(std::move(rows)); !taken) return tl::unexpected(taken.error());
    return out;
  }

 private:
  const std::function<std::vector<cache::offer>()> models_;
};

cache::cache_options cache_options_of(const config::settings& s) {
  cache::cache_options o;
  o.enabled = s.model_cache_enabled;
  o.times.full_s = o.times.stats_s = s.model_cache_ttl_s;
  o.times.grace_s = s.model_cache_grace_s;
  o.local = {s.model_cache_local_entries, s.model_cache_local_mb << 20};
  o.value_bytes_max = s.model_cache_max_value_mb << 20;
  o.redis_timeout = std::chrono::milliseconds(s.redis_timeout_ms);
  o.redis_retry = std::chrono::milliseconds(s.redis_retry_ms);
  return o;
}

std::shared_ptr<cache::catalog_cache> tiers_of(const config::settings& s, std::function<void()> on_redis) {
  auto options = cache_options_of(s);
  options.on_redis_up = std::move(on_redis);
  if (s.redis_url.empty()) return cache::catalog_cache::make(options, nullptr, nullptr);
  auto address = cache::parse_redis_url(s.redis_url);
  if (!address) {
    spdlog::error("redis_url: {}; the catalog is cached in memory alone", address.error().message);
    return cache::catalog_cache::make(options, nullptr, nullptr);
  }
  cache::redis_options redis;
  redis.address = std::move(*address);
  redis.ca_file = s.ca_file.string();
  redis.timeout_ms = s.redis_timeout_ms;
  redis.reply_bytes_max = (s.model_cache_max_value_mb << 20) + (1 << 20);
  return cache::catalog_cache::make(
      options, [redis](auto on_state) { return cache::redis_client::make(redis, std::move(on_state)); },
      [redis](auto on_message, auto on_listening) {
        return cache::redis_listener::make(redis, std::string(cache::invalidation_channel), std::move(on_message),
                                           std::move(on_listening));
      });
}

bool is_asked_over_http(const config::catalog_provider& p) { return p.type == "openai" || p.type == "huggingface"; }

cache::database_options database_of(const config::settings& s) {
  cache::database_options o;
  o.url = s.database_url;
  o.file = s.catalog_file();
  o.sync_timeout_ms = 60000;
  return o;
}

cache::database_options with_end(cache::database_options o, std::shared_ptr<const std::atomic<bool>> ends) {
  o.ends = std::move(ends);
  return o;
}

class closed_wing final : public catalog_wing, public catalog_service {
 public:
  explicit closed_wing(error why) : why_(std::move(why)) {}
  catalog_service& service() override { return *this; }
  void ask(catalog_question, one_shot<catalog_answer> reply) override { reply(tl::unexpected(why_)); }
  void warm(one_shot<warm_report> reply) override { reply(tl::unexpected(why_)); }
  void clear(std::string, one_shot<clear_report> reply) override { reply(tl::unexpected(why_)); }
  void sync(std::string, one_shot<sync_report> reply) override { reply(tl::unexpected(why_)); }
  void edit(offer_edit, one_shot<edit_report> reply) override { reply(tl::unexpected(why_)); }
  void take_out(std::string, std::string, one_shot<edit_report> reply) override { reply(tl::unexpected(why_)); }
  catalog_state state() override {
    catalog_state out;
    out.database_error = why_.message;
    return out;
  }

 private:
  const error why_;
};

class open_wing final : public catalog_wing, public catalog_service {
 public:
  open_wing(caf::actor_system& system, const config::settings& settings,
            const std::function<std::vector<cache::offer>()>& own_models, prometheus::Registry& metrics,
            const cache::database_options& database)
      : system_(system),
        settings_(settings),
        times_(cache_options_of(settings).times),
        meter_(std::make_shared<catalog_metrics>(metrics, times_)),
        cut_off_(std::make_shared<std::atomic<bool>>(false)),
        schema_(std::make_shared<catalog_schema>(with_end(database, cut_off_))),
        health_(std::make_shared<database_health>()) {
    if (std::any_of(settings.providers.begin(), settings.providers.end(), is_asked_over_http))
      net_ = std::make_unique<cache::transfers>(cache::transfer_options_of(settings), cache::system_resolver());
    tiers_ = tiers_of(settings, [this] { warm_at_start(); });
    auto world = std::make_shared<catalog_world>();
    for (std::uint32_t i = 0; i < settings.catalog_readers; ++i) world->readers.push_back(worker("catalog", database));
    world->tiers = tiers_;
    world->providers = settings.providers;
    world->waiters_max = settings.max_catalog_waiters;
    world->meter = meter_;
    world->warm = [this] { warm_at_start(); };
    readers_ = world->readers;
    keeper_ = system_.spawn(catalog_keeper, std::shared_ptr<const catalog_world>(std::move(world)));
    editor_ = worker("catalog-edits", database);
    for (std::size_t i = 0; i < std::min(sync_workers, settings.providers.size()); ++i)
      sync_workers_.push_back(worker("catalog-sync", database));
    forget_others();
    for (std::size_t i = 0; i < settings.providers.size(); ++i) {
      const auto& p = settings.providers[i];
      syncs_.push_back(system_.spawn(provider_sync, std::shared_ptr<const sync_world>(world_of(p, own_models, i))));
    }
    ready_ = true;
    if (tiers_->redis() != cache::redis_health::down) warm_at_start();  // else when it is up, or in a moment
  }
  ~open_wing() override {
    ending_->store(true);
    std::promise<void> ended;
    // What is written is finished, if that takes no longer; a statement that hangs, and one that waits for somebody
    // else's lock, is not waited for.
    std::thread cut([this, has_ended = ended.get_future()] {
      if (has_ended.wait_for(patience_at_end) != std::future_status::ready) cut_off_->store(true);
    });
    caf::scoped_actor self{system_};
    // Handles stay: what Redis' thread sends to one that has ended is dropped, and answers who asked. All are told
    // before any is waited for: each may be in the middle of something with the database.
    const auto tell = [&](const auto& actors) {
      for (const auto& a : actors) self->send_exit(a, caf::exit_reason::user_shutdown);
    };
    auto workers = sync_workers_;
    workers.insert(workers.end(), readers_.begin(), readers_.end());
    workers.push_back(editor_);
    std::vector keepers{keeper_};
    tell(syncs_);
    tell(keepers);
    tell(workers);
    self->wait_for(syncs_);
    self->wait_for(keepers);
    self->wait_for(workers);
    ended.set_value();
    cut.join();
    tiers_.reset();
  }
  catalog_service& service() override { return *this; }

  void ask(catalog_question question, one_shot<catalog_answer> reply) override {
    const auto started = steady_clock::now();
    auto asked = std::make_shared<const catalog_question>(std::move(question));
    auto key = key_of(*asked);
    tiers_->find(key, [this, asked, started, reply = share(std::move(reply))](cache::cached_answer a) {
      if (!a.value) {
        caf::anon_send(keeper_, ask_atom::value, asked, timed(reply, started));
        return;
      }
      if (a.stale) caf::anon_send(keeper_, refresh_atom::value, asked);
      const auto from = a.from == cache::cache_tier::redis ? answered_from::redis : answered_from::local;
      meter_->answered(from, seconds_since(started));
      (*reply)(catalog_answer{std::move(a.value), from, a.stale, false});
    });
  }

  void warm(one_shot<warm_report> reply) override {
    // The document's: the full catalog, the unique models, and the gateways that people ask for first.
    std::vector<catalog_question> wanted(2);
    wanted[1].page.unique = true;
    for (const auto& gateway : settings_.model_cache_warm_providers) wanted.emplace_back().page.provider = gateway;
    wanted.emplace_back().about = catalog_subject::stats;
    const auto started = steady_clock::now();
    const auto all = std::make_shared<gathering<warm_report>>(wanted.size(), std::move(reply));
    all->report.entries.resize(wanted.size());
    const auto is_configured = [&](const std::string& name) {
      const auto& all_of_them = settings_.providers;
      return std::any_of(all_of_them.begin(), all_of_them.end(), [&](const auto& p) { return p.name == name; });
    };
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const auto key = key_of(wanted[i]);
      all->report.entries[i].what = words_for(key.kind, key.of);
      const bool may_be_unknown = key.kind == cache::cache_kind::provider && !is_configured(key.of);
      ask(std::move(wanted[i]),
          one_shot<catalog_answer>([all, i, started, may_be_unknown](const result<catalog_answer>& a) {
            all->part([&](warm_report& r) {
              if (!a)
                r.entries[i].why = a.error();
              else
                r.entries[i].unknown = may_be_unknown && a->empty;
              r.duration_s = seconds_since(started);
            });
          }));
    }
  }

  void clear(std::string gateway, one_shot<clear_report> reply) override {
    auto then = [gateway, reply = share(std::move(reply))](bool everywhere) {
      (*reply)(clear_report{gateway, everywhere});
    };
    if (gateway.empty()) return tiers_->clear(std::move(then));
    tiers_->invalidate(outdated_by({gateway}, {}), std::move(then));
  }

  void sync(std::string provider, one_shot<sync_report> reply) override {
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < settings_.providers.size(); ++i)
      if (provider.empty() || settings_.providers[i].name == provider) wanted.push_back(i);
    if (wanted.empty() && !provider.empty()) {
      std::string names;
      for (const auto& p : settings_.providers) names += (names.empty() ? "" : ", ") + p.name;
      return reply(fail(error_code::model_not_found, "Provider not found: " + provider,
                        names.empty() ? "none is configured" : "configured are " + names));
    }
    if (wanted.empty()) return reply(sync_report{});
    const auto all = std::make_shared<gathering<sync_report>>(wanted.size(), std::move(reply));
    all->report.providers.resize(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      auto told = share(one_shot<sync_result>([all, i, p = settings_.providers[wanted[i]]](result<sync_result> r) {
        all->part([&](sync_report& report) {
          auto& entry = report.providers[i];
          if (r) {
            entry = std::move(*r);
          } else {
            entry.provider = p.name;
            entry.type = p.type;
            entry.why = r.error();
            if (r.error().code == error_code::deadline_exceeded) all->fail_with(r.error());
          }
        });
      }));
      caf::anon_send(syncs_[wanted[i]], sync_atom::value, std::move(told));
    }
  }

  void edit(offer_edit change, one_shot<edit_report> reply) override {
    give(editor_, [tiers = tiers_, change = std::move(change), reply = share(std::move(reply))](auto& db) {
      carry_out_edit(db, *tiers, change, std::move(*reply));
    });
  }
  void take_out(std::string id, std::string provider, one_shot<edit_report> reply) override {
    give(editor_, [tiers = tiers_, id = std::move(id), provider = std::move(provider), reply = share(std::move(reply))](
                      auto& db) { carry_out_removal(db, *tiers, id, provider, std::move(*reply)); });
  }

  catalog_state state() override {
    const std::lock_guard lock(following_);  // the metrics follow one state after the other
    catalog_state out;
    out.counts = tiers_->counts();
    out.redis = tiers_->redis();
    out.redis_error = tiers_->redis_error();
    out.listener = tiers_->listener();
    out.listener_error = tiers_->listener_error();
    out.database = kind_;
    out.database_up = health_->up();
    out.database_error = health_->why();
    out.waiting = static_cast<std::uint32_t>(meter_->waiting.Value());
    out.times = times_;
    meter_->follow(out);
    return out;
  }

 private:
  static double seconds_since(steady_time t) { return std::chrono::duration<double>(steady_clock::now() - t).count(); }

  shared_reply<catalog_answer> timed(const shared_reply<catalog_answer>& reply, steady_time started) const {
    return share(one_shot<catalog_answer>([reply, started, meter = meter_](result<catalog_answer> a) {
      if (a) meter->answered(a->from, seconds_since(started));
      (*reply)(std::move(a));
    }));
  }

  template <class Work>
  static void give(const catalog_worker_actor& worker, Work work) {
    caf::anon_send(worker, work_atom::value,
                   std::make_shared<const std::function<void(cache::catalog_database&)>>(std::move(work)));
  }

  catalog_worker_actor worker(const std::string& name, const cache::database_options& database) {
    // Its options were good when the wing was made.
    auto connection = cache::make_database(with_end(database, cut_off_));
    kind_ = (*connection)->kind();
    std::shared_ptr<cache::catalog_database> shared = watched(std::move(*connection), schema_, health_);
    return system_.spawn<caf::detached>(catalog_worker, name, shared);
  }

  std::shared_ptr<sync_world> world_of(const config::catalog_provider& p,
                                       const std::function<std::vector<cache::offer>()>& own_models, std::size_t i) {
    auto world = std::make_shared<sync_world>();
    world->provider = p;
    world->tools.tiers = tiers_;
    world->tools.ending = ending_;
    if (p.type == "local") {
      world->tools.source = [own_models] { return std::make_unique<own_source>(own_models); };
    } else {
      world->tools.source = [this, p] { return cache::make_provider_source(p, settings_, net_.get()); };
    }
    world->worker = sync_workers_[i % sync_workers_.size()];
    world->meter = meter_;
    // Before the connection of who asks is closed (http/edge/ waits half a minute longer).
    world->answer_within =
        std::chrono::milliseconds(std::max(settings_.max_request_timeout_ms, settings_.load_timeout_ms));
    return world;
  }

  // Rows of providers that the configuration has no more. A database that several servers share may have others'.
  void forget_others() {
    if (kind_ != "sqlite") return;
    std::vector<std::string> names;
    names.reserve(settings_.providers.size());
    for (const auto& p : settings_.providers) names.push_back(p.name);
    give(editor_, [tiers = tiers_, names](cache::catalog_database& db) {
      const auto gone = db.keep_providers(names);
      if (!gone || gone->empty()) return;
      for (const auto& name : *gone) spdlog::info("the catalog forgets {}, which is configured no more", name);
      tiers->clear([](bool) {});
    });
  }

  void warm_at_start() {
    if (!settings_.model_cache_warm_on_startup || !ready_ || ending_->load() || warmed_.exchange(true)) return;
    warm(one_shot<warm_report>([](const result<warm_report>& r) {
      if (!r) return;
      std::size_t failed = 0, unknown = 0;
      for (const auto& e : r->entries) failed += e.why ? 1 : 0, unknown += e.unknown ? 1 : 0;
      spdlog::debug("the catalog's cache is warm: {} entries in {:.3f} s, {} failed, {} unknown",
                    r->entries.size() - failed - unknown, r->duration_s, failed, unknown);
    }));
  }
  caf::actor_system& system_;
  const config::settings& settings_;
  const cache::cache_times times_;
  const std::shared_ptr<catalog_metrics> meter_;
  const std::shared_ptr<std::atomic<bool>> cut_off_;  // true: the database is asked nothing more
  const std::shared_ptr<catalog_schema> schema_;
  const std::shared_ptr<database_health> health_;
  const std::shared_ptr<std::atomic<bool>> ending_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<cache::transfers> net_;  // null: nobody is asked over HTTP
  std::mutex following_;
  std::atomic<bool> ready_{false}, warmed_{false};
  std::string kind_;
  std::shared_ptr<cache::catalog_cache> tiers_;
  std::vector<catalog_worker_actor> readers_, sync_workers_;
  catalog_worker_actor editor_;
  catalog_keeper_actor keeper_;
  std::vector<provider_sync_actor> syncs_;
};

}  // namespace

std::unique_ptr<catalog_wing> catalog_wing::make(caf::actor_system& system, const config::settings& settings,
                                                 const std::function<std::vector<cache::offer>()>& own_models,
                                                 prometheus::Registry& metrics) {
  const auto database = database_of(settings);
  if (auto usable = cache::make_database(database); !usable) {
    spdlog::error("the catalog cannot be kept: {}", usable.error().message);
    return std::make_unique<closed_wing>(usable.error());
  }
  return std::make_unique<open_wing>(system, settings, own_models, metrics, database);
}

}  // namespace troupe::actors
