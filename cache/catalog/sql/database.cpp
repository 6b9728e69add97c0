// The catalog's questions over one connection, whichever database it leads to.

#include "cache/catalog/sql/database.hpp"

#include <type_traits>

#include "cache/catalog/sql/edits.hpp"
#include "cache/catalog/sql/list_statement.hpp"
#include "cache/catalog/sql/listing.hpp"
#include "cache/catalog/sql/offer_rows.hpp"
#include "cache/catalog/sql/schema.hpp"
#include "cache/catalog/sql/sync.hpp"
#include "config/json_fault.hpp"
#include "config/names.hpp"
#include "config/provider_name_rule.hpp"

namespace troupe::cache {
namespace {

constexpr std::uint32_t rows_at_a_time = 2000;  // of each_offer: what is held at once

std::optional<std::int64_t> time_of(const sql_row& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}

std::uint64_t count_of(const sql_row& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

result<void> check_provider(const std::string& name) {
  if (config::is_provider_name(name)) return {};
  return fail(error_code::bad_request, "a provider's name is none", std::string(config::provider_name_rule));
}

class sql_database final : public catalog_database {
 public:
  sql_database(std::unique_ptr<sql_connection> on, std::string name) : on_(std::move(on)), name_(std::move(name)) {}

  result<catalog_page> list(const page_query& query) override {
    if (auto ok = check_page_query(query); !ok) return tl::unexpected(ok.error());
    return within(transaction_kind::read, [&](steps& in) { return listing_.page(in, query); });
  }

  result<std::vector<offer>> offers_of(const std::string& id) override {
    if (!check_catalog_id(id)) return std::vector<offer>{};
    return within(transaction_kind::read, [&](steps& in) { return offers_in(in, id); });
  }

  result<std::vector<provider_facts>> providers() override {
    return within(transaction_kind::read, [&](steps& in) {
      std::vector<provider_facts> out;
      in.run({"SELECT name, models, synced_s, attempted_s, last_error FROM catalog_providers ORDER BY name"},
             [&](const sql_row& row) {
               out.push_back({std::string(row.text(0)), count_of(row, 1), time_of(row, 2), time_of(row, 3),
                              std::string(row.text(4))});
             });
      return out;
    });
  }

  result<catalog_counts> counts() override {
    return within(transaction_kind::read, [&](steps& in) {
      catalog_counts out;
      in.run({"SELECT count(*), count(prompt_price), coalesce(sum(CASE WHEN prompt_price = 0 AND "
              "coalesce(completion_price, 0) = 0 THEN 1 ELSE 0 END), 0), coalesce(sum(edited), 0) FROM catalog_offers"},
             [&](const sql_row& row) {
               out.offers = count_of(row, 0);
               out.priced = count_of(row, 1);
               out.free = count_of(row, 2);
               out.edited = count_of(row, 3);
             });
      in.run({"SELECT (SELECT models FROM catalog_facts), count(CASE WHEN models > 0 THEN 1 END), max(synced_s) "
              "FROM catalog_providers"},
             [&](const sql_row& row) {
               out.models = count_of(row, 0);
               out.providers = count_of(row, 1);
               out.synced_s = time_of(row, 2);
             });
      in.run({"SELECT task, count(*) AS n FROM catalog_offers GROUP BY task ORDER BY n DESC, task"},
             [&](const sql_row& row) { out.by_task.emplace_back(row.text(0), count_of(row, 1)); });
      return out;
    });
  }

  result<void> each_offer(const std::string& provider, const std::function<bool(const offer&)>& f) override {
    if (!provider.empty() && !config::is_provider_name(provider)) return {};
    return within(transaction_kind::read, [&](steps& in) {
      page_query some;
      some.provider = provider;
      some.limit = rows_at_a_time;
      for (;;) {
        const auto rows = offers(in, page_statement(some, on_->dialect(), page_plan::many));
        for (const auto& row : rows)
          if (!f(row)) return;
        if (rows.size() <= rows_at_a_time) return;
        some.after = page_place{std::nullopt, rows.back().id, rows.back().provider};
      }
    });
  }

  result<std::unique_ptr<provider_sync>> begin_sync(const std::string& provider) override {
    if (auto ok = check_provider(provider); !ok) return tl::unexpected(ok.error());
    // A database that is not there is told before the provider is read.
    if (auto ok = within(transaction_kind::read, [](steps&) {}); !ok) return tl::unexpected(ok.error());
    return std::make_unique<spooled_sync>(*on_, provider);
  }

  result<void> note_sync(const std::string& provider, const std::string& error) override {
    if (auto ok = check_provider(provider); !ok) return ok;
    return within(transaction_kind::write, [&](steps& in) { note_outcome(in, provider, error); });
  }

  result<void> put(const offer& row) override {
    const auto stored = stored_form(row);
    if (!stored) return tl::unexpected(stored.error());
    return writing([&](steps& in) { put_by_hand(in, *stored); });
  }

  result<offer> edit(const std::string& id, const row_change& change) override {
    if (auto ok = check_catalog_id(id); !ok) return tl::unexpected(ok.error());
    return writing([&](steps& in) {
      const auto there = offers_in(in, id);
      if (in.have_failed()) return offer{};
      const auto row = change(there);
      const auto stored = row ? stored_form(*row) : row;
      if (stored)
        put_by_hand(in, *stored);
      else
        in.refuse(stored.error());
      return stored.value_or(offer{});
    });
  }

  result<std::vector<std::string>> take_out(const std::string& id, const std::string& provider) override {
    if (!check_catalog_id(id) || (!provider.empty() && !config::is_provider_name(provider)))
      return std::vector<std::string>{};
    return writing([&](steps& in) { return take_out_by_hand(in, id, provider); });
  }

  result<std::vector<std::string>> keep_providers(const std::vector<std::string>& names) override {
    return writing([&](steps& in) { return keep_only(in, names); });
  }

  std::string kind() const override { return on_->dialect() == sql_dialect::sqlite ? "sqlite" : "postgresql"; }

 private:
  static std::vector<offer> offers_in(steps& in, const std::string& id) {
    return offers(in, {"SELECT " + read_columns("o") +
                           " FROM catalog_offers o WHERE o.id = $1 "
                           "ORDER BY o.price_order, o.provider",
                       {id}});
  }

  // A transaction that ends with what `f` does, whichever way it ends.
  template <class F>
  result<std::invoke_result_t<F, steps&>> within(transaction_kind kind, F f) {
    struct open_transaction {
      sql_connection* on;
      ~open_transaction() {
        if (on != nullptr) on->rollback();
      }
    };
    if (auto ok = on_->begin(kind); !ok) return tl::unexpected(ok.error());
    open_transaction open{on_.get()};
    if (auto ok = check_schema(); !ok) return tl::unexpected(ok.error());
    steps in(*on_);
    auto out = [&] {
      if constexpr (std::is_void_v<std::invoke_result_t<F, steps&>>) {
        f(in);
        return in.done();
      } else {
        auto value = f(in);
        return in.done(std::move(value));
      }
    }();
    if (!out) return out;
    open.on = nullptr;
    if (auto ok = on_->commit(); !ok) return tl::unexpected(ok.error());
    return out;
  }

  // The same, of one that changes rows.
  template <class F>
  result<std::invoke_result_t<F, steps&>> writing(F f) {
    return within(transaction_kind::write, [&](steps& in) {
      lock_writers(in);
      next_version(in);
      return f(in);
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

  std::unique_ptr<sql_connection> on_;
  std::string name_;
  bool schema_known_ = false;
  listing listing_;
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
