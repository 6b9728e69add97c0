// PostgreSQL gone, slow, locked; and what its messages must not say.

#include <gmock/gmock.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/cache/catalog/loopback.hpp"
#include "tests/cache/catalog/sql/support.hpp"

namespace troupe::cache::tests {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

// A transaction of somebody else.
class other_session {
 public:
  other_session(const std::string& url, const std::string& sql) : c_(PQconnectdb(url.c_str())) {
    PQclear(PQexec(c_, ("BEGIN; " + sql).c_str()));
  }
  ~other_session() { PQfinish(c_); }

 private:
  PGconn* c_;
};

class PostgresFaults : public testing::Test {
 protected:
  void SetUp() override {
    server_ = postgres_server::shared();
    if (server_ == nullptr) GTEST_SKIP() << "PostgreSQL is not installed here";
    at_ = std::make_unique<place>(backend::postgresql);
  }
  std::unique_ptr<catalog_database> hurried() const {
    auto options = at_->options();
    options.busy_timeout_ms = options.sync_timeout_ms = 200;
    options.statement_timeout_ms = 300;
    return must(make_database(options));
  }
  void terminate_all() const {
    at_->ask(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
        "pg_backend_pid()");
  }
  postgres_server* server_ = nullptr;
  std::unique_ptr<place> at_;
};

TEST_F(PostgresFaults, AConnectionThatDiedUnusedIsNotMissed) {
  for (const auto which : {backend::postgresql, backend::unprepared, backend::pooled}) {
    at_ = std::make_unique<place>(which);
    if (!at_->is_there()) continue;
    const auto db = at_->open();
    sync(*db, "p", {make_offer("p", "a")});
    page_query q;
    q.search = "nothing";
    must(db->list(q));
    terminate_all();
    EXPECT_EQ(must(db->list({})).total, 1u);
    terminate_all();
    must(db->put(make_offer("p", "b")));
    terminate_all();
    sync(*db, "p", {make_offer("p", "c")});
    EXPECT_EQ(must(db->list({})).total, 2u);
  }
}

TEST_F(PostgresFaults, AConnectionThatDiesInTheMiddleIsTold) {
  const auto db = at_->open();
  std::vector<offer> rows;
  for (int i = 0; i < 4000; ++i) rows.push_back(make_offer("p", "model-" + std::to_string(i)));
  sync(*db, "p", rows);
  std::size_t seen = 0;
  const auto read = db->each_offer("", [&](const offer&) {
    if (seen++ == 0) terminate_all();
    return true;
  });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, error_code::unavailable);
  EXPECT_EQ(must(db->list({})).total, 4000u);
}

TEST_F(PostgresFaults, KilledInATransaction) {
  postgres_server own("/tmp/troupe-postgres-killed-" + std::to_string(::getpid()));
  own.start();
  database_options options;
  options.url = own.url(own.new_database());
  options.connect_timeout_ms = 2000;
  must(migrate(options));
  const auto db = must(make_database(options));
  std::vector<offer> before, after;
  for (int i = 0; i < 6000; ++i) {
    before.push_back(make_offer("p", "model-" + std::to_string(i), 1));
    after.push_back(make_offer("p", "other-" + std::to_string(i), 2));
  }
  sync(*db, "p", before);
  for (int round = 0; round < 4; ++round) {
    auto s = must(db->begin_sync("p"));
    must(s->add(after));
    std::thread killer([&] {
      std::this_thread::sleep_for(milliseconds(round * 60));
      own.kill();
    });
    const auto out = s->finish();
    killer.join();
    if (!out) {
      EXPECT_EQ(out.error().code, error_code::unavailable);
    }
    const auto down = db->list({});
    ASSERT_FALSE(down);
    EXPECT_EQ(down.error().code, error_code::unavailable);
    EXPECT_FALSE(db->begin_sync("p"));
    own.start();
    page_query q;
    q.search = "other";
    const auto changed = must(db->list(q)).total;
    EXPECT_EQ(must(db->list({})).total, 6000u);
    EXPECT_TRUE(changed == 0 || changed == 6000) << changed;
    if (out) {
      EXPECT_EQ(changed, 6000u);
    }
    sync(*db, "p", before);
  }
}

TEST_F(PostgresFaults, LockedByAnotherSession) {
  const auto db = hurried();
  sync(*db, "p", {make_offer("p", "a")});
  {
    const other_session writes(at_->options().url, "UPDATE catalog_facts SET version = version");
    EXPECT_EQ(must(db->list({})).total, 1u);
    const auto put = db->put(make_offer("p", "b"));
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code, error_code::unavailable);
    EXPECT_THAT(put.error().message, HasSubstr("locked"));
    auto s = must(db->begin_sync("p"));
    EXPECT_EQ(s->finish().error().code, error_code::unavailable);
  }
  {
    const other_session holds(at_->options().url, "LOCK TABLE catalog_offers IN ACCESS EXCLUSIVE MODE");
    page_query q;
    q.search = "abc";
    EXPECT_EQ(db->list(q).error().code, error_code::unavailable);
  }
  EXPECT_EQ(must(db->list({})).total, 1u);
}

