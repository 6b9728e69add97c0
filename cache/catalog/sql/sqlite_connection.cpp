// SQLite in a file, in WAL mode: readers see the rows of before while somebody writes.

#include <sqlite3.h>

#include <algorithm>
#include <thread>
#include <unordered_map>

#include "cache/catalog/sql/connection.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::size_t statements_max = 64;
constexpr int cache_kib = 8 * 1024, sync_cache_kib = 192 * 1024;  // a sync touches pages all over
constexpr int wal_bytes_kept = 64 << 20;
constexpr int checkpoint_pages = 4000;
constexpr int steps_between_looks = 10'000;  // at the clock
constexpr milliseconds longest_pause{50};    // between tries of a lock

struct closes {
  void operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using statement_ptr = std::unique_ptr<sqlite3_stmt, closes>;

class sqlite_row final : public sql_row {
 public:
  explicit sqlite_row(sqlite3_stmt* from) : from_(from) {}
  bool is_null(int column) const override { return sqlite3_column_type(from_, column) == SQLITE_NULL; }
  std::string_view text(int column) const override {
    const auto* bytes = sqlite3_column_text(from_, column);
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(from_, column))};
  }
  std::int64_t integer(int column) const override { return sqlite3_column_int64(from_, column); }
  double real(int column) const override { return sqlite3_column_double(from_, column); }

 private:
  sqlite3_stmt* from_;
};

