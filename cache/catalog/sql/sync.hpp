#pragma once
// A provider's rows, replaced: spooled while the provider is read, then merged in one transaction.

#include "cache/catalog/sql/connection.hpp"
#include "cache/catalog/sql/database.hpp"
#include "cache/catalog/sql/row_spool.hpp"
#include "cache/catalog/sql/steps.hpp"

namespace troupe::cache {

class spooled_sync final : public provider_sync {
 public:
  // `on` outlives it.
  spooled_sync(sql_connection& on, std::string provider) : on_(on), provider_(std::move(provider)) {}
  // Tidies after what was written: seconds, for which nobody who is told of the sync need wait.
  ~spooled_sync() override;

  result<void> add(const std::vector<offer>& some) override;
  result<outcome> finish() override;

 private:
  outcome merge(steps& in);

  sql_connection& on_;
  std::string provider_;
  row_spool rows_;
  std::uint64_t to_tidy_ = 0;  // rows that were written
};

}  // namespace troupe::cache
