// Both tiers on a real redis-server; two instances on one.
#include "cache/catalog/tiers/catalog_cache.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>

#include "tests/cache/catalog/eventually.hpp"
#include "tests/cache/catalog/loopback.hpp"
#include "tests/cache/catalog/redis/redis_server.hpp"

namespace troupe::cache {
namespace {

using namespace std::chrono_literals;

cached_value_ptr value(const std::string& text) { return std::make_shared<const cached_value>(text); }

const cache_key page{cache_kind::provider, "openrouter", "limit=20"};
const cache_key stats{cache_kind::stats, {}, {}};
const cache_key list{cache_kind::provider, "openrouter", {}};
const cache_key model{cache_kind::model, "a/b:free", {}};

// One server's tiers, and a plain connection beside them.
struct instance {
  explicit instance(const redis_address& at, cache_options options = {}) {
    redis_options r;
    r.address = at;
    r.timeout_ms = 100;
    r.retry_max_ms = 100;
    options.redis_retry = 200ms;
    cache = catalog_cache::make(
        options, [r](auto on_state) { return redis_client::make(r, std::move(on_state)); },
        [r](auto on_message, auto on_listening) {
          return redis_listener::make(r, std::string(invalidation_channel), std::move(on_message),
                                      std::move(on_listening));
        });
  }
  bool up() {
    return eventually([&] { return cache->redis() == redis_health::up; });
  }
  bool down() {
    return eventually([&] { return cache->redis() == redis_health::down; });
  }
  cached_answer find(const cache_key& key) {
    std::promise<cached_answer> answer;
    cache->find(key, [&](cached_answer a) { answer.set_value(std::move(a)); });
    return answer.get_future().get();
  }
  std::string body(const cache_key& key) {
    const auto a = find(key);
    return a.value ? a.value->body : "none";
  }
  void keep(const cache_key& key, const std::string& text, std::uint64_t rows = 1) {
    keep_since(key, cache->begin(key), text, rows);
  }
  // Returns when Redis has it, or has refused it.
  void keep_since(const cache_key& key, const generations::known& since, const std::string& text,
                  std::uint64_t rows = 1) {
    cache->keep(key, since, value(text), rows);
    std::promise<void> done;
    cache->holds(key.page.empty() ? key : stats, [&](bool) { done.set_value(); });  // behind it
    done.get_future().get();
  }
  bool invalidate(std::vector<catalog_cache::scope_change> changes) {
    std::promise<bool> done;
    cache->invalidate(changes, [&](bool well) { done.set_value(well); });
    return done.get_future().get();
  }
  bool clear() {
    std::promise<bool> done;
    cache->clear([&](bool well) { done.set_value(well); });
    return done.get_future().get();
  }
  std::shared_ptr<catalog_cache> cache;
};

struct plain_connection {
  explicit plain_connection(const redis_address& at) {
    redis_options r;
    r.address = at;
    r.timeout_ms = 5000;
    client = redis_client::make(r, [this](redis_state s) {
      const std::lock_guard lock(mutex);
      state = s;
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait_for(lock, 10s, [&] { return state == redis_state::ready; });
  }
  redis_reply ask(std::vector<std::string> command) {
    std::promise<redis_reply> answer;
    client->ask(std::move(command), [&](result<redis_reply> r) {
      answer.set_value(r ? *r : redis_reply{redis_reply::failure{r.error().message}});
    });
    return answer.get_future().get();
  }
  std::string text(std::vector<std::string> command) {
    auto r = ask(std::move(command));
    auto* t = r.text();
    return t != nullptr ? *t : "none";
  }
  std::int64_t number(std::vector<std::string> command) {
    const auto r = ask(std::move(command));
    const auto* n = std::get_if<std::int64_t>(&r.value);
    return n != nullptr ? *n : -99;
  }
  std::mutex mutex;
  std::condition_variable changed;
  redis_state state = redis_state::connecting;
  std::unique_ptr<redis_client> client;
};

TEST(catalog_cache, without_redis_memory_alone) {
  auto c = catalog_cache::make({}, nullptr, nullptr);
  EXPECT_EQ(c->redis(), redis_health::off);
  c->find(page, [](const cached_answer& a) { EXPECT_EQ(a.value, nullptr); });
  c->keep(page, c->begin(page), value("[1]"), 1);
  cached_answer got;
  c->find(page, [&](cached_answer a) { got = std::move(a); });
  ASSERT_NE(got.value, nullptr);
  EXPECT_EQ(got.from, cache_tier::local);
  EXPECT_FALSE(got.stale);
  const auto since = c->begin(page);
  c->invalidate({{cache_kind::provider, "openrouter", {}}}, [](bool well) { EXPECT_TRUE(well); });
  c->find(page, [](const cached_answer& a) { EXPECT_EQ(a.value, nullptr); });
  EXPECT_NE(c->last_known(page), nullptr) << "while the database is away it is better than nothing";
  c->keep(page, since, value("[0]"), 1);
  c->find(page, [](const cached_answer& a) { EXPECT_EQ(a.value, nullptr) << "C1: it was read before"; });
  const auto n = c->counts();
  EXPECT_EQ(n.hits[1], 1u);
  EXPECT_EQ(n.misses[1], 3u);
  EXPECT_EQ(n.invalidations[1], 1u);
}

TEST(catalog_cache, disabled_finds_nothing_and_remembers_for_bad_days) {
  cache_options o;
  o.enabled = false;
  auto c = catalog_cache::make(o, nullptr, nullptr);
  c->keep(page, c->begin(page), value("[1]"), 1);
  c->find(page, [](const cached_answer& a) { EXPECT_EQ(a.value, nullptr); });
  EXPECT_EQ(c->last_known(page)->body, "[1]");
  EXPECT_EQ(c->counts().sets[1], 0u);
}

TEST(catalog_cache, stale_within_the_grace) {
  cache_options o;
  o.times.full_s = 0;
  o.times.stats_s = 0;
  auto c = catalog_cache::make(o, nullptr, nullptr);
  c->keep(stats, c->begin(stats), value("{}"), 0);
  c->find(stats, [](const cached_answer& a) {
    ASSERT_NE(a.value, nullptr);
    EXPECT_TRUE(a.stale);
  });
  EXPECT_EQ(c->counts().stale_hits, 1u);
}

TEST(catalog_cache, too_large_is_not_kept) {
  cache_options o;
  o.value_bytes_max = 10;
  auto c = catalog_cache::make(o, nullptr, nullptr);
  EXPECT_FALSE(c->fits(11));
  c->keep(page, c->begin(page), value("[1,2,3,4,5,6]"), 6);
  c->find(page, [](const cached_answer& a) { EXPECT_EQ(a.value, nullptr); });
  EXPECT_EQ(c->counts().too_large, 1u);
}

struct on_redis : ::testing::Test {
  redis_server server;
  instance a{server.address()};
  void SetUp() override { ASSERT_TRUE(a.up()); }
};

TEST_F(on_redis, the_documents_keys_and_times) {
  plain_connection redis(server.address());
  a.keep(stats, R"({"total_models":5})", 0);
  a.keep(list, "[1,2]", 2);
  a.keep(model, R"({"id":"a/b:free"})", 0);
  EXPECT_EQ(redis.text({"GET", "models:stats"}), R"({"total_models":5})");
  EXPECT_EQ(redis.text({"GET", "models:provider:openrouter"}), "[1,2]");
  EXPECT_EQ(redis.text({"GET", "models:gateway:openrouter"}), "[1,2]");
  EXPECT_NEAR(static_cast<double>(redis.number({"TTL", "models:stats"})), 900, 5);
  EXPECT_NEAR(static_cast<double>(redis.number({"TTL", "models:gateway:openrouter"})), 1800, 5);
  EXPECT_NEAR(static_cast<double>(redis.number({"TTL", "models:model:a/b:free"})), 3600, 5);
  const auto n = a.cache->counts();
  EXPECT_EQ(n.sets[static_cast<int>(cache_kind::stats)], 1u);
  EXPECT_EQ(n.sets[static_cast<int>(cache_kind::provider)], 1u);
  // What others have written is read.
  redis.ask({"SET", "models:stats", R"({"total_models":6})"});
  EXPECT_EQ(a.body(stats), R"({"total_models":6})");
  redis.ask({"SET", "models:stats", "rubbish"});
  EXPECT_NE(a.body(stats), "rubbish");
}

TEST_F(on_redis, redis_is_asked_first_and_shared) {
  instance b(server.address());
  ASSERT_TRUE(b.up());
  a.keep(page, "[1]");
  const auto got = b.find(page);
  ASSERT_NE(got.value, nullptr);
  EXPECT_EQ(got.from, cache_tier::redis);
  EXPECT_EQ(got.value->body, "[1]");
  EXPECT_EQ(b.cache->counts().hits[1], 1u);
}

TEST_F(on_redis, an_invalidation_reaches_the_other_instance) {
  instance b(server.address());
  ASSERT_TRUE(b.up());
  a.keep(page, "[1]");
  EXPECT_EQ(b.body(page), "[1]");
  EXPECT_TRUE(a.invalidate({{cache_kind::provider, "openrouter", {}}}));
  EXPECT_EQ(a.body(page), "none");
  EXPECT_EQ(b.body(page), "none");
  // Its memory has heard of it, too: Redis away, the copy is outdated.
  server.stop();
  ASSERT_TRUE(b.down());
  EXPECT_EQ(b.body(page), "none");
}

TEST_F(on_redis, an_older_refresh_undoes_nothing) {
  instance b(server.address());
  ASSERT_TRUE(b.up());
  for (const auto& key : {page, stats, list, model}) {
    a.keep(key, "[0]");
    const auto mine = a.cache->begin(key), others = b.cache->begin(key);
    a.invalidate({{key.kind, key.of, {key.of}}});
    a.keep_since(key, mine, "[\"old\"]");
    b.keep_since(key, others, "[\"old\"]");
    EXPECT_EQ(a.body(key), "none") << key.local_name();
    EXPECT_EQ(b.body(key), "none") << key.local_name();
    a.keep(key, "[2]");
    if (key.page.empty() && key.kind == cache_kind::provider) continue;  // for others' eyes
    EXPECT_EQ(a.body(key), "[2]");
    EXPECT_EQ(b.body(key), "[2]");
  }
}

TEST_F(on_redis, redis_killed_memory_answers_and_it_comes_back) {
  a.keep(page, "[1]");
  EXPECT_EQ(a.body(page), "[1]");
  server.stop();
  ASSERT_TRUE(a.down());
  const auto got = a.find(page);
  ASSERT_NE(got.value, nullptr);
  EXPECT_EQ(got.from, cache_tier::local);
  EXPECT_FALSE(a.cache->redis_error().empty());
  server.start();
  ASSERT_TRUE(a.up());
  EXPECT_EQ(a.body(page), "[1]") << "empty now: memory still has it";
  a.keep(page, "[2]");
  EXPECT_EQ(a.find(page).from, cache_tier::redis);
}

TEST_F(on_redis, what_it_missed_is_made_up_before_it_is_read) {
  a.keep(page, "[1]");
  a.keep(stats, "{}", 0);
  a.keep(list, "[1]");
  server.pause();
  // Nothing waits longer than the timeout, and soon nothing waits at all.
  const auto started = steady_clock::now();
  EXPECT_EQ(a.body(page), "[1]");
  EXPECT_LT(steady_clock::now() - started, 2s);
  ASSERT_TRUE(eventually([&] { return a.body(page), a.cache->redis() == redis_health::down; }));
  EXPECT_FALSE(a.invalidate({{cache_kind::provider, "openrouter", {}}, {cache_kind::stats, {}, {}}}));
  EXPECT_EQ(a.body(page), "none");
  server.proceed();
  ASSERT_TRUE(a.up());
  plain_connection redis(server.address());
  EXPECT_EQ(a.body(page), "none");
  EXPECT_EQ(a.body(stats), "none");
  EXPECT_EQ(redis.number({"EXISTS", "models:stats", "models:provider:openrouter", "models:gateway:openrouter"}), 0);
}

TEST_F(on_redis, open_circuit_costs_no_wait) {
  server.pause();
  ASSERT_TRUE(eventually([&] { return a.body(page), a.cache->redis() == redis_health::down; }));
  const auto started = steady_clock::now();
  for (int i = 0; i < 1000; ++i) (void)a.find(page);
  EXPECT_LT(steady_clock::now() - started, 1s);
  server.proceed();
  EXPECT_TRUE(a.up()) << "without help";
}

TEST_F(on_redis, full_redis_is_a_miss_and_no_failure) {
  redis_server small({"--maxmemory", "1", "--maxmemory-policy", "noeviction"});
  instance b(small.address());
  // It answers, though not to what fills it.
  b.cache->keep(page, b.cache->begin(page), value("[1]"), 1);
  EXPECT_EQ(b.body(page), "[1]") << "memory has it";
  EXPECT_EQ(b.find(page).from, cache_tier::local);
}

TEST_F(on_redis, clear_empties_everything_everywhere) {
  instance b(server.address());
  ASSERT_TRUE(b.up());
  plain_connection redis(server.address());
  for (const auto& key : {page, stats, list, model}) a.keep(key, "[1]");
  EXPECT_EQ(b.body(page), "[1]");
  redis.ask({"SET", "models:pricing:of/somebody", "{}"});
  redis.ask({"SET", "other", "x"});
  EXPECT_TRUE(a.clear());
  EXPECT_EQ(redis.number({"EXISTS", "models:stats", "models:provider:openrouter", "models:model:a/b:free",
                          "models:pricing:of/somebody"}),
            0);
  EXPECT_EQ(redis.number({"EXISTS", "other"}), 1);
  EXPECT_TRUE(eventually([&] { return b.cache->counts().local_entries == 0; }));
  EXPECT_EQ(b.body(page), "none");
}

TEST_F(on_redis, two_instances_invalidate_each_other_at_full_rate) {
  instance b(server.address());
  ASSERT_TRUE(b.up());
  std::atomic<bool> end{false};
  std::atomic<int> version{0};
  // Each writes what it has read "from the database"; nobody may ever find what was outdated before they asked.
  const auto storm = [&](instance& one) {
    while (!end) {
      const auto since = one.cache->begin(page);
      one.cache->keep(page, since, value("[" + std::to_string(version.load()) + "]"), 1);
      ++version;
      one.invalidate({{cache_kind::provider, "openrouter", {}}});
    }
  };
  std::thread x([&] { storm(a); }), y([&] { storm(b); });
  for (int i = 0; i < 2000; ++i)
    for (auto* one : {&a, &b}) one->find(page);
  end = true;
  x.join();
  y.join();
  EXPECT_TRUE(a.invalidate({{cache_kind::provider, "openrouter", {}}}));
  EXPECT_EQ(b.body(page), "none");
  b.keep(page, "[\"last\"]");
  EXPECT_EQ(a.body(page), "[\"last\"]");
  EXPECT_EQ(a.cache->redis(), redis_health::up);
}

TEST_F(on_redis, a_copy_ends_with_its_page_whatever_clock_wrote_it) {
  instance b(server.address());
  ASSERT_TRUE(b.up());
  plain_connection redis(server.address());
  a.keep(page, "[1]");
  auto names = redis.ask({"KEYS", "models:page:*"});
  ASSERT_NE(names.items(), nullptr);
  ASSERT_EQ(names.items()->size(), 1u);
  // As if it had been there for all of its half hour but a second.
  EXPECT_EQ(redis.number({"PEXPIRE", *names.items()->front().text(), "1000"}), 1);
  EXPECT_EQ(b.body(page), "[1]");
  server.stop();
  ASSERT_TRUE(b.down());
  std::this_thread::sleep_for(1100ms);
  const auto got = b.find(page);
  ASSERT_NE(got.value, nullptr);
  EXPECT_EQ(got.from, cache_tier::local);
  EXPECT_TRUE(got.stale);
}

TEST_F(on_redis, a_copy_lasts_no_longer_than_our_own_time) {
  cache_options hasty;
  hasty.times.full_s = hasty.times.stats_s = 1;
  instance b(server.address(), hasty);
  ASSERT_TRUE(b.up());
  a.keep(stats, "{}", 0);  // a quarter of an hour
  EXPECT_EQ(b.body(stats), "{}");
  server.stop();
  ASSERT_TRUE(b.down());
  std::this_thread::sleep_for(1100ms);
  EXPECT_TRUE(b.find(stats).stale);
}

// It may do everything but listen.
struct deaf_instance : ::testing::Test {
  redis_server server{{"--user", "deaf", "on", ">secret", "~*", "&*", "+@all", "-subscribe"}};
  instance a{server.address()};
  std::unique_ptr<instance> deaf;
  void SetUp() override {
    auto address = server.address();
    address.user = "deaf";
    address.password = "secret";
    deaf = std::make_unique<instance>(address);
    ASSERT_TRUE(a.up() && deaf->up());
    ASSERT_TRUE(eventually([&] { return a.cache->listener() == redis_health::up; }));
  }
};

TEST_F(deaf_instance, asks_for_what_it_does_not_hear) {
  EXPECT_TRUE(eventually([&] { return deaf->cache->listener_error().find("NOPERM") != std::string::npos; }));
  EXPECT_EQ(deaf->cache->listener(), redis_health::down);
  EXPECT_EQ(deaf->cache->redis(), redis_health::up);
  EXPECT_EQ(a.cache->listener_error(), "");
  a.keep(page, "[1]");
  EXPECT_EQ(deaf->body(page), "[1]");
  const auto before = deaf->cache->begin(page).epoch;
  EXPECT_TRUE(a.invalidate({{cache_kind::provider, "openrouter", {}}}));
  // Nobody reads the page meanwhile: the copy is outdated all the same, Redis away or not.
  EXPECT_TRUE(eventually([&] { return deaf->cache->begin(page).epoch != before; }));
  server.stop();
  ASSERT_TRUE(deaf->down());
  EXPECT_EQ(deaf->body(page), "none");
}

TEST_F(deaf_instance, notices_that_everything_was_cleared) {
  deaf->keep(page, "[1]");  // of a scope that the other one does not know
  EXPECT_EQ(deaf->body(page), "[1]");
  EXPECT_TRUE(a.clear());
  EXPECT_TRUE(eventually([&] { return deaf->cache->counts().local_entries == 0; }));
  EXPECT_EQ(deaf->body(page), "none");
}

TEST(catalog_cache, without_redis_nothing_is_to_be_heard) {
  const auto c = catalog_cache::make({}, nullptr, nullptr);
  EXPECT_EQ(c->listener(), redis_health::off);
  EXPECT_EQ(c->listener_error(), "");
}

TEST(catalog_cache, the_list_of_providers_is_outdated_by_itself) {
  const auto c = catalog_cache::make({}, nullptr, nullptr);
  const cache_key full{cache_kind::full, {}, "x"}, providers{cache_kind::full, std::string(all_providers), "all"};
  for (const auto& key : {full, providers}) c->keep(key, c->begin(key), value("[1]"), 1);
  const auto there = [&](const cache_key& key) {
    bool out = false;
    c->find(key, [&](const cached_answer& a) { out = a.value != nullptr; });
    return out;
  };
  c->invalidate({{cache_kind::full, std::string(all_providers), {}}}, [](bool) {});
  EXPECT_TRUE(there(full));
  EXPECT_FALSE(there(providers));
  EXPECT_EQ(c->counts().invalidations[0], 0u) << "the document counts its own";
}

TEST(catalog_cache, garbage_for_redis) {
  redis_address nowhere;
  nowhere.port = free_port();
  instance a(nowhere);
  a.cache->keep(page, a.cache->begin(page), value("[1]"), 1);
  EXPECT_EQ(a.body(page), "[1]");
  EXPECT_TRUE(a.down());
}

}  // namespace
}  // namespace troupe::cache
