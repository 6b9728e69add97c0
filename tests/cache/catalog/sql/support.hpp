#pragma once
// A fresh catalog on any of the databases.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "cache/catalog/sql/database.hpp"
#include "tests/cache/catalog/sql/postgres_server.hpp"

namespace troupe::cache::tests {

enum class backend {
  sqlite,
  postgresql,
  unprepared,   // PostgreSQL, told not to prepare
  pooled,       // behind pgbouncer, which is found out
  no_trigrams,  // without the extension
};
inline constexpr backend all_backends[]{backend::sqlite, backend::postgresql, backend::unprepared, backend::pooled,
                                        backend::no_trigrams};
std::string name_of(backend which);

// Where its catalog lies; one that is migrated, unless `empty`. Skips (an empty optional) what is not installed.
class place {
 public:
  explicit place(backend which, bool empty = false);
  ~place();
  place(const place&) = delete;
  place& operator=(const place&) = delete;

  bool is_there() const { return there_; }
  database_options options() const { return options_; }
  std::unique_ptr<catalog_database> open() const;
  // Against the tables, beside the catalog's own code; the first field.
  std::string ask(const std::string& sql) const;

 private:
  bool there_ = false;
  database_options options_;
  std::filesystem::path folder_;
  std::string database_;
};

class on_database : public testing::TestWithParam<backend> {
 protected:
  void SetUp() override {
    at_ = std::make_unique<place>(GetParam());
    if (!at_->is_there()) GTEST_SKIP() << name_of(GetParam()) << " is not installed here";
    db_ = at_->open();
  }
  std::unique_ptr<place> at_;
  std::unique_ptr<catalog_database> db_;
};

offer make_offer(const std::string& provider, const std::string& id, std::optional<double> price = std::nullopt);
// The whole of a sync.
provider_sync::outcome sync(catalog_database& db, const std::string& provider, const std::vector<offer>& rows);
// "provider/id .." of a page.
std::vector<std::string> keys(const std::vector<offer>& rows);

template <class T>
T must(result<T> r) {
  if (!r) ADD_FAILURE() << r.error().message << " " << r.error().detail;
  return r ? std::move(*r) : T{};
}
inline void must(const result<void>& r) {
  if (!r) ADD_FAILURE() << r.error().message << " " << r.error().detail;
}

}  // namespace troupe::cache::tests
