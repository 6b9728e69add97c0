// PostgreSQL through libpq. Settings are a transaction's own: a pool in between hands out connections that others
// have used.

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "cache/catalog/sql/connection.hpp"
#include "cache/catalog/sql/postgres_wire.hpp"

namespace troupe::cache {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t statements_max = 64;
constexpr std::uint64_t vacuumed_rows = 1000, vacuumed_share = 10;
constexpr milliseconds patience{2000};  // with a server that should have ended a statement by itself

class postgres_row final : public sql_row {
 public:
  postgres_row(const PGresult* from, int row) : from_(from), row_(row) {}
  bool is_null(int column) const override { return PQgetisnull(from_, row_, column) != 0; }
  std::string_view text(int column) const override { return {PQgetvalue(from_, row_, column), length(column)}; }
  std::int64_t integer(int column) const override { return number<std::int64_t>(column); }
  double real(int column) const override { return number<double>(column); }

 private:
  std::size_t length(int column) const { return static_cast<std::size_t>(PQgetlength(from_, row_, column)); }
  template <class T>
  T number(int column) const {
    const auto t = text(column);
    T out{};
    std::from_chars(t.data(), t.data() + t.size(), out);
    return out;
  }

  const PGresult* from_;
  int row_;
};

struct as_text {
  std::optional<std::string> operator()(std::monostate) const { return std::nullopt; }
  std::optional<std::string> operator()(const std::string& value) const { return value; }
  template <class T>
  std::optional<std::string> operator()(T value) const {
    std::array<char, 32> text{};
    return std::string(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
  }
};

// A statement's values as libpq takes them.
class texts_of {
 public:
  explicit texts_of(const std::vector<sql_value>& values) {
    for (const auto& value : values) texts_.push_back(std::visit(as_text{}, value));
    for (const auto& text : texts_) pointers_.push_back(text ? text->c_str() : nullptr);
  }
  const std::vector<const char*>& pointers() const { return pointers_; }

 private:
  std::vector<std::optional<std::string>> texts_;
  std::vector<const char*> pointers_;
};

class postgres_connection final : public sql_connection {
 public:
  explicit postgres_connection(const database_options& options)
      : options_(options), prepares_(options.prepare_statements) {}

  sql_dialect dialect() const noexcept override { return sql_dialect::postgresql; }

  result<void> begin(transaction_kind kind) override {
    if (options_.at_end()) return fail(error_code::unavailable, "PostgreSQL is not asked any more");
    const bool is_new = wire_ == nullptr || wire_->is_lost();
    if (auto ok = connect(); !ok) return ok;
    auto ok = begin_on_wire(kind);
    if (ok || is_new || !wire_->is_lost()) return ok;
    // It died while it was not needed: nothing was asked of it, so it is not missed.
    if (ok = connect(); !ok) return ok;
    return begin_on_wire(kind);
  }

  result<void> commit() override {
    auto ok = run_script("COMMIT");
    if (!ok) rollback();
    return ok;
  }

  void rollback() noexcept override {
    if (wire_ && !wire_->is_lost()) {
      until_ = steady_clock::now() + patience;
      static_cast<void>(run_script("ROLLBACK"));
    }
  }

  result<std::uint64_t> run(const sql_statement& what, const row_function& row) override {
    auto answer = ask(what);
    if (!answer) return tl::unexpected(answer.error());
    const auto* rows = answer->get();
    if (row)
      for (int i = 0; i < PQntuples(rows); ++i) row(postgres_row(rows, i));
    const std::string_view changed = PQcmdTuples(answer->get());
    std::uint64_t out = 0;
    std::from_chars(changed.data(), changed.data() + changed.size(), out);
    return out;
  }

  result<void> run_script(const std::string& text) override {
    auto ok = wire_->ask(text.c_str(), until());
    if (!ok) return tl::unexpected(ok.error());
    return {};
  }

