#include "tests/cache/catalog/sql/support.hpp"

#include <sqlite3.h>
#include <unistd.h>

namespace troupe::cache::tests {

namespace fs = std::filesystem;

std::string name_of(backend which) {
  constexpr const char* names[]{"sqlite", "postgresql", "unprepared", "pooled", "no_trigrams"};
  return names[static_cast<int>(which)];
}

place::place(backend which, bool empty) {
  static int places = 0;
  folder_ =
      fs::temp_directory_path() / ("troupe-catalog-" + std::to_string(::getpid()) + "-" + std::to_string(++places));
  if (which == backend::sqlite) {
    options_.file = folder_ / "catalog.db";
  } else {
    auto* server = postgres_server::shared();
    if (server == nullptr || (which == backend::pooled && !server->start_pool())) return;
    database_ = server->take_database();
    options_.url = server->url(database_, which == backend::pooled);
    options_.prepare_statements = which != backend::unprepared;
  }
  there_ = true;
  if (empty) return;
  must(migrate(options_));
  if (which == backend::no_trigrams) ask("SET client_min_messages = warning; DROP EXTENSION pg_trgm CASCADE");
}

place::~place() {
  std::error_code no;
  fs::remove_all(folder_, no);
  if (!database_.empty()) postgres_server::shared()->give_back(database_);
}

std::unique_ptr<catalog_database> place::open() const { return must(make_database(options_)); }

std::string place::ask(const std::string& sql) const {
  if (!database_.empty()) return postgres_server::shared()->ask(database_, sql);
  sqlite3* db = nullptr;
  std::string out;
  sqlite3_open(options_.file.c_str(), &db);
  const auto take = [](void* to, int, char** fields, char**) {
    if (fields[0] != nullptr) *static_cast<std::string*>(to) = fields[0];
    return 1;
  };
  sqlite3_exec(db, sql.c_str(), take, &out, nullptr);
  sqlite3_close(db);
  return out;
}

offer make_offer(const std::string& provider, const std::string& id, std::optional<double> price) {
  offer out;
  out.provider = provider;
  out.id = id;
  out.name = id;
  out.prompt_price = out.completion_price = price;
  return out;
}

provider_sync::outcome sync(catalog_database& db, const std::string& provider, const std::vector<offer>& rows) {
  auto s = db.begin_sync(provider);
  if (!s) {
    ADD_FAILURE() << s.error().message;
    return {};
  }
  must((*s)->add(rows));
  return must((*s)->finish());
}

std::vector<std::string> keys(const std::vector<offer>& rows) {
  std::vector<std::string> out;
  for (const auto& row : rows) out.push_back(row.provider + " " + row.id);
  return out;
}

}  // namespace troupe::cache::tests
