// The registry changes while the server runs: the keeper with real files and the supervisor, in virtual time.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include <prometheus/text_serializer.h>

#include "tests/actors/residency/registry_support.hpp"

namespace troupe::actors {
namespace {

TEST_F(RegistryChanges, OneThatIsRegisteredIsLoadedAndServed) {
  start();
  EXPECT_EQ(default_model(), "");
  expect(put(at_run_time("a", 8)), registration_outcome::created);
  EXPECT_EQ(default_model(), "a");
  EXPECT_EQ(report("a").registration.origin, config::origin::run_time);
  auto asked = request("a");
  EXPECT_EQ(dispatched.size(), 1u);
  EXPECT_EQ(served_length("a"), 8);
  EXPECT_TRUE(load_model("a").get()->already);
  EXPECT_EQ(on_disk().at("a"), at_run_time("a", 8));
}

TEST_F(RegistryChanges, OneThatIsPreloadedIsLoadedAtOnce) {
  start();
  auto m = at_run_time("a");
  m.preload = true;
  put(m);
  EXPECT_EQ(resident(), names{"a"});
  EXPECT_EQ(report().state, health::healthy);
}

TEST_F(RegistryChanges, OneThatIsDisabledIsListedAndNeverLoaded) {
  start();
  auto m = at_run_time("a");
  m.preload = true;
  m.enabled = false;
  put(m);
  EXPECT_EQ(resident(), names{});
  EXPECT_EQ(report().state, health::healthy);  // nothing is missing
  auto asked = request("a");
  ASSERT_TRUE(asked.out->failure);
  EXPECT_EQ(asked.out->failure->code, error_code::conflict);
  EXPECT_EQ(load_model("a").get().error().code, error_code::conflict);
}

TEST_F(RegistryChanges, DisablingUnloadsAndEnablingServesAgain) {
  start();
  put(at_run_time("a"));
  ASSERT_TRUE(load_model("a").get());
  EXPECT_EQ(resident(), names{"a"});
  auto m = at_run_time("a");
  m.enabled = false;
  put(m);
  EXPECT_EQ(resident(), names{});
  m.enabled = true;
  put(m);
  EXPECT_TRUE(load_model("a").get());
}

TEST_F(RegistryChanges, TheSameEntryAgainChangesNothing) {
  start();
  put(at_run_time("a"));
  load_model("a");
  const auto* first = entry("a")->current.load().get();
  const int before = writes;
  expect(put(at_run_time("a")), registration_outcome::unchanged);
  EXPECT_EQ(writes, before);
  EXPECT_EQ(entry("a")->current.load().get(), first);
}

TEST_F(RegistryChanges, AnotherEntryIsLoadedBesideTheOldOne) {
  start();
  put(at_run_time("a", 8));
  load_model("a");
  load_at_once = false;
  expect(put(at_run_time("a", 16)), registration_outcome::replaced);
  EXPECT_EQ(served_length("a"), 8);
  end_load();
  EXPECT_EQ(served_length("a"), 16);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
  auto m = at_run_time("a", 16);
  m.priority = config::priority::high;
  expect(put(m), registration_outcome::replaced);
  EXPECT_TRUE(loads.empty()) << "nothing to load again for";
  EXPECT_EQ(report("a").priority, config::priority::high);
}

TEST_F(RegistryChanges, ALoadForTheOldEntryIsStartedOver) {
  start();
  put(at_run_time("a", 8));
  load_at_once = false;
  auto waits = load_model("a");
  auto asked = request("a");
  put(at_run_time("a", 16));
  ASSERT_EQ(loads.size(), 2u);
  EXPECT_TRUE(loads[0].order->cancelled->load());
  end_load();
  EXPECT_FALSE(waits.here());
  end_load();
  EXPECT_TRUE(waits.get());
  EXPECT_EQ(dispatched.size(), 1u);
  EXPECT_EQ(served_length("a"), 16);
}

TEST_F(RegistryChanges, OneThatLeavesWhileBusyFinishesFirst) {
  start();
  put(at_run_time("a"));
  load_model("a");
  auto work = occupy("a");
  reclaim_at_once = false;
  expect(remove("a"), registration_outcome::removed);
  EXPECT_FALSE(registered("a"));
  EXPECT_EQ(default_model(), "");
  EXPECT_TRUE(reclaims.empty());
  EXPECT_EQ(report().memory.draining_bytes, 10 * mb);
  EXPECT_EQ(request("a").out->failure->code, error_code::model_not_found);
  work.reset();
  time.settle();
  ASSERT_EQ(reclaims.size(), 1u);
  end_reclaim();
  EXPECT_EQ(report().memory.used_bytes, 0u);
  const auto scraped = prometheus::TextSerializer().Serialize(world->meter->registry().Collect());
  EXPECT_EQ(scraped.find("{model=\"a\""), std::string::npos);
  EXPECT_TRUE(on_disk().empty());
}

TEST_F(RegistryChanges, OneThatLeavesWhileItLoadsAnswersWhoWaits) {
  start();
  put(at_run_time("a"));
  load_at_once = false;
  auto waits = load_model("a");
  auto asked = request("a");
  expect(remove("a"), registration_outcome::removed);
  EXPECT_EQ(waits.get().error().code, error_code::model_not_found);
  ASSERT_TRUE(asked.out->failure);
  EXPECT_EQ(asked.out->failure->code, error_code::model_not_found);
  EXPECT_EQ(report().load_waiters, 0u);
  end_load();
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(RegistryChanges, GoneAndBackAgainIsAnotherModel) {
  start();
  put(at_run_time("a", 8));
  load_model("a");
  auto gone = send_remove("a");
  auto back = send_put(at_run_time("a", 16));
  time.settle();
  expect(gone, registration_outcome::removed);
  expect(back, registration_outcome::created);
  EXPECT_TRUE(load_model("a").get());
  EXPECT_EQ(served_length("a"), 16);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(RegistryChanges, AStormIsWrittenAndPublishedTogether) {
  in_file("theirs");
  start();
  std::vector<report_answer> answers;
  const auto name = [](int i) { return std::to_string(i).insert(0, 1, 'm'); };
  for (int i = 0; i < 1000; ++i) answers.push_back(send_put(at_run_time(name(i))));
  time.settle();
  for (const auto& a : answers) expect(a, registration_outcome::created);
  EXPECT_LE(writes, 2);
  EXPECT_EQ(world->routes->load()->models.size(), 1001u);
  EXPECT_EQ(on_disk().size(), 1000u);
  EXPECT_EQ(default_model(), "theirs");
  answers.clear();
  for (int i = 0; i < 1000; ++i) answers.push_back(send_remove(name(i)));
  time.settle();
  for (const auto& a : answers) expect(a, registration_outcome::removed);
  EXPECT_EQ(world->routes->load()->models.size(), 1u);
}

TEST_F(RegistryChanges, TheDefaultModelIsDecidedAnew) {
  in_file("b");
  start();
  EXPECT_EQ(default_model(), "b");
  put(at_run_time("a"));
  EXPECT_EQ(default_model(), "b") << "a download takes no requests from the operator's model";
  auto c = at_run_time("c");
  c.preload = true;
  put(c);
  EXPECT_EQ(default_model(), "c");
  remove("c");
  EXPECT_EQ(default_model(), "b");
}

TEST_F(RegistryChanges, RefusalsSayWhyAndChangeNothing) {
  in_file("theirs");
  most = 1;
  start();
  expect(put(at_run_time("cache")), error_code::bad_request, "Reserved model name");
  expect(put(at_run_time("..")), error_code::bad_request, "Invalid model name");
  auto m = at_run_time("a");
  m.max_batch_items = 0;
  expect(put(m), error_code::bad_request, "a.max_batch_items");
  m = at_run_time("a");
  m.path = "a";
  expect(put(m), error_code::bad_request, "not absolute");
  expect(put(at_run_time("theirs")), error_code::conflict, "models.json");
  expect(remove("theirs"), error_code::conflict, "models.json");
  expect(remove("nobody"), error_code::model_not_found, "nobody");
  EXPECT_EQ(writes, 0);
  EXPECT_FALSE(fs::exists(kept_path));
  put(at_run_time("a"));
  expect(put(at_run_time("b")), error_code::conflict, "1 already");
  EXPECT_EQ(report().models.size(), 2u);
}

TEST_F(RegistryChanges, WhatCannotBeKeptDoesNotComeIntoForce) {
  start();
  put(at_run_time("a", 8));
  load_model("a");
  const error full{error_code::internal, "cannot write registered.json: No space left on device", {}, {}};
  disk = full;
  auto created = send_put(at_run_time("b"));
  auto replaced = send_put(at_run_time("a", 16));
  auto unchanged = send_put(at_run_time("b"));  // as the one that fails
  auto refused = send_put(at_run_time("cache"));
  time.settle();
  expect(created, error_code::unavailable, "No space left on device");
  expect(replaced, error_code::unavailable);
  expect(unchanged, error_code::unavailable);
  expect(refused, error_code::bad_request);
  expect(remove("a"), error_code::unavailable);
  expect(put(at_run_time("a", 8)), registration_outcome::unchanged);
  EXPECT_EQ(served_length("a"), 8);
  EXPECT_EQ(report().models.size(), 1u);
  EXPECT_EQ(on_disk().size(), 1u);
  disk.reset();
  expect(put(at_run_time("b")), registration_outcome::created);
  EXPECT_EQ(on_disk().size(), 2u);
}

TEST_F(RegistryChanges, ARestartKeepsThem) {
  in_file("theirs");
  start();
  put(at_run_time("a", 8));
  put(at_run_time("b"));
  remove("b");
  restart();
  EXPECT_TRUE(registered("theirs"));
  EXPECT_FALSE(registered("b"));
  EXPECT_EQ(report("a").registration.origin, config::origin::run_time);
  EXPECT_TRUE(load_model("a").get());
  EXPECT_EQ(served_length("a"), 8);
  expect(put(at_run_time("a", 8)), registration_outcome::unchanged);
  expect(remove("a"), registration_outcome::removed);
  restart();
  EXPECT_FALSE(registered("a"));
}

TEST_F(RegistryChanges, TheOperatorsFileWins) {
  start();
  put(at_run_time("a", 8));
  load_model("a");
  in_file("a").max_length = 24;
  write_operators_file();
  ASSERT_TRUE(reload().get());
  EXPECT_EQ(served_length("a"), 24);
  EXPECT_EQ(report("a").registration.origin, config::origin::models_file);
  expect(remove("a"), error_code::conflict);
  expect(put(at_run_time("a", 9)), error_code::conflict);
  restart();
  EXPECT_EQ(report("a").registration.max_length, 24u);
  registry.models.clear();
  write_operators_file();
  ASSERT_TRUE(reload().get());
  EXPECT_EQ(report("a").registration.max_length, 8u) << "the operator has taken his out again";
  expect(remove("a"), registration_outcome::removed);
}

TEST_F(RegistryChanges, ItsTasksAreFollowedAndNotWrittenDown) {
  tasks = R"({"t": {"cache_ttl": 7}})";
  start();
  auto m = at_run_time("a");
  m.task = "t";
  put(m);
  EXPECT_EQ(report("a").registration.cache_ttl_s, 7u);
  tasks = R"({"t": {"cache_ttl": 9}})";
  write_operators_file();
  reload();
  EXPECT_EQ(report("a").registration.cache_ttl_s, 9u);
  expect(put(m), registration_outcome::unchanged);
}

TEST_F(RegistryChanges, AReloadReadsBothFiles) {
  start();
  put(at_run_time("a"));
  auto edited = on_disk();
  edited.at("a").max_length = 12;
  edited["b"] = at_run_time("b");
  std::ofstream(kept_path) << config::registry_json(edited);
  EXPECT_EQ(reload().get().value(), "2 models registered: 1 added, 1 changed, 0 removed");
  EXPECT_EQ(report("a").registration.max_length, 12u);
  fs::remove(kept_path);
  reload();
  EXPECT_TRUE(report().models.empty());
}

TEST_F(RegistryChanges, AReloadWithABadOperatorsFileChangesNothing) {
  in_file("theirs");
  start();
  put(at_run_time("a"));
  std::ofstream(folder / "models.json") << "{";
  auto bad = reload();
  EXPECT_EQ(bad.get().error().code, error_code::bad_request);
  EXPECT_EQ(report().models.size(), 2u);
  expect(put(at_run_time("b")), registration_outcome::created);  // that has nothing to do with it
  EXPECT_TRUE(registered("theirs"));
}

TEST_F(RegistryChanges, ReloadsThatMeetAreOne) {
  in_file("theirs");
  start();
  std::vector<answer<std::string>> all(3);
  for (const auto& a : all) caf::anon_send(keeper, registry_atom::value, a.reply());
  auto created = send_put(at_run_time("a"));
  time.settle();
  for (const auto& a : all) EXPECT_TRUE(a.get());
  expect(created, registration_outcome::created);
  EXPECT_TRUE(registered("a"));
}

TEST_F(RegistryChanges, WhatAnotherProcessHasRegisteredIsKeptAndServed) {
  start();
  put(at_run_time("a"));
  registered_file other(kept_path, reserved);
  other.read(reading::at_start);
  ASSERT_TRUE(other.update([&](auto& models) { return models.emplace("b", at_run_time("b")).second; }).kept);
  EXPECT_FALSE(registered("b"));
  expect(put(at_run_time("c")), registration_outcome::created);
  EXPECT_TRUE(registered("b"));
  EXPECT_TRUE(registered("c"));
  EXPECT_EQ(on_disk().size(), 3u);
}

TEST_F(RegistryChanges, ABrokenFileIsToldUntilItIsReadAgain) {
  std::ofstream(kept_path) << R"({"models": {"a": {"path": "/models/a"}, "b": {}}})";
  at_run_time("a");
  start();
  EXPECT_TRUE(registered("a"));
  EXPECT_FALSE(registered("b"));
  EXPECT_NE(report().registry_trouble.find("\"path\" is missing"), std::string::npos) << report().registry_trouble;
  EXPECT_EQ(report().state, health::healthy);
  put(at_run_time("c"));
  EXPECT_NE(report().registry_trouble, "");
  reload();
  EXPECT_EQ(report().registry_trouble, "");
  EXPECT_EQ(report().models.size(), 2u);
  std::ofstream(kept_path) << "broken while it runs";
  expect(put(at_run_time("d")), registration_outcome::created);
  EXPECT_NE(report().registry_trouble, "");
  EXPECT_EQ(report().models.size(), 3u);
}

// What one change costs where very many are registered (TROUPE_SHOW=1 prints it): a visit of each, never a copy of all.
TEST_F(RegistryChanges, OneChangeAmongTenThousand) {
  config::registered_models many;
  for (int i = 0; i < 10'000; ++i) {
    auto m = at_run_time("org/model-" + std::to_string(i));
    m.description = "one of very many models, with a description of some length";
    many.emplace(m.name, m);
  }
  const auto text = config::registry_json(many);
  std::ofstream(kept_path) << text;
  start();
  ASSERT_EQ(report().models.size(), many.size());
  const auto took_ms = [](const std::function<void()>& f) {
    const auto begin = steady_clock::now();
    f();
    return std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
  };
  std::vector<double> followed_ms, whole_ms;
  for (std::uint32_t i = 1; i <= 20; ++i) {
    auto changes = std::make_shared<registry_changes>();
    changes->entries.push_back({"org/model-7", at_run_time("org/model-7", i)});
    caf::anon_send(sup, registry_atom::value, changes);
    followed_ms.push_back(took_ms([&] { time.settle(); }));
    whole_ms.push_back(took_ms([&] { expect(put(at_run_time("org/model-8", i)), registration_outcome::replaced); }));
  }
  std::sort(followed_ms.begin(), followed_ms.end());
  std::sort(whole_ms.begin(), whole_ms.end());
  if (std::getenv("TROUPE_SHOW"))
    std::printf("10,000 models, a file of %.1f MB: one change %.2f ms in the supervisor, %.1f ms with the disk\n",
                static_cast<double>(text.size()) * 1e-6, followed_ms[10], whole_ms[10]);
  EXPECT_LT(followed_ms[10], 200) << "some 2 ms; sanitizers and a busy machine make it more";
}

// Anything in any order, with a disk that fails at times and processes that end: what was answered as done is on the
// disk and in force, and nothing else is.
TEST_F(RegistryChanges, AnyOrderOfChangesFaultsAndRestartsEndsRight) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto one_of = [&](unsigned n) { return random() % n; };
  const error full{error_code::internal, "No space left on device", {}, {}};
  config::registered_models expected;
  world->settings.max_models = 2;
  start();
  std::vector<answer<load_report>> loads_asked;
  for (int step = 0; step < 400; ++step) {
    load_at_once = one_of(2) == 0;
    disk = one_of(5) == 0 ? std::optional(full) : std::nullopt;
    // Some changes at once; they are answered for one write.
    std::vector<std::pair<report_answer, std::function<void()>>> sent;
    for (auto n = one_of(4); n > 0; --n) {
      const auto name = "m" + std::to_string(one_of(5));
      if (one_of(3) == 0) {
        sent.emplace_back(send_remove(name), [&expected, name] { expected.erase(name); });
      } else {
        const auto m = at_run_time(name, one_of(3) + 1);
        sent.emplace_back(send_put(m), [&expected, m] { expected[m.name] = m; });
      }
    }
    time.settle();
    for (auto& [a, done] : sent) {
      ASSERT_TRUE(a.here());
      if (a.get()) done();
    }
    disk.reset();
    switch (one_of(6)) {
      case 0: loads_asked.push_back(load_model("m" + std::to_string(one_of(5)), 5000)); break;
      case 1: ASSERT_TRUE(reload().get()); break;
      case 2: restart(); break;
      case 3: time.pass(std::chrono::milliseconds(one_of(400))); break;
      default:
        if (!loads.empty()) end_load();
    }
    ASSERT_EQ(on_disk(), expected) << step;
    ASSERT_EQ(world->routes->load()->models.size(), expected.size()) << step;
    for (const auto& [name, m] : expected) ASSERT_EQ(report(name).registration.max_length, m.max_length) << step;
  }
  const auto finish = [&] {
    load_at_once = true;
    for (int i = 0; i < 100; ++i) {
      while (!loads.empty()) end_load();
      time.pass(100ms);
    }
  };
  finish();
  for (const auto& [name, m] : expected) {
    EXPECT_TRUE(load_model(name).get());
    EXPECT_EQ(served_length(name), static_cast<int>(m.max_length));
    remove(name);
  }
  finish();
  EXPECT_EQ(report().memory.used_bytes, 0u);
  EXPECT_EQ(report().load_waiters, 0u);
  for (const auto& a : loads_asked) EXPECT_TRUE(a.here());
}

}  // namespace
}  // namespace troupe::actors