struct binds {
  sqlite3_stmt* to;
  int at;
  int operator()(std::monostate) const { return sqlite3_bind_null(to, at); }
  int operator()(std::int64_t value) const { return sqlite3_bind_int64(to, at, value); }
  int operator()(double value) const { return sqlite3_bind_double(to, at, value); }
  int operator()(const std::string& value) const {
    return sqlite3_bind_text64(to, at, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
};

class sqlite_connection final : public sql_connection {
 public:
  explicit sqlite_connection(const database_options& options) : options_(options) {}

  sql_dialect dialect() const noexcept override { return sql_dialect::sqlite; }

  result<void> begin(transaction_kind kind) override {
    if (options_.at_end()) return fail(error_code::unavailable, "the catalog's file is not asked any more");
    if (auto ok = open(); !ok) return ok;
    const auto busy_ms = kind == transaction_kind::sync ? options_.sync_timeout_ms : options_.busy_timeout_ms;
    waited_ms_ = busy_ms;
    deadline_ = kind == transaction_kind::sync
                    ? no_deadline
                    : steady_clock::now() + milliseconds(options_.statement_timeout_ms) + milliseconds(busy_ms);
    if (kind == transaction_kind::sync)
      if (auto ok = set_cache(sync_cache_kib); !ok) return ok;
    // A sync fills its temporary table first: it locks the file with its first statement on it.
    return run_script(kind == transaction_kind::write ? "BEGIN IMMEDIATE" : "BEGIN");
  }

  result<void> commit() override {
    auto ok = run_script("COMMIT");
    if (!ok) rollback();
    return ok;
  }

  void rollback() noexcept override {
    deadline_ = no_deadline;
    if (db_ && sqlite3_get_autocommit(db_.get()) == 0) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    if (lost_) close();
  }

  result<std::uint64_t> run(const sql_statement& what, const row_function& row) override {
    auto statement = prepared(what.text);
    if (!statement) return tl::unexpected(statement.error());
    auto* s = *statement;
    for (std::size_t i = 0; i < what.values.size(); ++i) {
      const auto at = sqlite3_bind_parameter_index(s, ("$" + std::to_string(i + 1)).c_str());
      if (at > 0 && std::visit(binds{s, at}, what.values[i]) != SQLITE_OK) return failed();
    }
    const auto before = sqlite3_total_changes64(db_.get());
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW)
      if (row) row(sqlite_row(s));
    auto out = code == SQLITE_DONE ? result<std::uint64_t>(sqlite3_total_changes64(db_.get()) == before ? 0 : changes())
                                   : result<std::uint64_t>(failed());
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return out;
  }

  result<void> run_script(const std::string& text) override {
    if (sqlite3_exec(db_.get(), text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) return failed();
    return {};
  }

  result<void> load(const std::string& table, const std::vector<std::string_view>& columns, row_spool& from) override {
    sql_statement insert{"INSERT INTO " + table + " VALUES ("};
    for (std::size_t i = 0; i < columns.size(); ++i) insert.text += (i == 0 ? "$" : ", $") + std::to_string(i + 1);
    insert.text += ")";
    if (auto ok = from.rewind(); !ok) return ok;
    for (;;) {
      auto some = from.read();
      if (!some) return tl::unexpected(some.error());
      if (some->empty()) return {};
      while (!some->empty()) {
        insert.values.clear();
        for (auto& field : take_row(*some)) insert.values.push_back(field ? sql_value(std::move(*field)) : sql_value());
        if (auto ok = run(insert, nullptr); !ok) return tl::unexpected(ok.error());
      }
    }
  }

  void tidy(std::uint64_t) noexcept override {
    if (!db_) return;
    static_cast<void>(set_cache(cache_kib));
    std::error_code no;
    if (fs::file_size(options_.file.string() + "-wal", no) <= wal_bytes_kept || no) return;
    waited_ms_ = 100;  // a reader who stays keeps the log as it is until the next time
    sqlite3_exec(db_.get(), "PRAGMA wal_checkpoint(TRUNCATE)", nullptr, nullptr, nullptr);
  }

 private:
  result<void> set_cache(int kib) { return run_script("PRAGMA cache_size = -" + std::to_string(kib)); }

  // Of the last statement, without those of its triggers.
  std::uint64_t changes() const { return static_cast<std::uint64_t>(sqlite3_changes64(db_.get())); }

  result<void> open() {
    if (db_) return {};
    const auto file = options_.file.string();
    std::error_code no;
    if (options_.file.has_parent_path()) fs::create_directories(options_.file.parent_path(), no);
    if (no) return fail(error_code::unavailable, "the folder of " + file + " cannot be made: " + no.message());
    sqlite3* db = nullptr;
    constexpr int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const auto code = sqlite3_open_v2(file.c_str(), &db, flags, nullptr);
    db_.reset(db);
    if (code != SQLITE_OK) return close_failed();
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    waited_ms_ = options_.busy_timeout_ms;
    sqlite3_busy_handler(db, &sqlite_connection::waits_on, this);
    sqlite3_progress_handler(db, steps_between_looks, &sqlite_connection::is_late, this);
    deadline_ = no_deadline;
    const auto set_up = "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = " + std::to_string(checkpoint_pages) +
                        "; PRAGMA temp.cache_size = -" + std::to_string(cache_kib) +
                        "; PRAGMA journal_size_limit = " + std::to_string(wal_bytes_kept);
    if (!set_cache(cache_kib) || !run_script(set_up)) return close_failed();
    if (!write_ahead()) return close_failed();
    return {};
  }

  // Once in a file's life this wants the file for itself, and SQLite does not wait for it.
  bool write_ahead() {
    const auto until = steady_clock::now() + milliseconds(options_.busy_timeout_ms);
    while (!run_script("PRAGMA journal_mode = WAL")) {
      if ((sqlite3_errcode(db_.get()) & 0xFF) != SQLITE_BUSY || steady_clock::now() > until || options_.at_end())
        return false;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return true;
  }

  tl::unexpected<error> close_failed() {
    auto out = failed();
    close();
    return out;
  }

  void close() noexcept {
    statements_.clear();
    db_.reset();
    lost_ = false;
  }

  result<sqlite3_stmt*> prepared(const std::string& text) {
    if (const auto s = statements_.find(text); s != statements_.end()) return s->second.get();
    if (statements_.size() >= statements_max) statements_.clear();
    sqlite3_stmt* made = nullptr;
    const auto code = sqlite3_prepare_v3(db_.get(), text.data(), static_cast<int>(text.size()),
                                         SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    if (code != SQLITE_OK) return failed();
    return statements_.emplace(text, made).first->second.get();
  }

  static int is_late(void* self) {
    const auto& me = *static_cast<sqlite_connection*>(self);
    return me.options_.at_end() || steady_clock::now() > me.deadline_;
  }

  // Another one has the lock: SQLite's own patience would outlast the process' end.
  static int waits_on(void* self, int times) {
    auto& me = *static_cast<sqlite_connection*>(self);
    const auto now = steady_clock::now();
    if (times == 0) me.wait_ends_ = now + milliseconds(me.waited_ms_);
    if (now >= me.wait_ends_ || me.options_.at_end()) return 0;
    const auto pause = std::min(milliseconds(1 << std::min(times, 6)), longest_pause);
    std::this_thread::sleep_until(std::min(now + pause, me.wait_ends_));
    return 1;
  }

  tl::unexpected<error> failed() {
    const auto code = db_ ? sqlite3_errcode(db_.get()) & 0xFF : SQLITE_NOMEM;
    const auto about = "the catalog's file " + options_.file.string() + " ";
    const auto unavailable = [&](const std::string& what, const char* detail = "") {
      return fail(error_code::unavailable, about + what, detail);
    };
    if (options_.at_end() && (code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_INTERRUPT))
      return unavailable("was left alone: the server ends");
    switch (code) {
      case SQLITE_BUSY:
      case SQLITE_LOCKED: return unavailable("was locked by another writer for " + std::to_string(waited_ms_) + " ms");
      case SQLITE_INTERRUPT: return unavailable("did not answer within its time");
      case SQLITE_NOTADB: lost_ = true; return unavailable("is no SQLite database", "a file of its own, or none");
      case SQLITE_CORRUPT:
        lost_ = true;
        return unavailable("is damaged", "remove it (providers are read anew, edits by hand are lost) or restore it");
      case SQLITE_FULL: return unavailable("has no room on its disk");
      case SQLITE_ERROR:
      case SQLITE_CONSTRAINT:
      case SQLITE_MISMATCH:
      case SQLITE_TOOBIG:
      case SQLITE_RANGE: return fail(error_code::internal, about + "refuses a statement: " + sqlite3_errmsg(db_.get()));
      default: lost_ = true; return unavailable("cannot be used: " + std::string(sqlite3_errmsg(db_.get())));
    }
  }

  database_options options_;
  std::unique_ptr<sqlite3, closes> db_;
  std::unordered_map<std::string, statement_ptr> statements_;
  steady_time deadline_ = no_deadline;
  std::uint32_t waited_ms_ = 0;  // for another one's lock, at most
  steady_time wait_ends_;        // of the wait that goes on
  bool lost_ = false;            // opened again by the next transaction
};

}  // namespace

std::unique_ptr<sql_connection> make_sqlite_connection(const database_options& options) {
  return std::make_unique<sqlite_connection>(options);
}

}  // namespace troupe::cache
