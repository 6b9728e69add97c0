#pragma once
// The pages of one connection, and what was counted for them.

#include <string>
#include <unordered_map>

#include "cache/catalog/sql/steps.hpp"

namespace troupe::cache {

class listing {
 public:
  // Inside a transaction, whose snapshot it is of. REQUIRES: check_page_query.
  catalog_page page(steps& in, const page_query& query);

 private:
  std::uint64_t total_of(steps& in, const page_query& query);

  // By filters; of one version of the rows.
  std::unordered_map<std::string, std::uint64_t> totals_;
  std::uint64_t version_ = 0;
};

// In the order that the statement gives.
std::vector<offer> offers(steps& in, const sql_statement& what);

}  // namespace troupe::cache
