#pragma once
// A page's question in SQL: pure, and nearly the same text for both databases.

#include "cache/catalog/page_query.hpp"
#include "cache/catalog/sql/connection.hpp"

namespace troupe::cache {

// How a page's rows are found. The planner of neither database sees how many rows a search or a price range lets
// through; the count, which is asked before the page, knows it.
enum class page_plan : std::uint8_t {
  few,   // all rows that match, then sorted
  many,  // in the order of the page, until it is full
};
// `total`: what the count came to.
page_plan plan_for(const page_query& query, std::uint64_t total);

// One row, one number: how many rows (unique: ids) the filters let through.
sql_statement count_statement(const page_query& query, sql_dialect dialect);

// The page's rows and the first one behind it (unique: all offers of these ids, by id), as read_offer reads them.
// REQUIRES: check_page_query.
sql_statement page_statement(const page_query& query, sql_dialect dialect, page_plan plan);

}  // namespace troupe::cache
