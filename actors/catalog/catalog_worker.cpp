#include "actors/catalog/catalog_worker.hpp"

#include <pthread.h>

#include <spdlog/spdlog.h>

namespace troupe::actors {
namespace {

using cache::catalog_database;

class watched_database final : public catalog_database {
 public:
  watched_database(std::unique_ptr<catalog_database> inner, std::shared_ptr<catalog_schema> schema,
                   std::shared_ptr<database_health> health)
      : inner_(std::move(inner)), schema_(std::move(schema)), health_(std::move(health)) {}

  result<cache::catalog_page> list(const cache::page_query& q) override {
    return watch([&] { return inner_->list(q); });
  }
  result<std::vector<cache::offer>> offers_of(const std::string& id) override {
    return watch([&] { return inner_->offers_of(id); });
  }
  result<std::vector<cache::provider_facts>> providers() override {
    return watch([&] { return inner_->providers(); });
  }
  result<cache::catalog_counts> counts() override {
    return watch([&] { return inner_->counts(); });
  }
  result<void> each_offer(const std::string& provider, const std::function<bool(const cache::offer&)>& f) override {
    return watch([&] { return inner_->each_offer(provider, f); });
  }
  result<std::unique_ptr<cache::provider_sync>> begin_sync(const std::string& provider) override {
    return watch([&] { return inner_->begin_sync(provider); });
  }
  result<void> note_sync(const std::string& provider, const std::string& why) override {
    return watch([&] { return inner_->note_sync(provider, why); });
  }
  result<void> put(const cache::offer& row) override {
    return watch([&] { return inner_->put(row); });
  }
  result<cache::offer> edit(const std::string& id, const row_change& change) override {
    return watch([&] { return inner_->edit(id, change); });
  }
  result<std::vector<std::string>> take_out(const std::string& id, const std::string& provider) override {
    return watch([&] { return inner_->take_out(id, provider); });
  }
  result<std::vector<std::string>> keep_providers(const std::vector<std::string>& names) override {
    return watch([&] { return inner_->keep_providers(names); });
  }
  std::string kind() const override { return inner_->kind(); }

 private:
  template <class Ask>
  auto watch(const Ask& ask) -> decltype(ask()) {
    if (auto ready = schema_->ready(); !ready) {
      health_->failed(ready.error());
      return tl::unexpected(ready.error());
    }
    auto answer = ask();
    if (answer)
      health_->answered();
    else if (answer.error().code == error_code::unavailable)
      health_->failed(answer.error());
    return answer;
  }

  const std::unique_ptr<catalog_database> inner_;
  const std::shared_ptr<catalog_schema> schema_;
  const std::shared_ptr<database_health> health_;
};

}  // namespace

void database_health::answered() {
  const std::lock_guard lock(mutex_);
  if (!up_ && !why_.empty()) spdlog::info("the catalog's database answers again");
  up_ = true;
  why_.clear();
}

void database_health::failed(const error& why) {
  const std::lock_guard lock(mutex_);
  if (up_ || why_.empty()) spdlog::error("the catalog's database: {}", why.message);
  up_ = false;
  why_ = why.message;
}

bool database_health::up() const {
  const std::lock_guard lock(mutex_);
  return up_;
}

std::string database_health::why() const {
  const std::lock_guard lock(mutex_);
  return why_;
}

result<void> catalog_schema::ready() {
  const std::lock_guard lock(mutex_);
  if (ready_) return {};
  if (steady_clock::now() < again_at_) return tl::unexpected(why_);
  auto made = cache::migrate(options_);
  ready_ = made.has_value();
  if (!made) {
    why_ = made.error();
    again_at_ = steady_clock::now() + std::chrono::seconds(1);
  }
  return made;
}

std::unique_ptr<catalog_database> watched(std::unique_ptr<catalog_database> connection,
                                          std::shared_ptr<catalog_schema> schema,
                                          std::shared_ptr<database_health> health) {
  return std::make_unique<watched_database>(std::move(connection), std::move(schema), std::move(health));
}

catalog_worker_actor::behavior_type catalog_worker(catalog_worker_actor::pointer, const std::string& thread_name,
                                                   std::shared_ptr<catalog_database> connection) {
  pthread_setname_np(pthread_self(), thread_name.c_str());
  return {[connection = std::move(connection)](work_atom, const database_work& work) {
    try {
      (*work)(*connection);
    } catch (const std::exception& e) {  // no memory, most likely; the replies that are dropped tell who asked
      spdlog::error("the catalog: {}", e.what());
    }
  }};
}

}  // namespace troupe::actors
