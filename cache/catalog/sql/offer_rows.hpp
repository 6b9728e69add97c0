#pragma once
// How an offer stands in the table: the columns in their order, for reading, writing and comparing.

#include <string>
#include <string_view>
#include <vector>

#include "cache/catalog/offer.hpp"
#include "cache/catalog/sql/connection.hpp"

namespace troupe::cache {

// What a provider says of a model, in the order of offered_values.
inline const std::vector<std::string_view> offered_columns{
    "id", "name", "task", "description", "prompt_price", "completion_price", "context_length", "created_s", "folded"};

// "o.provider, o.id, ..": what read_offer reads, from the first column on.
std::string read_columns(std::string_view alias);
offer read_offer(const sql_row& row);

// Checked, and cut where a text is too long.
result<offer> stored_form(offer row);
// REQUIRES: stored_form. Of offered_columns.
std::vector<sql_value> offered_values(const offer& row);
// Of offered_columns, then the row's number.
result<void> write_row(const offer& row, row_spool& to);

}  // namespace troupe::cache
