#pragma once
// The catalog, as http/ asks for it: document 004. The front door of actors/catalog/; calls and answers as in
// service.hpp.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/one_shot.hpp"
#include "cache/catalog/offer.hpp"
#include "cache/catalog/page_query.hpp"
#include "cache/catalog/tiers/catalog_cache.hpp"

namespace troupe::actors {

enum class catalog_subject : std::uint8_t { models, provider, providers, stats, model, pricing };

struct catalog_question {
  catalog_subject about = catalog_subject::models;
  cache::page_query page;  // of models (unique ones too) and of a provider's models
  std::string id;          // of model and pricing
};
// Where it is cached.
cache::cache_key key_of(const catalog_question& q);

enum class answered_from : std::uint8_t { redis, local, database };
std::string_view to_string(answered_from f) noexcept;

struct catalog_answer {
  cache::cached_value_ptr json;
  answered_from from = answered_from::database;
  bool stale = false;  // past its time; refreshed meanwhile, or the database failed
  bool empty = false;  // the database has no row of it
};

struct sync_result {
  std::string provider, type;
  std::optional<error> why;  // it failed, and the old rows stand
  std::uint64_t read = 0, added = 0, changed = 0, unchanged = 0, removed = 0, kept_edited = 0, skipped = 0;
  std::vector<std::string> skipped_examples;
  double duration_s = 0;
};
struct sync_report {
  std::vector<sync_result> providers;  // in the order of the configuration
};

struct warm_result {
  std::string what;  // "Full model catalog"
  std::optional<error> why;
  bool unknown = false;  // of a gateway that is not configured, and of which there is no model
};
struct warm_report {
  std::vector<warm_result> entries;
  double duration_s = 0;
};

struct clear_report {
  std::string gateway;      // empty: everything
  bool everywhere = false;  // Redis has it; else it is made up when Redis is back
};

struct edit_report {
  std::string id;
  std::vector<std::string> providers;  // whose offers were changed
  bool everywhere = false;             // as above
};

// What an edit says of one offer; what it does not say stays.
struct offer_edit {
  std::string id;
  std::string provider;  // empty: the only one that offers it
  std::optional<std::string> name, task, description;
  std::optional<std::optional<double>> prompt_price, completion_price;  // a null takes it away
  std::optional<std::optional<std::int64_t>> context_length;
};

struct catalog_state {
  cache::cache_counts counts;
  cache::redis_health redis = cache::redis_health::off;
  std::string redis_error;
  cache::redis_health listener = cache::redis_health::off;  // are other servers' invalidations heard?
  std::string listener_error;
  std::string database;        // "sqlite", "postgresql"; empty: there is none
  bool database_up = false;    // as of the last question
  std::string database_error;  // why not
  std::uint32_t waiting = 0;   // questions for the database
  cache::cache_times times;
};

class catalog_service {
 public:
  virtual ~catalog_service() = default;

  // Errors: model_not_found (of model and pricing), too_many_requests, unavailable (nothing has it, and the database
  // fails), bad_request.
  virtual void ask(catalog_question question, one_shot<catalog_answer> reply) = 0;
  // Caches what a start does.
  virtual void warm(one_shot<warm_report> reply) = 0;
  // Of one provider: and what is made of it. Empty: everything.
  virtual void clear(std::string gateway, one_shot<clear_report> reply) = 0;
  // Empty: all of them. Answers when done. Errors: model_not_found (no such provider), unavailable, deadline_exceeded
  // (longer than a connection waits; it goes on).
  virtual void sync(std::string provider, one_shot<sync_report> reply) = 0;
  // By hand. Errors: bad_request (which of several offers?), unavailable.
  virtual void edit(offer_edit change, one_shot<edit_report> reply) = 0;
  // Takes an offer out (provider empty: all of that id) so that no sync brings it back. Error: model_not_found.
  virtual void take_out(std::string id, std::string provider, one_shot<edit_report> reply) = 0;
  // At once.
  virtual catalog_state state() = 0;
};

}  // namespace troupe::actors
