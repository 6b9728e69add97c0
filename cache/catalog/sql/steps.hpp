#pragma once
// Statements of one transaction, one after the other, until one fails: what comes after it does nothing.

#include <optional>
#include <utility>

#include "cache/catalog/sql/connection.hpp"

namespace troupe::cache {

class steps {
 public:
  explicit steps(sql_connection& on) : on_(on) {}

  // How many rows it changed; 0 where nothing is done.
  std::uint64_t run(const sql_statement& what, const row_function& row = nullptr) {
    return failed_ ? 0 : kept(on_.run(what, row)).value_or(0);
  }
  // The first field of what it answers.
  std::uint64_t number(const sql_statement& what) {
    std::uint64_t out = 0;
    run(what, [&](const sql_row& row) { out = static_cast<std::uint64_t>(row.integer(0)); });
    return out;
  }
  void script(const std::string& text) {
    if (!failed_) kept(on_.run_script(text));
  }
  void load(const std::string& table, const std::vector<std::string_view>& columns, row_spool& from) {
    if (!failed_) kept(on_.load(table, columns, from));
  }

  void refuse(error why) {
    if (!failed_) failed_ = std::move(why);
  }

  bool have_failed() const noexcept { return failed_.has_value(); }
  sql_connection& on() const noexcept { return on_; }
  template <class T>
  result<T> done(T value) {
    if (failed_) return tl::unexpected(std::move(*failed_));
    return value;
  }
  result<void> done() {
    if (failed_) return tl::unexpected(std::move(*failed_));
    return {};
  }

 private:
  template <class T>
  result<T> kept(result<T> what) {
    if (!what) failed_ = what.error();
    return what;
  }

  sql_connection& on_;
  std::optional<error> failed_;
};

}  // namespace troupe::cache
