// The catalog's questions over one connection, whichever database it leads to.

#include "cache/catalog/sql/database.hpp"

#include <algorithm>
#include <chrono>
#include <unordered_map>

#include "cache/catalog/sql/connection.hpp"
#include "cache/catalog/sql/list_statement.hpp"
#include "cache/catalog/sql/offer_rows.hpp"
#include "cache/catalog/sql/schema.hpp"
#include "cache/catalog/sql/sync.hpp"
#include "config/json_fault.hpp"
#include "config/names.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t totals_max = 256;
constexpr std::uint32_t rows_at_a_time = 2000;  // of each_offer: what is held at once

std::int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::optional<std::int64_t> time_of(const sql_row& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

std::uint64_t count_of(const sql_row& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

// A message of anybody's: what no database takes becomes '?'.
std::string storable(std::string text) {
  std::replace(text.begin(), text.end(), '\0', '?');
  for (auto bad = config::find_bad_utf8(text); bad != text.npos; bad = config::find_bad_utf8(text)) text[bad] = '?';
  return std::string(cut_text(text));
}

result<void> check_provider(const std::string& name) {
  if (config::is_provider_name(name)) return {};
  return fail(error_code::bad_request, "a provider's name is not [a-z0-9][a-z0-9._-]*, 64 bytes at most");
}

class sql_database final : public catalog_database {
 public:
  sql_database(std::unique_ptr<sql_connection> on, std::string name) : on_(std::move(on)), name_(std::move(name)) {}

  result<catalog_page> list(const page_query& query) override {
    if (auto ok = check_page_query(query); !ok) return tl::unexpected(ok.error());
    return within(transaction_kind::read, [&]() -> result<catalog_page> {
      const auto total = total_of(query);
      if (!total) return tl::unexpected(total.error());
      auto page = page_of(query, *total);
      if (page) page->total = *total;
      return page;
    });
  }

  result<std::vector<offer>> offers_of(const std::string& id) override {
    if (!check_catalog_id(id)) return std::vector<offer>{};
    return within(transaction_kind::read, [&]() -> result<std::vector<offer>> {
      return offers({"SELECT " + read_columns("o") +
                         " FROM catalog_offers o WHERE o.id = $1 "
                         "ORDER BY o.price_order, o.provider",
                     {id}});
    });
  }

  result<std::vector<provider_facts>> providers() override {
    return within(transaction_kind::read, [&]() -> result<std::vector<provider_facts>> {
      std::vector<provider_facts> out;
      const auto ok =
          on_->run({"SELECT name, models, synced_s, attempted_s, last_error FROM catalog_providers ORDER BY name"},
                   [&](const sql_row& row) {
                     out.push_back({std::string(row.text(0)), count_of(row, 1), time_of(row, 2), time_of(row, 3),
                                    std::string(row.text(4))});
                   });
      if (!ok) return tl::unexpected(ok.error());
      return out;
    });
  }

  result<catalog_counts> counts() override {
    return within(transaction_kind::read, [&]() -> result<catalog_counts> {
      catalog_counts out;
      auto ok = on_->run({"SELECT count(*), count(prompt_price), coalesce(sum(CASE WHEN prompt_price = 0 AND "
                          "coalesce(completion_price, 0) = 0 THEN 1 ELSE 0 END), 0), coalesce(sum(edited), 0) "
                          "FROM catalog_offers"},
                         [&](const sql_row& row) {
                           out.offers = count_of(row, 0);
                           out.priced = count_of(row, 1);
                           out.free = count_of(row, 2);
                           out.edited = count_of(row, 3);
                         });
      if (ok)
        ok = on_->run(
            {"SELECT (SELECT models FROM catalog_facts), count(CASE WHEN models > 0 THEN 1 END), max(synced_s) "
             "FROM catalog_providers"},
            [&](const sql_row& row) {
              out.models = count_of(row, 0);
              out.providers = count_of(row, 1);
              out.synced_s = time_of(row, 2);
            });
      if (ok)
        ok = on_->run({"SELECT task, count(*) AS n FROM catalog_offers GROUP BY task ORDER BY n DESC, task"},
                      [&](const sql_row& row) { out.by_task.emplace_back(row.text(0), count_of(row, 1)); });
      if (!ok) return tl::unexpected(ok.error());
      return out;
    });
  }

  result<void> each_offer(const std::string& provider, const std::function<bool(const offer&)>& f) override {
    if (provider.find('\0') != provider.npos || config::find_bad_utf8(provider) != provider.npos) return {};
    return within(transaction_kind::read, [&]() -> result<void> {
      page_query some;
      some.provider = provider;
      some.limit = rows_at_a_time;
      for (;;) {
        const auto rows = offers(page_statement(some, on_->dialect(), page_plan::many));
        if (!rows) return tl::unexpected(rows.error());
        for (const auto& row : *rows)
          if (!f(row)) return {};
        if (rows->size() <= rows_at_a_time) return {};
        some.after = page_place{std::nullopt, rows->back().id, rows->back().provider};
      }
    });
  }

  result<std::unique_ptr<provider_sync>> begin_sync(const std::string& provider) override {
    if (auto ok = check_provider(provider); !ok) return tl::unexpected(ok.error());
    if (auto ok = within(transaction_kind::read, []() -> result<void> { return {}; }); !ok)
      return tl::unexpected(ok.error());
    return std::make_unique<spooled_sync>(*on_, provider);
  }

  result<void> note_sync(const std::string& provider, const std::string& error) override {
    if (auto ok = check_provider(provider); !ok) return ok;
    return within(transaction_kind::write, [&]() -> result<void> {
      const std::string synced = error.empty() ? ", synced_s = excluded.synced_s" : "";
      const auto ok =
          on_->run({"INSERT INTO catalog_providers (name, synced_s, attempted_s, last_error) VALUES ($1, $2, $3, "
                    "$4) ON CONFLICT (name) DO UPDATE SET attempted_s = excluded.attempted_s, last_error = "
                    "excluded.last_error" +
                        synced,
                    {provider, error.empty() ? sql_value(now_s()) : sql_value(), now_s(), storable(error)}});
      if (!ok) return tl::unexpected(ok.error());
      return {};
    });
  }

  result<void> put(const offer& row) override {
    const auto stored = stored_form(row);
    if (!stored) return tl::unexpected(stored.error());
    return writing([&]() -> result<void> {
      auto values = offered_values(*stored);
      values.emplace_back(stored->provider);
      std::string columns, places, sets;
      for (std::size_t i = 0; i < offered_columns.size(); ++i) {
        const std::string column(offered_columns[i]);
        columns += column + ", ";
        places += "$" + std::to_string(i + 1) + ", ";
        sets += column + " = excluded." + column + ", ";
      }
      const auto provider = "$" + std::to_string(values.size());
      const auto before = number({"SELECT count(*) FROM catalog_offers WHERE id = $1", {stored->id}});
      if (!before) return tl::unexpected(before.error());
      auto ok = on_->run({"INSERT INTO catalog_offers (" + columns + "provider, edited) VALUES (" + places + provider +
                              ", 1) ON CONFLICT (id, provider) DO UPDATE SET " + sets + "edited = 1",
                          std::move(values)});
      if (ok)
        ok =
            on_->run({"DELETE FROM catalog_taken_out WHERE id = $1 AND provider = $2", {stored->id, stored->provider}});
      if (!ok) return tl::unexpected(ok.error());
      return count_again(*on_, stored->provider, *before == 0 ? 1 : 0);
    });
  }

  result<std::vector<std::string>> take_out(const std::string& id, const std::string& provider) override {
    using names = std::vector<std::string>;
    if (!check_catalog_id(id) || (!provider.empty() && !config::is_provider_name(provider))) return names{};
    return writing([&]() -> result<names> {
      const std::string which = provider.empty() ? " WHERE id = $1" : " WHERE id = $1 AND provider = $2";
      std::vector<sql_value> values{id};
      if (!provider.empty()) values.emplace_back(provider);
      names out;
      auto ok = on_->run({"SELECT provider FROM catalog_offers" + which + " ORDER BY provider", values},
                         [&](const sql_row& row) { out.emplace_back(row.text(0)); });
      if (ok)
        ok = on_->run({"INSERT INTO catalog_taken_out (id, provider) SELECT id, provider FROM catalog_offers" + which +
                           " ON CONFLICT DO NOTHING",
                       values});
      if (ok) ok = on_->run({"DELETE FROM catalog_offers" + which, values});
      if (!ok) return tl::unexpected(ok.error());
      const auto left = number({"SELECT count(*) FROM catalog_offers WHERE id = $1", {id}});
      if (!left) return tl::unexpected(left.error());
      for (const auto& name : out)
        if (auto done = count_again(*on_, name, *left == 0 && name == out.front() ? -1 : 0); !done)
          return tl::unexpected(done.error());
      return out;
    });
  }

  result<std::vector<std::string>> keep_providers(const std::vector<std::string>& names) override {
    return writing([&]() -> result<std::vector<std::string>> {
      std::vector<std::string> known, out;
      auto ok = on_->run({"SELECT name FROM catalog_providers ORDER BY name"},
                         [&](const sql_row& row) { known.emplace_back(row.text(0)); });
      if (!ok) return tl::unexpected(ok.error());
      for (const auto& name : known) {
        if (std::find(names.begin(), names.end(), name) != names.end()) continue;
        const auto gone =
            number({"SELECT count(*) FROM catalog_offers o WHERE provider = $1 AND edited = 0 AND NOT EXISTS "
                    "(SELECT 1 FROM catalog_offers other WHERE other.id = o.id AND other.provider <> $1)",
                    {name}});
        if (!gone) return tl::unexpected(gone.error());
        const auto removed = on_->run({"DELETE FROM catalog_offers WHERE provider = $1 AND edited = 0", {name}});
        if (!removed) return tl::unexpected(removed.error());
        if (auto done = count_again(*on_, name, -static_cast<std::int64_t>(*gone)); !done)
          return tl::unexpected(done.error());
        ok = on_->run({"DELETE FROM catalog_providers WHERE name = $1 AND models = 0", {name}});
        if (!ok) return tl::unexpected(ok.error());
        if (*removed > 0) out.push_back(name);
      }
      return out;
    });
  }

  std::string kind() const override { return on_->dialect() == sql_dialect::sqlite ? "sqlite" : "postgresql"; }

 private:
  // A transaction that ends with what `f` does, whichever way `f` ends.
  template <class F>
  std::invoke_result_t<F> within(transaction_kind kind, F f) {
    struct open_transaction {
      sql_connection* on;
      ~open_transaction() {
        if (on != nullptr) on->rollback();
      }
    };
    if (auto ok = on_->begin(kind); !ok) return tl::unexpected(ok.error());
    open_transaction open{on_.get()};
    if (auto ok = check_schema(); !ok) return tl::unexpected(ok.error());
    auto out = f();
    if (!out) return out;
    open.on = nullptr;
    if (auto ok = on_->commit(); !ok) return tl::unexpected(ok.error());
    return out;
  }

  // The same, of one that changes rows.
  template <class F>
  std::invoke_result_t<F> writing(F f) {
    return within(transaction_kind::write, [&]() -> std::invoke_result_t<F> {
      if (auto ok = lock_writers(*on_); !ok) return tl::unexpected(ok.error());
      auto out = f();
      if (!out) return out;
      if (auto ok = next_version(*on_); !ok) return tl::unexpected(ok.error());
      return out;
    });
  }

  result<void> check_schema() {
    if (schema_known_) return {};
    std::int64_t found = 0;
    const auto ok = on_->run({"SELECT coalesce(max(version), 0) FROM catalog_schema"},
                             [&](const sql_row& row) { found = row.integer(0); });
    if (!ok && ok.error().code == error_code::unavailable) return tl::unexpected(ok.error());
    if (!ok || found != schema_version)
      return fail(error_code::unavailable,
                  name_ + (ok ? " has schema version " + std::to_string(found) : " has no catalog"),
                  "this server has version " + std::to_string(schema_version));
    schema_known_ = true;
    return {};
  }

  result<std::vector<offer>> offers(const sql_statement& what) {
    std::vector<offer> out;
    const auto ok = on_->run(what, [&](const sql_row& row) { out.push_back(read_offer(row)); });
    if (!ok) return tl::unexpected(ok.error());
    return out;
  }

  result<std::uint64_t> number(const sql_statement& what) {
    std::uint64_t out = 0;
    const auto ok = on_->run(what, [&](const sql_row& row) { out = count_of(row, 0); });
    if (!ok) return tl::unexpected(ok.error());
    return out;
  }

  // Counted once, until somebody writes.
  result<std::uint64_t> total_of(const page_query& query) {
    page_query all, counted = query;
    all.provider = query.provider;
    all.unique = query.unique;
    counted.order = all.order;
    const auto filters = filters_text(counted);
    if (filters == filters_text(all)) {
      if (!query.provider.empty())
        return number({"SELECT models FROM catalog_providers WHERE name = $1", {query.provider}});
      return number({query.unique ? "SELECT models FROM catalog_facts"
                                  : "SELECT coalesce(sum(models), 0) FROM catalog_providers"});
    }
    std::int64_t version = 0;
    const auto ok =
        on_->run({"SELECT version FROM catalog_facts"}, [&](const sql_row& row) { version = row.integer(0); });
    if (!ok) return tl::unexpected(ok.error());
    if (version != totals_version_ || totals_.size() >= totals_max) totals_.clear();
    totals_version_ = version;
    if (const auto known = totals_.find(filters); known != totals_.end()) return known->second;
    auto out = number(count_statement(query, on_->dialect()));
    if (out) totals_.emplace(filters, *out);
    return out;
  }

  result<catalog_page> page_of(const page_query& query, std::uint64_t total) {
    catalog_page out;
    if (total == 0) return out;
    auto rows = offers(page_statement(query, on_->dialect(), plan_for(query, total)));
    if (!rows) return tl::unexpected(rows.error());
    if (!query.unique) {
      out.has_more = rows->size() > query.limit;
      if (out.has_more) rows->pop_back();
      out.offers = std::move(*rows);
      return out;
    }
    for (auto row = rows->begin(); row != rows->end();) {
      const auto end = std::find_if(row, rows->end(), [&](const offer& o) { return o.id != row->id; });
      out.has_more = out.models.size() == query.limit;
      if (out.has_more) break;
      out.models.push_back(merge_offers({std::move_iterator(row), std::move_iterator(end)}));
      row = end;
    }
    return out;
  }

  std::unique_ptr<sql_connection> on_;
  std::string name_;
  bool schema_known_ = false;
  std::unordered_map<std::string, std::uint64_t> totals_;
  std::int64_t totals_version_ = -1;
};

// Of a file, without its password where it is a URL.
struct named_connection {
  std::unique_ptr<sql_connection> on;
  std::string name;
};

result<named_connection> connect(database_options options) {
  const std::string_view url = options.url;
  constexpr std::string_view file_scheme = "sqlite:";
  if (url.starts_with("postgresql://") || url.starts_with("postgres://"))
    return named_connection{make_postgres_connection(options), "the database of DATABASE_URL"};
  if (url.starts_with(file_scheme)) {
    auto path = url.substr(file_scheme.size());
    if (path.starts_with("///")) path.remove_prefix(2);
    if (path.starts_with("//")) path = {};
    options.file = path;
  } else if (!url.empty()) {
    return fail(error_code::bad_request, "the database's URL has another scheme",
                "postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:FILE");
  }
  if (options.file.empty() || options.file.string().starts_with(":"))
    return fail(error_code::bad_request, "the catalog's database names no file");
  std::error_code no;
  if (auto whole = std::filesystem::absolute(options.file, no); !no) options.file = std::move(whole);
  auto name = "the catalog's file " + options.file.string();
  return named_connection{make_sqlite_connection(options), std::move(name)};
}

}  // namespace

result<std::unique_ptr<catalog_database>> make_database(const database_options& options) {
  auto c = connect(options);
  if (!c) return tl::unexpected(c.error());
  return std::make_unique<sql_database>(std::move(c->on), std::move(c->name));
}

result<void> migrate(const database_options& options) {
  auto c = connect(options);
  if (!c) return tl::unexpected(c.error());
  return migrate(*c->on, c->name);
}

}  // namespace troupe::cache