  result<void> load(const std::string& table, const std::vector<std::string_view>& columns, row_spool& from) override {
    std::string names;
    for (const auto column : columns) names.append(names.empty() ? "" : ", ").append(column);
    if (auto ok = from.rewind(); !ok) return ok;
    if (auto ok = run_script("COPY " + table + " (" + names + ") FROM STDIN"); !ok) return ok;
    for (;;) {
      const auto some = from.read();
      if (!some) {
        wire_.reset();  // in the middle of a copy there is no other way out
        return tl::unexpected(some.error());
      }
      if (some->empty()) return wire_->end_copy(until());
      if (auto ok = wire_->copy(*some, until()); !ok) return ok;
    }
  }

  // Autovacuum does it too, within a minute; until then the planner knows nothing of a catalog that was empty.
  void tidy(std::uint64_t rows) noexcept override {
    until_ = steady_clock::now() + milliseconds(options_.sync_timeout_ms);
    constexpr const char* known =
        "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'catalog_offers'::regclass";
    const auto answer = wire_ && !wire_->is_lost() ? wire_->ask(known, until()) : result<postgres_result>(nullptr);
    if (!answer || !*answer) return;
    const auto before = static_cast<std::uint64_t>(postgres_row(answer->get(), 0).integer(0));
    if (rows >= vacuumed_rows && rows * vacuumed_share >= before)
      static_cast<void>(run_script("VACUUM (ANALYZE, SKIP_LOCKED) catalog_offers"));
  }

 private:
  result<void> connect() {
    if (wire_ && !wire_->is_lost()) return {};
    if (wire_ && wire_->is_pooled()) prepares_ = false;
    wire_.reset();
    statements_.clear();
    auto made = postgres_wire::connect(options_);
    if (!made) return tl::unexpected(made.error());
    wire_ = std::move(*made);
    if (wire_->is_pooled()) prepares_ = false;
    return {};
  }

  result<void> begin_on_wire(transaction_kind kind) {
    const bool is_sync = kind == transaction_kind::sync;
    statement_ = milliseconds(is_sync ? options_.sync_timeout_ms : options_.statement_timeout_ms);
    until_.reset();
    const auto lock_ms = is_sync ? options_.sync_timeout_ms : options_.busy_timeout_ms;
    // Plans are made for the values at hand: a search's rows are all or none of them.
    std::string text = kind == transaction_kind::read ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN";
    text += "; SET LOCAL statement_timeout = " + std::to_string(statement_.count());
    text += "; SET LOCAL lock_timeout = " + std::to_string(lock_ms);
    text += "; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL jit = off";
    if (is_sync) text += "; SET LOCAL work_mem = '64MB'";
    return run_script(text);
  }

  steady_time until() const { return until_ ? *until_ : steady_clock::now() + statement_ + patience; }

  result<postgres_result> ask(const sql_statement& what) {
    const texts_of values(what.values);
    if (!prepares_) return wire_->ask(what.text.c_str(), values.pointers(), until());
    auto known = statements_.find(what.text);
    if (known == statements_.end()) {
      if (statements_.size() >= statements_max) {
        if (auto ok = run_script("DEALLOCATE ALL"); !ok) return tl::unexpected(ok.error());
        statements_.clear();
      }
      const auto name = "troupe_" + std::to_string(++names_);
      if (auto ok = wire_->prepare(name, what.text, until()); !ok) return tl::unexpected(ok.error());
      known = statements_.emplace(what.text, name).first;
    }
    return wire_->ask_prepared(known->second, values.pointers(), until());
  }

  database_options options_;
  bool prepares_;
  std::unique_ptr<postgres_wire> wire_;
  std::unordered_map<std::string, std::string> statements_;  // names by texts
  std::uint64_t names_ = 0;
  milliseconds statement_{0};
  std::optional<steady_time> until_;
};

}  // namespace

std::unique_ptr<sql_connection> make_postgres_connection(const database_options& options) {
  return std::make_unique<postgres_connection>(options);
}

}  // namespace troupe::cache
