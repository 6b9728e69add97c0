// The wing as a whole, on a SQLite file of its own.
#include "actors/catalog/catalog_wing.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <thread>

#include "cache/catalog/sql/database.hpp"

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;

struct wing_on_a_file : ::testing::Test {
  caf::actor_system_config config;
  caf::actor_system system{config};
  prometheus::Registry registry;
  config::settings settings;
  std::unique_ptr<catalog_wing> wing;

  void SetUp() override {
    static int folders = 0;
    settings.data_dir = std::filesystem::temp_directory_path() /
                        ("troupe-wing-" + std::to_string(::getpid()) + "-" + std::to_string(++folders));
    settings.model_cache_warm_on_startup = false;
    settings.model_cache_warm_providers = {"local", "nobody"};
    settings.providers.clear();
    auto& own = settings.providers.emplace_back();
    own.name = own.type = "local";
    own.interval_s = 0;
  }
  void TearDown() override {
    wing.reset();
    std::error_code no;
    std::filesystem::remove_all(settings.data_dir, no);
  }
  void start() {
    const auto models = [] {
      std::vector<cache::offer> out(1);
      out[0].id = out[0].name = "own";
      return out;
    };
    wing = catalog_wing::make(system, settings, models, registry);
  }
  template <class T, class Ask>
  result<T> answer_of(const Ask& ask) {
    std::promise<result<T>> told;
    ask(one_shot<T>([&](result<T> r) { told.set_value(std::move(r)); }));
    return told.get_future().get();
  }
  result<warm_report> warm() {
    return answer_of<warm_report>([&](auto reply) { wing->service().warm(std::move(reply)); });
  }
  result<sync_report> sync() {
    return answer_of<sync_report>([&](auto reply) { wing->service().sync({}, std::move(reply)); });
  }
};

const warm_result& of_gateway(const warm_report& r, const std::string& name) {
  for (const auto& e : r.entries)
    if (e.what == "Gateway catalog for " + name) return e;
  static const warm_result none;
  ADD_FAILURE() << name;
  return none;
}

TEST_F(wing_on_a_file, warming_tells_gateways_that_there_are_none_of) {
  start();
  auto r = warm();
  ASSERT_TRUE(r);
  EXPECT_TRUE(of_gateway(*r, "nobody").unknown);
  EXPECT_FALSE(of_gateway(*r, "local").unknown) << "configured, if empty yet";
  ASSERT_TRUE(sync());
  offer_edit e;
  e.id = "theirs";
  e.provider = "nobody";
  ASSERT_TRUE(answer_of<edit_report>([&](auto reply) { wing->service().edit(e, std::move(reply)); }));
  r = warm();
  ASSERT_TRUE(r);
  EXPECT_FALSE(of_gateway(*r, "nobody").unknown) << "there is a model of it now";
  for (const auto& entry : r->entries) EXPECT_FALSE(entry.why) << entry.what;
}

TEST_F(wing_on_a_file, its_end_waits_for_no_lock) {
  settings.providers.clear();
  start();
  offer_edit e;
  e.id = "a";
  ASSERT_TRUE(answer_of<edit_report>([&](auto reply) { wing->service().edit(e, std::move(reply)); }));
  // Somebody else's edit holds the file for longer than anybody here is to wait.
  std::promise<void> held, go;
  std::thread other([&] {
    cache::database_options options;
    options.file = settings.catalog_file();
    const auto db = *cache::make_database(options);
    EXPECT_TRUE(db->edit("a", [&](const std::vector<cache::offer>& there) -> result<cache::offer> {
      held.set_value();
      go.get_future().wait();
      return there.at(0);
    }));
  });
  held.get_future().wait();
  std::promise<result<edit_report>> told;
  wing->service().edit(e, one_shot<edit_report>([&](result<edit_report> r) { told.set_value(std::move(r)); }));
  std::this_thread::sleep_for(100ms);
  const auto begin = steady_clock::now();
  wing.reset();
  EXPECT_LT(steady_clock::now() - begin, 3s);  // it would have waited for five
  go.set_value();
  other.join();
  const auto refused = told.get_future().get();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::unavailable);
}

}  // namespace
}  // namespace troupe::actors
