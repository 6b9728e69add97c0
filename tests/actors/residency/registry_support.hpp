#pragma once
// The registry while the server runs: the keeper with real files and the supervisor, in virtual time.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "actors/residency/registry_keeper.hpp"
#include "tests/actors/residency/supervisor_support.hpp"

namespace troupe::actors {

inline const config::reserved_names reserved{.first = {"cache", "v1"}, .actions = {"load"}};
using namespace testing;
namespace fs = std::filesystem;
using config::registration_outcome;

struct RegistryChanges : Supervisor {
  using report_answer = answer<registration_report>;

  fs::path folder, kept_path;
  std::string tasks = "{}";   // of the operator's file; its models are `registry`
  std::optional<error> disk;  // what the next writes meet
  int writes = 0;
  std::uint32_t most = 100'000;
  std::shared_ptr<registered_file> kept;
  registry_keeper_actor keeper;

  void SetUp() override {
    Supervisor::SetUp();
    auto name = (fs::temp_directory_path() / "troupe-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    kept_path = folder / "registered.json";
  }
  void TearDown() override {
    end_keeper();
    Supervisor::TearDown();
    fs::remove_all(folder);
  }
  void end_keeper() {
    if (keeper) caf::anon_send_exit(keeper, caf::exit_reason::user_shutdown);
    time.settle();
    keeper = nullptr;
  }

  // In the operator's file.
  config::registered_model& in_file(const std::string& name) {
    auto& m = add(name);
    m.path = "/theirs/" + name;
    return m;
  }
  void write_operators_file() {
    auto text = config::registry_json(registry.models);
    text.insert(text.rfind('}'), ", \"tasks\": " + tasks);
    std::ofstream(folder / "models.json") << text;
  }
  void start() {
    write_operators_file();
    auto operators = config::load_registry(folder / "models.json", reserved);
    ASSERT_TRUE(operators) << operators.error().message;
    kept = std::make_shared<registered_file>(kept_path, reserved,
                                             [this](const fs::path& path, std::string_view text) -> result<void> {
                                               ++writes;
                                               if (disk) return tl::unexpected(*disk);
                                               return registered_file::write_synced(path, text);
                                             });
    kept->read(reading::at_start);
    world->registry_trouble = kept->trouble();
    sup = time.system.spawn(supervisor, world, std::make_shared<config::registry>(whole_registry(*operators, *kept)));
    auto w = std::make_shared<keeper_world>();
    w->operators = std::move(*operators);
    w->file = kept;
    w->max_registered_models = most;
    w->supervisor = sup;
    keeper = time.system.spawn(registry_keeper, w);
    time.settle();
  }
  // The process is gone, at once, and another one starts.
  void restart() {
    end_keeper();
    caf::anon_send(sup, stop_atom::value);
    time.settle();
    while (!reclaims.empty()) end_reclaim();
    while (!loads.empty()) end_load();
    estimates.clear();
    start();
  }

  config::registered_model at_run_time(const std::string& name, std::uint32_t max_length = 0) {
    artifacts.try_emplace(name);
    config::registered_model m;
    m.name = name;
    m.path = "/models/" + name;
    m.max_length = max_length;
    return m;
  }
  report_answer send_put(const config::registered_model& m) {
    report_answer a;
    caf::anon_send(keeper, register_atom::value, std::make_shared<const config::registered_model>(m), a.reply());
    return a;
  }
  report_answer send_remove(const std::string& name) {
    report_answer a;
    caf::anon_send(keeper, unregister_atom::value, name, a.reply());
    return a;
  }
  report_answer put(const config::registered_model& m) {
    auto a = send_put(m);
    time.settle();
    return a;
  }
  report_answer remove(const std::string& name) {
    auto a = send_remove(name);
    time.settle();
    return a;
  }
  answer<std::string> reload() {
    answer<std::string> a;
    caf::anon_send(keeper, registry_atom::value, a.reply());
    time.settle();
    return a;
  }
  std::string default_model() { return world->routes->load()->default_model; }
  bool registered(const std::string& name) { return world->routes->load()->models.contains(name); }
  config::registered_models on_disk() { return config::load_registered(kept_path, reserved).models; }

  static void expect(const report_answer& a, registration_outcome outcome) {
    ASSERT_TRUE(a.here());
    ASSERT_TRUE(a.get()) << a.get().error().message;
    EXPECT_EQ(a.get()->outcome, outcome) << config::to_string(a.get()->outcome);
  }
  static void expect(const report_answer& a, error_code code, const std::string& message = {}) {
    ASSERT_TRUE(a.here());
    ASSERT_FALSE(a.get());
    EXPECT_EQ(a.get().error().code, code) << a.get().error().message;
    EXPECT_NE(a.get().error().message.find(message), std::string::npos) << a.get().error().message;
  }
};

}  // namespace troupe::actors
