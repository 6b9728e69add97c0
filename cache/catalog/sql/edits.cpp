#include "cache/catalog/sql/edits.hpp"

#include <algorithm>
#include <chrono>

#include "cache/catalog/sql/offer_rows.hpp"
#include "config/json_fault.hpp"

namespace troupe::cache {
namespace {

std::int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// A message of anybody's: what no database takes becomes '?'.
std::string storable(std::string text) {
  std::replace(text.begin(), text.end(), '\0', '?');
  for (auto bad = config::find_bad_utf8(text); bad != text.npos; bad = config::find_bad_utf8(text)) text[bad] = '?';
  return std::string(cut_text(text));
}

std::uint64_t offers_of_id(steps& in, const std::string& id) {
  return in.number({"SELECT count(*) FROM catalog_offers WHERE id = $1", {id}});
}

}  // namespace

void lock_writers(steps& in) { in.run({"UPDATE catalog_facts SET version = version"}); }

void next_version(steps& in) { in.run({"UPDATE catalog_facts SET version = version + 1"}); }

void count_again(steps& in, const std::string& provider, std::int64_t ids) {
  in.run(
      {"INSERT INTO catalog_providers (name, models) VALUES ($1, (SELECT count(*) FROM catalog_offers "
       "WHERE provider = $1)) ON CONFLICT (name) DO UPDATE SET models = excluded.models",
       {provider}});
  in.run({"UPDATE catalog_facts SET models = models + $1", {ids}});
}

void put_by_hand(steps& in, const offer& row) {
  auto values = offered_values(row);
  values.emplace_back(row.provider);
  std::string columns, places, sets;
  for (std::size_t i = 0; i < offered_columns.size(); ++i) {
    const std::string column(offered_columns[i]);
    columns += column + ", ";
    places += "$" + std::to_string(i + 1) + ", ";
    sets.append(column).append(" = excluded.").append(column).append(", ");
  }
  const auto before = offers_of_id(in, row.id);
  in.run({"INSERT INTO catalog_offers (" + columns + "provider, edited) VALUES (" + places + "$" +
              std::to_string(values.size()) + ", 1) ON CONFLICT (id, provider) DO UPDATE SET " + sets + "edited = 1",
          std::move(values)});
  in.run({"DELETE FROM catalog_taken_out WHERE id = $1 AND provider = $2", {row.id, row.provider}});
  count_again(in, row.provider, before == 0 ? 1 : 0);
}

std::vector<std::string> take_out_by_hand(steps& in, const std::string& id, const std::string& provider) {
  std::string which = " WHERE id = $1";
  std::vector<sql_value> values{id};
  if (!provider.empty()) {
    which += " AND provider = $2";
    values.emplace_back(provider);
  }
  std::vector<std::string> out;
  in.run({"SELECT provider FROM catalog_offers" + which + " ORDER BY provider", values},
         [&](const sql_row& row) { out.emplace_back(row.text(0)); });
  in.run({"INSERT INTO catalog_taken_out (id, provider) SELECT id, provider FROM catalog_offers" + which +
              " ON CONFLICT DO NOTHING",
          values});
  in.run({"DELETE FROM catalog_offers" + which, values});
  const auto left = offers_of_id(in, id);
  for (const auto& name : out) count_again(in, name, left == 0 && name == out.front() ? -1 : 0);
  return out;
}

std::vector<std::string> keep_only(steps& in, const std::vector<std::string>& providers) {
  std::vector<std::string> known, out;
  in.run({"SELECT name FROM catalog_providers ORDER BY name"},
         [&](const sql_row& row) { known.emplace_back(row.text(0)); });
  for (const auto& name : known) {
    if (std::find(providers.begin(), providers.end(), name) != providers.end()) continue;
    const auto gone =
        in.number({"SELECT count(*) FROM catalog_offers o WHERE provider = $1 AND edited = 0 AND NOT EXISTS "
                   "(SELECT 1 FROM catalog_offers other WHERE other.id = o.id AND other.provider <> $1)",
                   {name}});
    if (in.run({"DELETE FROM catalog_offers WHERE provider = $1 AND edited = 0", {name}}) > 0) out.push_back(name);
    count_again(in, name, -static_cast<std::int64_t>(gone));
    in.run({"DELETE FROM catalog_providers WHERE name = $1 AND models = 0", {name}});
  }
  return out;
}

void note_outcome(steps& in, const std::string& provider, const std::string& error) {
  const std::string synced = error.empty() ? ", synced_s = excluded.synced_s" : "";
  in.run(
      {"INSERT INTO catalog_providers (name, synced_s, attempted_s, last_error) VALUES ($1, $2, $3, $4) "
       "ON CONFLICT (name) DO UPDATE SET attempted_s = excluded.attempted_s, last_error = excluded.last_error" +
           synced,
       {provider, error.empty() ? sql_value(now_s()) : sql_value(), now_s(), storable(error)}});
}

}  // namespace troupe::cache
