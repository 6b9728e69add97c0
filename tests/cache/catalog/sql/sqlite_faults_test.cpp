// SQLite's file in other hands: locked, damaged, of somebody else, and written by a process that is killed.

#include <gmock/gmock.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/cache/catalog/sql/support.hpp"

namespace troupe::cache::tests {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class SqliteFaults : public testing::Test {
 protected:
  std::string file() const { return at_.options().file.string(); }
  std::unique_ptr<catalog_database> hurried() const {
    auto options = at_.options();
    options.busy_timeout_ms = options.sync_timeout_ms = 200;
    return must(make_database(options));
  }
  static void expect_unavailable(const error& e, const std::string& what, const std::string& file) {
    EXPECT_EQ(e.code, error_code::unavailable);
    EXPECT_THAT(e.message, HasSubstr(what));
    EXPECT_THAT(e.message, HasSubstr(file));
  }
  place at_{backend::sqlite};
};

// Another process that holds the writers' lock until it goes.
class other_writer {
 public:
  explicit other_writer(const std::string& file) {
    int ready[2];
    if (::pipe(ready) != 0) return;
    child_ = ::fork();
    if (child_ == 0) {
      sqlite3* db = nullptr;
      sqlite3_open(file.c_str(), &db);
      sqlite3_exec(db, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr);
      [[maybe_unused]] const auto n = ::write(ready[1], "x", 1);
      for (;;) ::pause();
    }
    char c;
    [[maybe_unused]] const auto n = ::read(ready[0], &c, 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  ~other_writer() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_ = 0;
};

TEST_F(SqliteFaults, LockedByAnotherProcess) {
  const auto db = hurried();
  sync(*db, "p", {make_offer("p", "a")});
  {
    const other_writer holds(file());
    EXPECT_EQ(must(db->list({})).total, 1u);  // reads go on
    expect_unavailable(db->put(make_offer("p", "b")).error(), "locked", file());
    auto s = must(db->begin_sync("p"));
    must(s->add({make_offer("p", "c")}));
    expect_unavailable(s->finish().error(), "locked", file());
    expect_unavailable(db->note_sync("p", "").error(), "locked", file());
    EXPECT_EQ(must(db->list({})).total, 1u);
    auto options = at_.options();
    options.busy_timeout_ms = 200;
    expect_unavailable(migrate(options).error(), "locked", file());
  }
  must(db->put(make_offer("p", "b")));
  sync(*db, "p", {make_offer("p", "c")});
  EXPECT_EQ(must(db->list({})).total, 2u);
}

TEST_F(SqliteFaults, TheEndWaitsForNoLock) {
  auto options = at_.options();
  options.busy_timeout_ms = options.sync_timeout_ms = 60'000;
  const auto ends = std::make_shared<std::atomic<bool>>(false);
  options.ends = ends;
  const auto db = must(make_database(options));
  sync(*db, "p", {make_offer("p", "a")});
  const other_writer holds(file());
  std::thread end([&] {
    std::this_thread::sleep_for(milliseconds(200));
    ends->store(true);
  });
  const auto begin = steady_clock::now();
  expect_unavailable(db->put(make_offer("p", "b")).error(), "the server ends", file());
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(2));
  end.join();
  EXPECT_EQ(db->list({}).error().code, error_code::unavailable) << "nothing more is asked";
}

TEST_F(SqliteFaults, TheEndCutsAStatementOff) {
  std::vector<offer> rows;
  for (int i = 0; i < 6000; ++i) rows.push_back(make_offer("p", "model-" + std::to_string(i)));
  auto options = at_.options();
  const auto ends = std::make_shared<std::atomic<bool>>(false);
  options.ends = ends;
  const auto db = must(make_database(options));
  sync(*db, "p", rows);
  std::size_t seen = 0;
  const auto read = db->each_offer("", [&](const offer&) {
    ends->store(true);
    return ++seen, true;
  });
  ASSERT_FALSE(read);
  expect_unavailable(read.error(), "the server ends", file());
  EXPECT_LT(seen, rows.size());
}

TEST_F(SqliteFaults, AWriterWaitsForTheLock) {
  const auto db = at_.open();
  auto holds = std::make_unique<other_writer>(file());
  std::thread lets_go([&] {
    std::this_thread::sleep_for(milliseconds(300));
    holds.reset();
  });
  must(db->put(make_offer("p", "b")));
  lets_go.join();
}

TEST_F(SqliteFaults, NoDatabaseAtAll) {
  const place other(backend::sqlite, true);
  std::filesystem::create_directories(other.options().file.parent_path());
  std::ofstream(other.options().file) << std::string(8192, 'x');
  expect_unavailable(migrate(other.options()).error(), "no SQLite database", other.options().file);
  expect_unavailable(other.open()->list({}).error(), "no SQLite database", other.options().file);
}

TEST_F(SqliteFaults, Damaged) {
  std::vector<offer> rows;
  for (int i = 0; i < 2000; ++i) rows.push_back(make_offer("p", "model-" + std::to_string(i)));
  {
    const auto db = at_.open();
    sync(*db, "p", rows);
  }
  const auto bytes = std::filesystem::file_size(file());
  std::fstream(file(), std::ios::in | std::ios::out | std::ios::binary).seekp(4096)
      << std::string(bytes - 4096, '\xAB');
  const auto db = at_.open();
  const auto list = db->list({});
  ASSERT_FALSE(list);
  expect_unavailable(list.error(), "damaged", file());
  ASSERT_FALSE(db->list({}));
}

TEST_F(SqliteFaults, NoPlaceForTheFile) {
  database_options options;
  options.file = at_.options().file / "below" / "catalog.db";
  expect_unavailable(migrate(options).error(), "folder", options.file);
  options.file = at_.options().file.parent_path();
  EXPECT_EQ(migrate(options).error().code, error_code::unavailable);
}

TEST_F(SqliteFaults, AnUntouchedFileHasNoCatalog) {
  const place fresh(backend::sqlite, true);
  expect_unavailable(fresh.open()->list({}).error(), "no catalog", fresh.options().file);
  expect_unavailable(fresh.open()->begin_sync("p").error(), "no catalog", fresh.options().file);
}

TEST_F(SqliteFaults, KilledInTheMiddleOfASync) {
  std::vector<offer> before, after;
  for (int i = 0; i < 4000; ++i) {
    before.push_back(make_offer("p", "model-" + std::to_string(i), 1));
    after.push_back(make_offer("p", (i % 2 == 0 ? "model-" : "other-") + std::to_string(i), 2));
  }
  sync(*at_.open(), "p", before);
  for (int round = 0; round < 12; ++round) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto db = at_.open();
      for (bool later = true;; later = !later) sync(*db, "p", later ? after : before);
    }
    std::this_thread::sleep_for(milliseconds(40 + 37 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto db = at_.open();
    std::vector<offer> found;
    must(db->each_offer("", [&](const offer& o) {
      found.push_back(o);
      return true;
    }));
    ASSERT_EQ(found.size(), 4000u);
    std::size_t old = 0, other = 0;
    for (const auto& o : found) {
      old += *o.prompt_price == 1;
      other += o.id.starts_with("other-");
    }
    ASSERT_TRUE((old == 4000 && other == 0) || (old == 0 && other == 2000)) << old << " " << other;
    page_query q;
    q.search = "other";
    ASSERT_EQ(must(db->list(q)).total, other);
  }
  EXPECT_EQ(at_.ask("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteFaults, TheLogDoesNotGrowForEver) {
  const auto db = at_.open();
  std::vector<offer> rows;
  for (int i = 0; i < 3000; ++i) rows.push_back(make_offer("p", "a-model-with-some-name-" + std::to_string(i)));
  std::uintmax_t most = 0;
  for (int round = 0; round < 12; ++round) {
    for (auto& row : rows) row.name = "round " + std::to_string(round);
    sync(*db, "p", rows);
    most = std::max(most, std::filesystem::file_size(file() + "-wal"));
  }
  EXPECT_LT(most, 48u << 20);
}

TEST(DatabaseUrls, AreFilesOrPostgreSQL) {
  database_options options;
  EXPECT_EQ(make_database(options).error().code, error_code::bad_request);  // no file
  for (const char* url : {"mysql://x", "http://x", "x", "sqlite:", "sqlite::memory:", "sqlite://host/x"}) {
    options.url = url;
    EXPECT_EQ(make_database(options).error().code, error_code::bad_request) << url;
    EXPECT_EQ(migrate(options).error().code, error_code::bad_request) << url;
  }
  const place at(backend::sqlite, true);
  for (const std::string start : {"sqlite:", "sqlite://"}) {
    options.url = start + at.options().file.string();
    must(migrate(options));
    EXPECT_EQ(must(make_database(options))->kind(), "sqlite");
    EXPECT_EQ(must(must(make_database(options))->list({})).total, 0u);
  }
  options.url = "postgres://x@h/d";
  EXPECT_EQ(must(make_database(options))->kind(), "postgresql");
}

}  // namespace
}  // namespace troupe::cache::tests
