#pragma once
// A catalog worker: one connection to the database, used by one thread.

#include <memory>
#include <mutex>
#include <string>

#include "actors/protocol/catalog_messages.hpp"
#include "cache/catalog/sql/database.hpp"

namespace troupe::actors {

// Whether the database answers, as all workers see it. Thread-safe.
class database_health {
 public:
  void answered();
  void failed(const error& why);
  bool up() const;
  std::string why() const;  // empty: it is up, or was not asked yet

 private:
  mutable std::mutex mutex_;
  bool up_ = false;
  std::string why_;
};

// The schema is made by whoever needs it first, and asked for again until it is there. Thread-safe.
class catalog_schema {
 public:
  explicit catalog_schema(cache::database_options options) : options_(std::move(options)) {}
  result<void> ready();

 private:
  const cache::database_options options_;
  std::mutex mutex_;
  bool ready_ = false;
  error why_;             // of the last try ..
  steady_time again_at_;  // .. which stands until then: who waits for it must not try in its turn
};

// A connection that first asks whether the schema is there, and tells `health` what became of each call.
std::unique_ptr<cache::catalog_database> watched(std::unique_ptr<cache::catalog_database> connection,
                                                 std::shared_ptr<catalog_schema> schema,
                                                 std::shared_ptr<database_health> health);

catalog_worker_actor::behavior_type catalog_worker(catalog_worker_actor::pointer self, const std::string& thread_name,
                                                   std::shared_ptr<cache::catalog_database> connection);

}  // namespace troupe::actors
