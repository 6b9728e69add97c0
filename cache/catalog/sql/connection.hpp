#pragma once
// One connection to SQLite or PostgreSQL, as far as the catalog cares: transactions, statements with "$1" parameters,
// and rows that come back. Both take the same statements but for what `sql_dialect` tells apart.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cache/catalog/sql/database.hpp"
#include "cache/catalog/sql/row_spool.hpp"
#include "config/error.hpp"

namespace troupe::cache {

enum class sql_dialect : std::uint8_t { sqlite, postgresql };

using sql_value = std::variant<std::monostate, std::int64_t, double, std::string>;

struct sql_statement {
  std::string text;
  std::vector<sql_value> values{};
};

// Valid while its function runs.
class sql_row {
 public:
  virtual bool is_null(int column) const = 0;
  virtual std::string_view text(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual double real(int column) const = 0;

 protected:
  ~sql_row() = default;
};
using row_function = std::function<void(const sql_row&)>;

enum class transaction_kind : std::uint8_t {
  read,   // one snapshot
  write,  // waits busy_timeout_ms for other writers
  sync,   // waits sync_timeout_ms; its statements have no time but that
};

// Used by one thread at a time. Connects when it is asked, again after it was lost. Errors as catalog_database's.
class sql_connection {
 public:
  virtual ~sql_connection() = default;
  virtual sql_dialect dialect() const noexcept = 0;

  // Nothing has been asked when it fails.
  virtual result<void> begin(transaction_kind kind) = 0;
  virtual result<void> commit() = 0;
  virtual void rollback() noexcept = 0;

  // Inside a transaction. How many rows it changed. Prepared once, where that can be.
  virtual result<std::uint64_t> run(const sql_statement& statement, const row_function& row = nullptr) = 0;
  // Several statements without parameters, by semicolons.
  virtual result<void> run_script(const std::string& text) = 0;
  // Rows of `from` (offer_rows.hpp) into a table, as they come.
  virtual result<void> load(const std::string& table, const std::vector<std::string_view>& columns,
                            row_spool& from) = 0;
  // After so many rows have changed, outside of a transaction: what the database does better soon than later. Never
  // fails.
  virtual void tidy(std::uint64_t rows) noexcept = 0;
};

std::unique_ptr<sql_connection> make_sqlite_connection(const database_options& options);
std::unique_ptr<sql_connection> make_postgres_connection(const database_options& options);

}  // namespace troupe::cache