TEST_F(PostgresFaults, TheEndCancelsWhatHangs) {
  auto options = at_->options();
  options.busy_timeout_ms = options.statement_timeout_ms = 60'000;
  const auto ends = std::make_shared<std::atomic<bool>>(false);
  options.ends = ends;
  const auto db = must(make_database(options));
  sync(*db, "p", {make_offer("p", "a")});
  {
    const other_session holds(at_->options().url, "LOCK TABLE catalog_offers IN ACCESS EXCLUSIVE MODE");
    std::thread end([&] {
      std::this_thread::sleep_for(milliseconds(200));
      ends->store(true);
    });
    page_query q;
    q.search = "abc";
    const auto begin = steady_clock::now();
    EXPECT_EQ(db->list(q).error().code, error_code::unavailable);
    EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(2));
    end.join();
    // On the server, too: nobody waits for the lock any more.
    const auto until = steady_clock::now() + std::chrono::seconds(5);
    while (at_->ask("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0") ASSERT_LT(steady_clock::now(), until);
  }
  EXPECT_EQ(db->list({}).error().code, error_code::unavailable) << "nothing more is asked";
}

TEST_F(PostgresFaults, TheEndWaitsForNoServerThatSaysNothing) {
  postgres_server own("/tmp/troupe-postgres-hung-" + std::to_string(::getpid()));
  own.start();
  database_options options;
  options.url = own.url(own.new_database());
  must(migrate(options));
  options.statement_timeout_ms = 60'000;
  const auto ends = std::make_shared<std::atomic<bool>>(false);
  options.ends = ends;
  const auto db = must(make_database(options));
  EXPECT_EQ(must(db->list({})).total, 0u);
  own.pause();
  std::thread end([&] {
    std::this_thread::sleep_for(milliseconds(200));
    ends->store(true);
  });
  page_query q;
  q.search = "abc";
  const auto begin = steady_clock::now();
  EXPECT_EQ(db->list(q).error().code, error_code::unavailable);
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(3));
  end.join();
  own.proceed();
}

TEST_F(PostgresFaults, WhoSaysNothingIsNotWaitedForLong) {
  const loopback_socket silent;
  silent.listen();
  database_options options;
  options.url = "postgresql://u:hidden@127.0.0.1:" + silent.port() + "/d";
  options.connect_timeout_ms = 300;
  const auto begin = steady_clock::now();
  const auto list = must(make_database(options))->list({});
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, error_code::unavailable);
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(PostgresFaults, PasswordsAreNeverTold) {
  for (const char* url : {"postgresql://user:hidden@127.0.0.1:1/d", "postgresql://user:hid@hidden@127.0.0.1:1/d",
                          "postgresql://user:hidden/x@127.0.0.1:1/d", "postgresql://user:hidden%ZZ@127.0.0.1:1/d",
                          "postgresql://127.0.0.1:1/d?password=hidden&what=hidden",
                          "postgresql://user:hidden@127.0.0.1:x/d", "postgresql://user:hidden@no-such-host.invalid/d",
                          "postgresql://user:hid#hidden@127.0.0.1:1/d", "postgresql://user:hid?hidden@127.0.0.1:1/d"}) {
    database_options options;
    options.url = url;
    options.connect_timeout_ms = 2000;
    const auto asked = must(make_database(options))->list({});
    ASSERT_FALSE(asked) << url;
    EXPECT_EQ(asked.error().code, error_code::unavailable) << url;
    EXPECT_THAT(asked.error().message + asked.error().detail, Not(HasSubstr("hidden"))) << url;
    EXPECT_THAT(migrate(options).error().message, Not(HasSubstr("hidden"))) << url;
  }
}

TEST_F(PostgresFaults, AnotherEncodingIsRefused) {
  server_->ask("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
  database_options options;
  options.url = server_->url("latin");
  EXPECT_THAT(migrate(options).error().message, HasSubstr("LATIN1"));
}

TEST_F(PostgresFaults, AnExtensionThatMayNotBeMadeIsDoneWithout) {
  const auto name = server_->new_database();
  server_->ask(name, "CREATE ROLE plain LOGIN; GRANT USAGE, CREATE ON SCHEMA public TO plain");
  auto url = server_->url(name);
  url.replace(url.find("postgres@"), 8, "plain");
  database_options options;
  options.url = url;
  must(migrate(options));
  must(migrate(options));
  EXPECT_EQ(server_->ask(name, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"), "0");
  const auto db = must(make_database(options));
  sync(*db, "p", {make_offer("p", "some-model")});
  page_query q;
  q.search = "ome-mod";
  EXPECT_EQ(must(db->list(q)).total, 1u);
  // Once it is there, the next start makes the index.
  server_->ask(
      name,
      "CREATE SCHEMA elsewhere; CREATE EXTENSION pg_trgm SCHEMA elsewhere; GRANT USAGE ON SCHEMA elsewhere TO plain");
  must(migrate(options));
  EXPECT_EQ(server_->ask(name, "SELECT count(*) FROM pg_indexes WHERE indexname = 'catalog_offers_folded'"), "1");
  EXPECT_EQ(must(db->list(q)).total, 1u);
}

TEST_F(PostgresFaults, APoolIsFoundOut) {
  if (!server_->start_pool()) GTEST_SKIP() << "pgbouncer is not installed here";
  at_ = std::make_unique<place>(backend::pooled);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)  // more than the pool has connections
    threads.emplace_back([&, t] {
      const auto db = at_->open();
      const auto provider = "p" + std::to_string(t);
      for (int i = 0; i < 10; ++i) {
        page_query q;
        q.search = "model";
        must(db->list(q));
        sync(*db, provider, {make_offer(provider, "model-" + std::to_string(i))});
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(must(at_->open()->list({})).total, 6u);
}

}  // namespace
}  // namespace troupe::cache::tests
