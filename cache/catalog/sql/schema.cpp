#include "cache/catalog/sql/schema.hpp"

#include <array>

namespace troupe::cache {
namespace {

// {..}: what the databases spell differently. Prices and lengths have a second column, in which what is not told is the
// last and all rise: so one comparison of rows finds the place of a cursor, and an index has it.
// A sync writes most pages of an index that begins with something of a model: there are as few as serve a first page.
// catalog_facts is one row. Who writes begins with it: so there is one writer at a time, and version counts them.
constexpr std::string_view first_version = R"(
CREATE TABLE catalog_offers (
  {row_key}
  id {text} NOT NULL,
  provider {text} NOT NULL,
  name {text} NOT NULL,
  task {text} NOT NULL,
  description {text} NOT NULL,
  prompt_price DOUBLE PRECISION,
  completion_price DOUBLE PRECISION,
  context_length BIGINT,
  created_s BIGINT,
  folded {text} NOT NULL,
  edited INTEGER NOT NULL DEFAULT 0,
  price_order DOUBLE PRECISION NOT NULL GENERATED ALWAYS AS (coalesce(prompt_price, {infinity})) STORED,
  length_order BIGINT NOT NULL GENERATED ALWAYS AS (coalesce(-context_length, 9223372036854775807)) STORED,
  UNIQUE (id, provider)
);
CREATE INDEX catalog_offers_provider ON catalog_offers (provider, id);
CREATE INDEX catalog_offers_edited ON catalog_offers (provider, id) WHERE edited = 1;
CREATE INDEX catalog_offers_task ON catalog_offers (task);
CREATE INDEX catalog_offers_price ON catalog_offers (price_order, id, provider);
CREATE INDEX catalog_offers_length ON catalog_offers (length_order, id, provider);
CREATE TABLE catalog_taken_out (id {text} NOT NULL, provider {text} NOT NULL, PRIMARY KEY (id, provider));
CREATE TABLE catalog_providers (
  name {text} PRIMARY KEY,
  models BIGINT NOT NULL DEFAULT 0,
  synced_s BIGINT,
  attempted_s BIGINT,
  last_error {text} NOT NULL DEFAULT ''
);
CREATE TABLE catalog_facts (version BIGINT NOT NULL, models BIGINT NOT NULL);
INSERT INTO catalog_facts VALUES (0, 0);
)";

// Only changed texts reach the index. It holds no copy of them: to leave it, a text is told again.
constexpr std::string_view sqlite_search = R"(
CREATE VIRTUAL TABLE catalog_search USING fts5(folded, content='', columnsize=0, tokenize='trigram case_sensitive 1');
INSERT INTO catalog_search (catalog_search, rank) VALUES ('automerge', 8);
CREATE TRIGGER catalog_offers_added AFTER INSERT ON catalog_offers BEGIN
  INSERT INTO catalog_search (rowid, folded) VALUES (new.row, new.folded);
END;
CREATE TRIGGER catalog_offers_removed AFTER DELETE ON catalog_offers BEGIN
  INSERT INTO catalog_search (catalog_search, rowid, folded) VALUES ('delete', old.row, old.folded);
END;
CREATE TRIGGER catalog_offers_changed AFTER UPDATE OF folded ON catalog_offers WHEN old.folded <> new.folded BEGIN
  INSERT INTO catalog_search (catalog_search, rowid, folded) VALUES ('delete', old.row, old.folded);
  INSERT INTO catalog_search (rowid, folded) VALUES (new.row, new.folded);
END;
)";

std::string spelled(std::string_view text, sql_dialect dialect) {
  struct word {
    std::string_view name, sqlite, postgresql;
  };
  // A rowid that is no column changes when the file is compacted.
  constexpr std::array words{word{"{row_key}", "row INTEGER PRIMARY KEY,", ""},
                             word{"{text}", "TEXT", "TEXT COLLATE \"C\""}, word{"{infinity}", "9e999", "'Infinity'"}};
  std::string out(text);
  for (const auto& w : words) {
    const auto by = dialect == sql_dialect::sqlite ? w.sqlite : w.postgresql;
    for (auto i = out.find(w.name); i != out.npos; i = out.find(w.name, i + by.size()))
      out.replace(i, w.name.size(), by);
  }
  return out;
}

// Where the extension is not there and cannot be made, searches read all rows. Tried again by the next start.
void index_texts(sql_connection& on) {
  constexpr const char* make = "CREATE EXTENSION IF NOT EXISTS pg_trgm";
  sql_statement where{
      "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
      "WHERE e.extname = 'pg_trgm'"};
  std::string schema;
  const auto look = [&] { return on.run(where, [&](const sql_row& row) { schema = row.text(0); }); };
  const auto attempt = [&](const std::string& text) {
    if (!on.run_script("SAVEPOINT attempt")) return;
    const bool done = on.run_script(text).has_value();
    static_cast<void>(on.run_script(done ? "RELEASE attempt" : "ROLLBACK TO attempt"));
  };
  if (!look()) return;
  if (schema.empty()) {
    attempt(make);
    if (!look() || schema.empty()) return;
  }
  // Rows come by thousands: what is pending is merged in large pieces.
  attempt("CREATE INDEX IF NOT EXISTS catalog_offers_folded ON catalog_offers USING gin (folded " + schema +
          ".gin_trgm_ops) WITH (gin_pending_list_limit = 32768)");
}

result<std::int64_t> version_of(sql_connection& on) {
  std::int64_t out = 0;
  if (auto ok = on.run_script("CREATE TABLE IF NOT EXISTS catalog_schema (version BIGINT NOT NULL)"); !ok)
    return tl::unexpected(ok.error());
  auto ok = on.run({"SELECT coalesce(max(version), 0) FROM catalog_schema"},
                   [&](const sql_row& row) { out = row.integer(0); });
  if (!ok) return tl::unexpected(ok.error());
  return out;
}

result<void> migrate_inside(sql_connection& on, const std::string& name) {
  // Two that come at the same time: SQLite's transaction waits by itself.
  if (on.dialect() == sql_dialect::postgresql)
    if (auto ok = on.run_script("SELECT pg_advisory_xact_lock(5932447043)"); !ok) return ok;
  const auto found = version_of(on);
  if (!found) return tl::unexpected(found.error());
  if (*found > schema_version)
    return fail(error_code::unavailable,
                name + " has schema version " + std::to_string(*found) + ", made by a newer server",
                "this one knows versions up to " + std::to_string(schema_version));
  for (auto version = *found; version < schema_version; ++version) {
    if (auto ok = on.run_script(schema_step(version, on.dialect())); !ok) return ok;
    if (auto ok = on.run({"INSERT INTO catalog_schema VALUES ($1)", {version + 1}}); !ok)
      return tl::unexpected(ok.error());
  }
  if (on.dialect() == sql_dialect::postgresql) index_texts(on);
  return {};
}

}  // namespace

std::string schema_step(std::int64_t from, sql_dialect dialect) {
  if (from != 0) return {};
  auto out = spelled(first_version, dialect);
  if (dialect == sql_dialect::sqlite) out += sqlite_search;
  return out;
}

result<void> migrate(sql_connection& on, const std::string& name) {
  if (auto ok = on.begin(transaction_kind::write); !ok) return ok;
  if (auto ok = migrate_inside(on, name); !ok) {
    on.rollback();
    return ok;
  }
  return on.commit();
}

}  // namespace troupe::cache
