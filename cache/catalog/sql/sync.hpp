#pragma once
// A provider's rows, replaced: spooled while the provider is read, then merged in one transaction.

#include "cache/catalog/sql/connection.hpp"
#include "cache/catalog/sql/database.hpp"
#include "cache/catalog/sql/row_spool.hpp"

namespace troupe::cache {

class spooled_sync final : public provider_sync {
 public:
  // `on` outlives it.
  spooled_sync(sql_connection& on, std::string provider) : on_(on), provider_(std::move(provider)) {}

  result<void> add(const std::vector<offer>& some) override;
  result<outcome> finish() override;

 private:
  result<outcome> merge();

  sql_connection& on_;
  std::string provider_;
  row_spool rows_;
};

// First in every transaction that writes: waits for the other writers.
result<void> lock_writers(sql_connection& on);
// In those that added or removed rows of `provider`, so that listings need not count: its rows anew, and how many ids
// have come (less those that have gone) that no other provider offers.
result<void> count_again(sql_connection& on, const std::string& provider, std::int64_t ids);
// Where rows changed: what was counted of the rows of before holds no longer.
result<void> next_version(sql_connection& on);

}  // namespace troupe::cache
