#pragma once
// The catalog's source of truth: SQLite in a file (WAL), or PostgreSQL. Both give the same answers to the same
// questions, in the same order (ids and names by their bytes).

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/catalog/offer.hpp"
#include "cache/catalog/page_query.hpp"
#include "config/error.hpp"

namespace troupe::cache {

// Of offers (unique: models are empty) or of unique models.
struct catalog_page {
  std::vector<offer> offers;
  std::vector<unique_model> models;
  std::uint64_t total = 0;  // rows that the filters let through, whatever the page
  bool has_more = false;    // behind this page
};

struct provider_facts {
  std::string name;
  std::uint64_t models = 0;                 // offers that are listed
  std::optional<std::int64_t> synced_s;     // Unix time of the last sync that succeeded
  std::optional<std::int64_t> attempted_s;  // of the last one at all
  std::string last_error;                   // of the last one; empty: it succeeded
};

struct catalog_counts {
  std::uint64_t offers = 0, models = 0, providers = 0;         // listed; ids; providers with an offer
  std::uint64_t priced = 0, free = 0, edited = 0;              // offers
  std::vector<std::pair<std::string, std::uint64_t>> by_task;  // offers, most first, then by name; "" is not told
  std::optional<std::int64_t> synced_s;                        // the latest
};

// Rows of one provider, replaced in one transaction. Dropped without finish(): nothing has changed.
class provider_sync {
 public:
  virtual ~provider_sync() = default;
  // Of this provider; an id that came before is replaced. Rows that were edited (or taken out) by hand stay as they
  // are.
  virtual result<void> add(const std::vector<offer>& some) = 0;

  struct outcome {
    std::uint64_t added = 0, changed = 0, unchanged = 0, removed = 0, kept_edited = 0;
    std::vector<std::string> touched_ids;  // added, changed and removed: what was cached of them is outdated
  };
  // Removes what was not added, edited rows apart, and commits.
  virtual result<outcome> finish() = 0;
};

// One connection, used by one thread at a time; blocks. An error of `unavailable` is the database's (gone, locked, full
// disk): the next call tries to connect again. Any other is the question's.
class catalog_database {
 public:
  virtual ~catalog_database() = default;

  virtual result<catalog_page> list(const page_query& query) = 0;
  virtual result<std::vector<offer>> offers_of(const std::string& id) = 0;  // cheapest first; empty: unknown
  virtual result<std::vector<provider_facts>> providers() = 0;              // by name; also those without a row
  virtual result<catalog_counts> counts() = 0;
  // Every listed offer in the order of ids (provider empty: of all), until `f` returns false. One snapshot; `f` asks
  // this database nothing.
  virtual result<void> each_offer(const std::string& provider, const std::function<bool(const offer&)>& f) = 0;

  // Rows come at a network's speed: add() holds nothing that others wait for, and the database is free for other
  // questions meanwhile (the rows lie in a temporary file). finish() waits for other writers (sync_timeout_ms), and
  // holds them up until it has committed. Several may be open at a time; none outlives the database.
  virtual result<std::unique_ptr<provider_sync>> begin_sync(const std::string& provider) = 0;
  // What a sync came to; error empty: it succeeded.
  virtual result<void> note_sync(const std::string& provider, const std::string& error) = 0;
  // By hand: sets `edited`.
  virtual result<void> put(const offer& row) = 0;
  // The same, of a row that is made of the offers of an id, while nobody else can change them: in one transaction. What
  // `change` refuses with is answered, and nothing is changed; it asks this database nothing, and others wait for it.
  using row_change = std::function<result<offer>(const std::vector<offer>& there)>;
  virtual result<offer> edit(const std::string& id, const row_change& change) = 0;
  // By hand: takes the offers of an id out (provider empty: all of them), so that no sync brings them back. The
  // providers whose offers they were; none: there was nothing.
  virtual result<std::vector<std::string>> take_out(const std::string& id, const std::string& provider) = 0;
  // Takes away all rows of providers that are configured no more, edited ones apart. The providers that lost some.
  virtual result<std::vector<std::string>> keep_providers(const std::vector<std::string>& names) = 0;

  // "sqlite" or "postgresql".
  virtual std::string kind() const = 0;
};

struct database_options {
  std::string url;             // "postgresql://.." or "postgres://.."; empty: the file
  std::filesystem::path file;  // of SQLite, made with its folder where it is missing
  std::uint32_t busy_timeout_ms = 5000;
  std::uint32_t connect_timeout_ms = 5000;
  std::uint32_t statement_timeout_ms = 60000;  // of a question
  std::uint32_t sync_timeout_ms = 600000;      // of a sync's statement, and how long it waits for other syncs
  // True: the process ends. What is asked is cancelled, and nothing more is asked: unavailable. Null: never.
  std::shared_ptr<const std::atomic<bool>> ends;
  bool prepare_statements = true;  // false: never; else where it is no pool of connections (pgbouncer)

  bool at_end() const noexcept { return ends && ends->load(std::memory_order_acquire); }
};
// "sqlite:FILE" and "sqlite:///FILE" are files, too. bad_request: another scheme. Does not connect yet.
result<std::unique_ptr<catalog_database>> make_database(const database_options& options);
// Makes or mends the schema; may run twice, and in two processes at once. Called by whoever opens the first connection.
result<void> migrate(const database_options& options);

}  // namespace troupe::cache
