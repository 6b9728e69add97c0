#include "cache/catalog/sql/sync.hpp"

#include "cache/catalog/sql/edits.hpp"
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
constexpr const char* count_edited = "SELECT count(*) FROM catalog_offers WHERE provider = $1 AND edited = 1";
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

}  // namespace

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

spooled_sync::~spooled_sync() {
  if (to_tidy_ > 0) on_.tidy(to_tidy_);
}

result<provider_sync::outcome> spooled_sync::finish() {
  if (auto ok = on_.begin(transaction_kind::sync); !ok) return tl::unexpected(ok.error());
  steps in(on_);
  auto merged = merge(in);
  auto out = in.done(std::move(merged));
  if (!out) {
    on_.rollback();
    return out;
  }
  if (auto ok = on_.commit(); !ok) return tl::unexpected(ok.error());
  to_tidy_ = out->added + out->changed + out->removed;
  return out;
}

provider_sync::outcome spooled_sync::merge(steps& in) {
  const auto dialect = on_.dialect();
  auto columns = offered_columns;
  columns.push_back("place");
  in.script(make_staged(dialect));
  in.load("catalog_staged", columns, rows_);
  in.script(index_staged(dialect));
  in.run({drop_repeated});
  lock_writers(in);

  outcome out;
  const auto touch = [&](const sql_row& row) { out.touched_ids.emplace_back(row.text(0)); };
  const auto taken_out = in.run({drop_taken_out, {provider_}});
  in.run({drop_edited, {provider_}});
  out.kept_edited = taken_out + in.number({count_edited, {provider_}});
  const auto came = in.number({"SELECT count(*) FROM catalog_staged"});
  const auto gone = in.number({count_gone, {provider_}});
  out.removed = in.run({remove_missing, {provider_}}, touch);
  out.changed = in.run({change_different(), {provider_}}, touch);
  const auto fresh = in.number({count_fresh});
  out.added = in.run({add_new(), {provider_}}, touch);
  out.unchanged = came - out.added - out.changed;
  if (out.added + out.removed > 0)
    count_again(in, provider_, static_cast<std::int64_t>(fresh) - static_cast<std::int64_t>(gone));
  if (out.added + out.removed + out.changed > 0) next_version(in);
  if (dialect == sql_dialect::sqlite) in.script("DROP TABLE temp.catalog_staged");
  return out;
}

}  // namespace troupe::cache
