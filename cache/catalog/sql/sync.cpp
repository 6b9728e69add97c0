#include "cache/catalog/sql/sync.hpp"

#include <algorithm>

#include "cache/catalog/sql/offer_rows.hpp"

namespace troupe::cache {
namespace {

std::string joined(const char* separator, const std::function<std::string(std::string_view)>& of) {
  std::string out;
  for (const auto column : offered_columns) {
    auto part = of(column);
    if (!part.empty()) out += (out.empty() ? "" : separator) + part;
  }
  return out;
}

// The rows that came, for the length of a transaction. An id that comes twice counts with its last row.
std::string make_staged(sql_dialect dialect) {
  const std::string text = dialect == sql_dialect::sqlite ? "TEXT" : "TEXT COLLATE \"C\"";
  auto out = "CREATE TEMPORARY TABLE catalog_staged (" + joined(", ", [&](std::string_view column) {
               const auto is_price = column == "prompt_price" || column == "completion_price";
               const auto is_integer = column == "context_length" || column == "created_s";
               return std::string(column) + " " + (is_price ? "DOUBLE PRECISION" : is_integer ? "BIGINT" : text);
             });
  return out + ", place BIGINT)" + (dialect == sql_dialect::sqlite ? "" : " ON COMMIT DROP");
}

std::string index_staged(sql_dialect dialect) {
  return std::string("CREATE INDEX catalog_staged_id ON catalog_staged (id, place)") +
         (dialect == sql_dialect::sqlite ? "" : "; ANALYZE catalog_staged");
}

constexpr const char* drop_repeated =
    "DELETE FROM catalog_staged WHERE EXISTS (SELECT 1 FROM catalog_staged later "
    "WHERE later.id = catalog_staged.id AND later.place > catalog_staged.place)";
constexpr const char* drop_taken_out =
    "DELETE FROM catalog_staged WHERE EXISTS (SELECT 1 FROM catalog_taken_out t "
    "WHERE t.id = catalog_staged.id AND t.provider = $1)";
constexpr const char* drop_edited =
    "DELETE FROM catalog_staged WHERE EXISTS (SELECT 1 FROM catalog_offers o "
    "WHERE o.id = catalog_staged.id AND o.provider = $1 AND o.edited = 1)";
const std::string missing =
    " FROM catalog_offers WHERE provider = $1 AND edited = 0 AND NOT EXISTS (SELECT 1 FROM catalog_staged s "
    "WHERE s.id = catalog_offers.id)";
const std::string remove_missing = "DELETE" + missing + " RETURNING id";
const std::string count_gone = "SELECT count(*)" + missing +
                               " AND NOT EXISTS (SELECT 1 FROM catalog_offers other "
                               "WHERE other.id = catalog_offers.id AND other.provider <> $1)";
constexpr const char* count_fresh =
    "SELECT count(*) FROM catalog_staged s WHERE NOT EXISTS (SELECT 1 FROM catalog_offers o WHERE o.id = s.id)";

std::string change_different() {
  const auto set = joined(
      ", ", [](std::string_view c) { return c == "id" ? std::string() : std::string(c) + " = s." + std::string(c); });
  const auto differs = joined(" OR ", [](std::string_view c) {
    return c == "id" ? std::string() : "catalog_offers." + std::string(c) + " IS DISTINCT FROM s." + std::string(c);
  });
  return "UPDATE catalog_offers SET " + set +
         " FROM catalog_staged s WHERE catalog_offers.provider = $1 AND "
         "catalog_offers.id = s.id AND (" +
         differs + ") RETURNING catalog_offers.id";
}

std::string add_new() {
  const auto columns = joined(", ", [](std::string_view c) { return std::string(c); });
  const auto values = joined(", ", [](std::string_view c) { return "s." + std::string(c); });
  return "INSERT INTO catalog_offers (provider, " + columns + ") SELECT CAST($1 AS TEXT), " + values +
         " FROM catalog_staged s WHERE NOT EXISTS (SELECT 1 FROM catalog_offers o WHERE o.id = s.id AND o.provider = "
         "$1)"
         " ORDER BY s.id RETURNING id";
}

result<std::uint64_t> number(sql_connection& on, const sql_statement& statement) {
  std::uint64_t out = 0;
  auto ok = on.run(statement, [&](const sql_row& row) { out = static_cast<std::uint64_t>(row.integer(0)); });
  if (!ok) return ok;
  return out;
}

}  // namespace

result<void> lock_writers(sql_connection& on) {
  if (auto ok = on.run({"UPDATE catalog_facts SET version = version"}); !ok) return tl::unexpected(ok.error());
  return {};
}

result<void> next_version(sql_connection& on) {
  if (auto ok = on.run({"UPDATE catalog_facts SET version = version + 1"}); !ok) return tl::unexpected(ok.error());
  return {};
}

result<void> count_again(sql_connection& on, const std::string& provider, std::int64_t ids) {
  auto ok =
      on.run({"INSERT INTO catalog_providers (name, models) VALUES ($1, (SELECT count(*) FROM catalog_offers "
              "WHERE provider = $1)) ON CONFLICT (name) DO UPDATE SET models = excluded.models",
              {provider}});
  if (ok) ok = on.run({"UPDATE catalog_facts SET models = models + $1", {ids}});
  if (!ok) return tl::unexpected(ok.error());
  return {};
}

result<void> spooled_sync::add(const std::vector<offer>& some) {
  for (const auto& row : some) {
    if (row.provider != provider_)
      return fail(error_code::bad_request, "a sync of '" + provider_ + "' has a row of '" + row.provider + "'");
    const auto stored = stored_form(row);
    if (!stored) return tl::unexpected(stored.error());
    if (auto ok = write_row(*stored, rows_); !ok) return ok;
  }
  return {};
}

result<provider_sync::outcome> spooled_sync::finish() {
  if (auto ok = on_.begin(transaction_kind::sync); !ok) return tl::unexpected(ok.error());
  auto out = merge();
  if (!out) {
    on_.rollback();
    return out;
  }
  if (auto ok = on_.commit(); !ok) return tl::unexpected(ok.error());
  on_.tidy(out->added + out->changed + out->removed);
  return out;
}

result<provider_sync::outcome> spooled_sync::merge() {
  const auto dialect = on_.dialect();
  auto columns = offered_columns;
  columns.push_back("place");
  if (auto ok = on_.run_script(make_staged(dialect)); !ok) return tl::unexpected(ok.error());
  if (auto ok = on_.load("catalog_staged", columns, rows_); !ok) return tl::unexpected(ok.error());
  if (auto ok = on_.run_script(index_staged(dialect)); !ok) return tl::unexpected(ok.error());
  if (auto ok = on_.run({drop_repeated}); !ok) return tl::unexpected(ok.error());
  if (auto ok = lock_writers(on_); !ok) return tl::unexpected(ok.error());

  outcome out;
  const auto touch = [&](const sql_row& row) { out.touched_ids.emplace_back(row.text(0)); };
  const sql_statement edited_rows{"SELECT count(*) FROM catalog_offers WHERE provider = $1 AND edited = 1",
                                  {provider_}};
  const auto taken_out = on_.run({drop_taken_out, {provider_}});
  if (!taken_out) return tl::unexpected(taken_out.error());
  if (auto ok = on_.run({drop_edited, {provider_}}); !ok) return tl::unexpected(ok.error());
  const auto edited = number(on_, edited_rows);
  if (!edited) return tl::unexpected(edited.error());
  const auto came = number(on_, {"SELECT count(*) FROM catalog_staged"});
  if (!came) return tl::unexpected(came.error());
  const auto gone = number(on_, {count_gone, {provider_}});
  if (!gone) return tl::unexpected(gone.error());
  const auto removed = on_.run({remove_missing, {provider_}}, touch);
  if (!removed) return tl::unexpected(removed.error());
  const auto changed = on_.run({change_different(), {provider_}}, touch);
  if (!changed) return tl::unexpected(changed.error());
  const auto fresh = number(on_, {count_fresh});
  if (!fresh) return tl::unexpected(fresh.error());
  const auto added = on_.run({add_new(), {provider_}}, touch);
  if (!added) return tl::unexpected(added.error());
  out.added = *added;
  out.changed = *changed;
  out.unchanged = *came - *added - *changed;
  out.removed = *removed;
  out.kept_edited = *edited + *taken_out;
  const auto ids = static_cast<std::int64_t>(*fresh) - static_cast<std::int64_t>(*gone);
  if (out.added + out.removed > 0)
    if (auto ok = count_again(on_, provider_, ids); !ok) return tl::unexpected(ok.error());
  if (out.added + out.removed + out.changed > 0)
    if (auto ok = next_version(on_); !ok) return tl::unexpected(ok.error());
  if (dialect == sql_dialect::sqlite)
    if (auto ok = on_.run_script("DROP TABLE temp.catalog_staged"); !ok) return tl::unexpected(ok.error());
  return out;
}

}  // namespace troupe::cache
