#pragma once
// The tables, indices and what keeps the text index in step: one description for both databases, in versions.

#include <string>

#include "cache/catalog/sql/connection.hpp"

namespace troupe::cache {

// Of the newest schema. A database of a newer one is refused.
inline constexpr std::int64_t schema_version = 1;

// What leads from version `from` to the next.
std::string schema_step(std::int64_t from, sql_dialect dialect);

// Brings the schema to schema_version. `name`: of the database, for messages.
result<void> migrate(sql_connection& on, const std::string& name);

}  // namespace troupe::cache
