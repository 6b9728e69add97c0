#pragma once
// Edits by hand: which offer is meant, what it is afterwards, and what is outdated by it. Blocks; for a worker.

#include "actors/protocol/catalog.hpp"
#include "cache/catalog/sql/database.hpp"

namespace troupe::actors {

// The provider of an offer that nobody else has.
inline constexpr std::string_view manual_provider = "manual";

// Pure. The row as it is to be; bad_request where several providers offer the id and none is named.
result<cache::offer> edited_offer(const offer_edit& change, const std::vector<cache::offer>& there);

// `then` when the caches know.
void carry_out_edit(cache::catalog_database& db, cache::catalog_cache& tiers, const offer_edit& change,
                    one_shot<edit_report> reply);
void carry_out_removal(cache::catalog_database& db, cache::catalog_cache& tiers, const std::string& id,
                       const std::string& provider, one_shot<edit_report> reply);

}  // namespace troupe::actors
