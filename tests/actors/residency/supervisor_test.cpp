// The supervisor in virtual time: real model and device actors, a loader and a reclaimer that obey the test.

#include "actors/residency/supervisor.hpp"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <random>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using config::priority;

constexpr std::uint64_t mb = 1 << 20;

struct Supervisor : ::testing::Test {
  // What the loader says of an artifact.
  struct artifact {
    std::uint64_t size_bytes = 10 * mb;
    std::uint64_t mapping = 0;  // 0: its bytes are private
    std::string fingerprint = "1";
    std::optional<error> problem;
  };
  struct load {
    std::shared_ptr<load_order> order;
    std::function<void(std::shared_ptr<load_outcome>)> done;
  };

  virtual_time time;
  std::shared_ptr<supervisor_world> world = std::make_shared<supervisor_world>();
  config::registry registry;
  std::map<std::string, artifact> artifacts;
  struct estimate {
    std::string model;
    std::function<void(result<size_estimate>)> done;
  };
  std::deque<load> loads;  // started, not yet ended
  std::deque<estimate> estimates;
  std::vector<std::string> loaded_order;
  bool estimate_at_once = true, load_at_once = true, reclaim_at_once = true;
  std::deque<std::shared_ptr<reclaim_order>> reclaims;
  std::shared_ptr<fake_slot> slot0 = std::make_shared<fake_slot>(0);
  std::vector<pending_ptr> dispatched;
  supervisor_actor sup;

  void SetUp() override {
    world->settings.cleanup_interval_s = 300;
    world->settings.max_models = 100;
    world->settings.cache_ttl_s = 0;
    world->total_bytes = world->budget_bytes = 100 * mb;
    world->meter = std::make_shared<metrics>();
    world->routes = std::make_shared<routing_snapshot>();
    world->gauges = std::make_shared<device_gauges>();
    world->in_flight = std::make_shared<std::atomic<std::uint32_t>>(0);
    world->draining = std::make_shared<std::atomic<bool>>(false);
    world->dispatch = [this](std::vector<pending_ptr> all) {
      for (auto& p : all) dispatched.push_back(std::move(p));
    };
    world->device = time.system.spawn(device, std::vector<slot_ptr>{slot0}, device_options{}, world->meter, world->gauges);
    world->loaders.push_back(time.system.spawn([this]() -> loader_actor::behavior_type {
      return {[this](estimate_atom, const std::shared_ptr<load_order>& o, const std::function<void(result<size_estimate>)>& done) {
                estimates.push_back({o->model, done});
                if (estimate_at_once) deliver_estimate();
              },
              [this](load_atom, const std::shared_ptr<load_order>& o,
                     const std::function<void(std::shared_ptr<load_outcome>)>& done) {
                loads.push_back({o, done});
                if (load_at_once) deliver_load({});
              }};
    }));
    world->gentle_loaders.push_back({world->loaders[0], std::make_shared<gentleness>(std::make_shared<right_of_way>())});
    world->reclaimer = time.system.spawn([this]() -> reclaimer_actor::behavior_type {
      return {[this](reclaim_atom, const std::shared_ptr<reclaim_order>& o) {
                reclaims.push_back(o);
                if (reclaim_at_once) deliver_reclaim();
              },
              [](tick_atom) {}};
    });
  }

  void end_estimate() {
    deliver_estimate();
    time.settle();
  }
  void deliver_estimate() {
    const auto e = std::move(estimates.front());
    estimates.pop_front();
    const auto& a = artifacts[e.model];
    size_estimate s;
    if (a.mapping != 0)
      s.memory = {"file" + std::to_string(a.mapping), a.size_bytes, 0};
    else
      s.memory.private_bytes = a.size_bytes;
    s.fingerprint = a.fingerprint;
    e.done(s);
  }
  void end_load(std::optional<error> problem = {}) {
    deliver_load(problem);
    time.settle();
  }
  void end_reclaim() {
    deliver_reclaim();
    time.settle();
  }
  void deliver_load(const std::optional<error>& problem) {  // on the loader's own time
    auto l = std::move(loads.front());
    loads.pop_front();
    auto out = std::make_shared<load_outcome>();
    if (problem) {
      *out = tl::unexpected(*problem);
    } else {
      const auto& a = artifacts[l.order->model];
      auto made = std::make_unique<fake_model>(a.size_bytes, a.mapping);
      made->say_max_length(l.order->spec.max_length);
      *out = loaded_model{std::move(made), nullptr, a.fingerprint, 0.5};
      loaded_order.push_back(l.order->model);
    }
    l.done(std::move(out));
  }
  void deliver_reclaim() {
    auto o = std::move(reclaims.front());
    reclaims.pop_front();
    o->model.reset();
    o->freed();
  }

  config::registered_model& add(const std::string& name, std::uint64_t size = 10 * mb) {
    artifacts[name].size_bytes = size;
    auto& m = registry.models[name];
    m.name = name;
    return m;
  }
  void start() {
    sup = time.system.spawn(supervisor, world, std::make_shared<config::registry>(registry));
    time.settle();
  }
  void TearDown() override {
    if (sup) caf::anon_send(sup, stop_atom::value);
    time.settle();
    while (!reclaims.empty()) end_reclaim();
    for (auto& l : world->loaders) caf::anon_send_exit(l, caf::exit_reason::kill);
    caf::anon_send_exit(world->reclaimer, caf::exit_reason::kill);
    caf::anon_send_exit(world->device, caf::exit_reason::kill);
    time.settle();
  }

  template <class T>
  struct answer {
    std::shared_ptr<std::optional<result<T>>> value = std::make_shared<std::optional<result<T>>>();
    shared_reply<T> reply() const {
      return std::make_shared<one_shot<T>>([v = value](result<T> r) { *v = std::move(r); });
    }
    bool here() const { return value->has_value(); }
    result<T>& get() const { return value->value(); }
  };

  answer<load_report> load_model(const std::string& m, std::uint64_t wait_ms = 60000) {
    answer<load_report> a;
    caf::anon_send(sup, load_atom::value, m, wait_ms, a.reply());
    time.settle();
    return a;
  }
  answer<unload_report> unload_model(const std::string& m) {
    answer<unload_report> a;
    caf::anon_send(sup, unload_atom::value, m, a.reply());
    time.settle();
    return a;
  }
  answer<cleanup_report> clean() {
    answer<cleanup_report> a;
    caf::anon_send(sup, cleanup_atom::value, a.reply());
    time.settle();
    return a;
  }
  server_report report() {
    answer<server_report> a;
    caf::anon_send(sup, report_atom::value, a.reply());
    time.settle();
    return a.get().value();
  }
  model_report report(const std::string& m) {
    for (auto& r : report().models)
      if (r.registration.name == m) return r;
    return {};
  }
  // The registry as it is now comes into force, as on SIGHUP.
  void change_registry() {
    auto update = std::make_shared<registry_update>();
    update->registry = registry;
    answer<std::string> a;
    caf::anon_send(sup, registry_atom::value, update, a.reply());
    time.settle();
    ASSERT_TRUE(a.get());
  }
  // What the resident one says it was loaded with; -1: none is resident.
  int served_length(const std::string& m) {
    const auto home = entry(m)->current.load();
    return home ? static_cast<int>(home->model->info().max_length) : -1;
  }
  std::vector<std::string> resident() {
    std::vector<std::string> all;
    for (auto& m : report().models)
      if (m.state == residency::resident) all.push_back(m.registration.name);
    return all;
  }
  entry_ptr entry(const std::string& m) { return world->routes->load()->models.at(m); }
  void use(const std::string& m) {
    auto e = entry(m);
    e->accesses.fetch_add(1);
    e->last_used_ns.store(time.now().time_since_epoch().count());
  }
  made_job request(const std::string& m, std::chrono::milliseconds timeout = 30s) {
    auto made = make_job(time.now() + timeout, priority::medium, 1, m);
    auto p = std::make_shared<pending_request>();
    p->job = made.job;
    caf::anon_send(sup, miss_atom::value, p);
    time.settle();
    return made;
  }
  using names = std::vector<std::string>;
};

TEST_F(Supervisor, RequestsForOneModelShareOneLoad) {
  add("a");
  load_at_once = false;
  start();
  auto r1 = request("a"), r2 = request("a");
  auto l = load_model("a");
  EXPECT_EQ(loads.size(), 1u);
  EXPECT_FALSE(l.here());
  end_load();
  EXPECT_EQ(dispatched.size(), 2u);
  EXPECT_FALSE(l.get()->already);
  EXPECT_TRUE(load_model("a").get()->already);
  EXPECT_EQ(l.get()->memory_bytes, 10 * mb);
}

TEST_F(Supervisor, AWaiterExpiresOnTimeAndTheLoadGoesOn) {
  add("a");
  load_at_once = false;
  start();
  auto r = request("a", 100ms);
  auto l = load_model("a", 200);
  time.pass(100ms);
  ASSERT_TRUE(r.out->failure);
  EXPECT_EQ(r.out->failure->code, error_code::deadline_exceeded);
  EXPECT_EQ(world->meter->for_model("a")->expired.Value(), 1);
  time.pass(100ms);
  EXPECT_EQ(l.get().error().code, error_code::deadline_exceeded);
  end_load();
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, EvictsTheLeastRecentlyUsedSoThatALoadFits) {
  for (const auto* m : {"a", "b", "c"}) add(m, 40 * mb);
  start();
  load_model("a");
  load_model("b");
  time.pass(5s);
  use("a");
  load_model("c");
  EXPECT_EQ(resident(), (names{"a", "c"}));
  EXPECT_EQ(report().memory.used_bytes, 80 * mb);
}

TEST_F(Supervisor, ReservesBeforeItLoads_TwoLoadsCannotOversubscribe) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  load_at_once = false;
  start();
  load_model("a");
  auto b = load_model("b");
  EXPECT_EQ(loads.size(), 1u) << "the second does not fit beside the first's reservation";
  EXPECT_EQ(report().memory.reserved_bytes, 60 * mb);
  end_load();
  time.pass(2s);
  ASSERT_EQ(loads.size(), 1u);
  end_load();
  EXPECT_TRUE(b.here());
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, MemoryIsUsedUntilItIsBack) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  reclaim_at_once = false;
  start();
  load_model("a");
  time.pass(2s);
  auto b = load_model("b");
  EXPECT_TRUE(loads.empty());
  EXPECT_EQ(report().memory.draining_bytes, 60 * mb);
  EXPECT_FALSE(b.here());
  end_reclaim();
  EXPECT_TRUE(b.here());
}

TEST_F(Supervisor, UnloadAnswersWhenTheMemoryIsBack) {
  add("a");
  reclaim_at_once = false;
  start();
  load_model("a");
  auto u = unload_model("a");
  EXPECT_FALSE(u.here());
  end_reclaim();
  EXPECT_EQ(u.get()->freed_bytes, 10 * mb);
  EXPECT_TRUE(unload_model("a").get()->already);
  EXPECT_EQ(unload_model("nobody").get().error().code, error_code::model_not_found);
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Supervisor, LargerThanTheBudgetIsRefusedAndEvictsNobody) {
  add("a");
  add("huge", 101 * mb);
  start();
  load_model("a");
  time.pass(5s);
  EXPECT_EQ(load_model("huge").get().error().code, error_code::insufficient_memory);
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, PinnedStaysAndALoadThatCannotFitBesideItFails) {
  add("a", 60 * mb).pinned = true;
  add("b", 60 * mb);
  start();
  load_model("a");
  time.pass(5s);
  EXPECT_EQ(load_model("b").get().error().code, error_code::insufficient_memory);
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, ABusyModelIsSparedThenDrainedWhenTheWaitIsLong) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  start();
  load_model("a");
  time.pass(5s);
  auto home = entry("a")->current.load();
  ASSERT_EQ(home->door.try_enter(1, 10), gate::entry::entered);
  auto work = std::make_unique<ticket>(home, 1);
  home.reset();
  auto b = load_model("b");
  time.pass(400ms);
  EXPECT_EQ(resident(), names{"a"}) << "busy";
  time.pass(200ms);
  EXPECT_TRUE(resident().empty()) << "it takes no more requests, but what is inside finishes";
  EXPECT_FALSE(b.here());
  work.reset();
  time.settle();
  EXPECT_TRUE(b.here());
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, JustLoadedIsSpared) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  start();
  load_model("a");
  auto b = load_model("b");
  EXPECT_EQ(resident(), names{"a"});
  time.pass(1s);
  EXPECT_TRUE(b.here());
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, MaxModelsBoundsTheCount) {
  for (const auto* m : {"a", "b", "c"}) add(m, mb);
  world->settings.max_models = 2;
  start();
  load_model("a");
  load_model("b");
  time.pass(5s);
  load_model("c");
  EXPECT_EQ(resident(), (names{"b", "c"}));
}

TEST_F(Supervisor, ASharedMappingIsCountedOnceAndNeedsNoRoom) {
  add("a", 60 * mb);
  add("b", 60 * mb);
  artifacts["a"].mapping = artifacts["b"].mapping = 9;
  start();
  load_model("a");
  load_model("b");
  EXPECT_EQ(resident(), (names{"a", "b"}));
  EXPECT_EQ(report().memory.used_bytes, 60 * mb);
}

// One artifact in two precisions: one fingerprint, two files to map.
TEST_F(Supervisor, TheSameArtifactInAnotherPrecisionNeedsItsOwnRoom) {
  add("fp32", 60 * mb);
  add("bf16", 60 * mb);
  artifacts["fp32"].mapping = 1;
  artifacts["bf16"].mapping = 2;
  world->settings.min_resident_ms = 0;
  start();
  load_model("fp32");
  load_model("bf16");
  EXPECT_EQ(resident(), (names{"bf16"}));
  EXPECT_LE(report().memory.used_bytes, 100 * mb);
}

TEST_F(Supervisor, TtlUnloadsIdleModelsOnly) {
  add("a").cache_ttl_s = 10;
  add("b").cache_ttl_s = 10;
  start();
  load_model("a");
  load_model("b");
  time.pass(8s);
  use("b");
  time.pass(4s);
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, APreloadedModelIsRevalidatedAndReplacedWithoutAnOutage) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  ASSERT_EQ(resident(), names{"a"});
  auto first = entry("a")->current.load();
  time.pass(15s);
  EXPECT_EQ(entry("a")->current.load(), first) << "unchanged: nothing is loaded";
  artifacts["a"].fingerprint = "2";
  load_at_once = false;
  time.pass(15s);
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(entry("a")->current.load(), first) << "the old one serves meanwhile";
  end_load();
  EXPECT_NE(entry("a")->current.load(), first);
  first.reset();
  time.settle();
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, AFailedReplacementLeavesTheOldOneServing) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  artifacts["a"].fingerprint = "2";
  load_at_once = false;
  time.pass(12s);
  ASSERT_EQ(loads.size(), 1u);
  end_load(error{error_code::load_failed, "truncated", {}, {}});
  EXPECT_EQ(resident(), names{"a"});
  EXPECT_EQ(report("a").last_error, "truncated");
}

TEST_F(Supervisor, CleanupGoesBelowTheThresholdInTheDocumentsOrder) {
  add("low", 30 * mb).priority = priority::low;
  add("mid", 30 * mb).priority = priority::medium;
  add("high", 30 * mb).priority = priority::high;
  start();
  for (const auto* m : {"high", "mid", "low"}) load_model(m);
  time.pass(5s);
  auto c = clean();
  ASSERT_TRUE(c.here());
  EXPECT_EQ(c.get()->models_unloaded, names{"low"});
  EXPECT_EQ(c.get()->before_bytes, 90 * mb);
  EXPECT_EQ(c.get()->after_bytes, 60 * mb);
  EXPECT_EQ(c.get()->reason, "memory_threshold_exceeded");
  auto again = clean();
  EXPECT_EQ(again.get()->reason, "not_needed");
  EXPECT_TRUE(again.get()->models_unloaded.empty());
  EXPECT_EQ(report().cleanups.cleanups, 1u) << "one with nothing to do is not counted";
}

TEST_F(Supervisor, CleanupRunsByItselfOnItsInterval) {
  add("a", 90 * mb);
  start();
  load_model("a");
  time.pass(299s);
  EXPECT_EQ(resident(), names{"a"});
  time.pass(2s);
  EXPECT_TRUE(resident().empty());
}

TEST_F(Supervisor, ADeadModelActorIsRestartedWithBackOff) {
  add("a");
  start();
  load_model("a");
  for (const auto pause : {100ms, 200ms}) {
    caf::anon_send_exit(entry("a")->current.load()->actor, caf::exit_reason::kill);
    time.settle();
    EXPECT_TRUE(resident().empty());
    auto waits = request("a");
    time.pass(pause - 1ms);
    EXPECT_TRUE(resident().empty());
    time.pass(1ms);
    EXPECT_EQ(resident(), names{"a"});
    EXPECT_FALSE(waits.out->failure);
  }
  EXPECT_EQ(report("a").restarts, 2u);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, AFailedLoadAnswersItsWaitersAndOnlyThem) {
  add("bad");
  add("good");
  load_at_once = false;
  start();
  auto bad = request("bad");
  auto good = request("good");
  end_load(error{error_code::load_failed, "model.safetensors is truncated", {}, {}});
  ASSERT_TRUE(bad.out->failure);
  EXPECT_EQ(bad.out->failure->message, "model.safetensors is truncated");
  EXPECT_FALSE(good.out->closed());
  end_load();
  EXPECT_EQ(dispatched.size(), 1u);
  EXPECT_EQ(report("bad").state, residency::failed);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
  auto again = request("bad");
  EXPECT_TRUE(again.out->failure) << "not tried again at once for every request";
}

TEST_F(Supervisor, UnloadDuringALoadCancelsIt) {
  add("a");
  load_at_once = false;
  start();
  auto l = load_model("a");
  auto u = unload_model("a");
  EXPECT_TRUE(u.here());
  EXPECT_EQ(l.get().error().code, error_code::conflict);
  EXPECT_TRUE(loads.front().order->cancelled->load());
  EXPECT_EQ(report().memory.used_bytes, 10 * mb) << "its reservation holds until the loader has let go";
  end_load();
  EXPECT_TRUE(resident().empty());
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Supervisor, ALoadNobodyWaitsForAnyMoreIsGivenUp) {
  add("a", 60 * mb).pinned = true;
  add("b", 30 * mb);
  add("c", 30 * mb);
  start();
  load_model("a");
  load_model("b");
  auto home = entry("b")->current.load();
  home->door.try_enter(1, 10);
  auto work = std::make_unique<ticket>(home, 1);
  auto c = request("c", 200ms);
  time.pass(200ms);
  EXPECT_TRUE(c.out->failure);
  time.pass(10s);
  EXPECT_EQ(resident(), (names{"a", "b"})) << "b is not drained for a load that nobody wants";
  work.reset();
  home.reset();
}

TEST_F(Supervisor, WaitersAreBounded) {
  add("a");
  world->settings.max_load_waiters = 2;
  load_at_once = false;
  start();
  auto r1 = request("a"), r2 = request("a"), r3 = request("a");
  ASSERT_TRUE(r3.out->failure);
  EXPECT_EQ(r3.out->failure->code, error_code::too_many_requests);
  end_load();
  EXPECT_EQ(dispatched.size(), 2u);
}

TEST_F(Supervisor, TheRegistryChangesWithoutTouchingWhatStays) {
  add("stays");
  add("goes");
  start();
  load_model("stays");
  load_model("goes");
  auto kept = entry("stays")->current.load();
  registry.models.erase("goes");
  add("comes");
  change_registry();
  EXPECT_EQ(entry("stays")->current.load(), kept);
  EXPECT_EQ(world->routes->load()->models.count("goes"), 0u);
  EXPECT_TRUE(load_model("comes").get());
  EXPECT_EQ(report().memory.used_bytes, 20 * mb);
}

TEST_F(Supervisor, DecayedUseMakesPriorities) {
  add("used");
  add("idle");
  start();
  load_model("used");
  load_model("idle");
  for (int i = 0; i < 20; ++i) use("used");
  time.pass(2s);
  EXPECT_EQ(report("used").priority, priority::high);
  EXPECT_EQ(report("idle").priority, priority::low);
  time.pass(2h);
  EXPECT_EQ(report("used").priority, priority::low);
}

// -- the registry changes while something is under way -------------------------------------------------------

TEST_F(Supervisor, ALoadForAnOldRegistrationIsStartedOver) {
  add("a").max_length = 8;
  load_at_once = false;
  start();
  auto first = load_model("a");
  auto asked = request("a");
  registry.models["a"].max_length = 16;
  change_registry();
  auto second = load_model("a");
  ASSERT_EQ(loads.size(), 2u);
  EXPECT_TRUE(loads[0].order->cancelled->load());
  EXPECT_EQ(loads[1].order->spec.max_length, 16u);
  end_load();  // it was too late to call it off
  EXPECT_EQ(served_length("a"), -1);
  EXPECT_FALSE(first.here());
  end_load();
  EXPECT_EQ(served_length("a"), 16);
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
  EXPECT_EQ(dispatched.size(), 1u);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, SoIsOneThatIsBeingEstimated) {
  add("a").max_length = 8;
  estimate_at_once = false;
  start();
  auto l = load_model("a");
  registry.models["a"].max_length = 16;
  change_registry();
  ASSERT_EQ(estimates.size(), 2u);
  end_estimate();
  EXPECT_FALSE(l.here());
  end_estimate();
  EXPECT_TRUE(l.get());
  EXPECT_EQ(served_length("a"), 16);
}

TEST_F(Supervisor, SoIsOneThatWaitsForMemoryOrForItsBackOff) {
  add("big", 60 * mb);
  add("a", 60 * mb).max_length = 8;
  start();
  load_model("big");
  auto l = load_model("a");  // big was just loaded
  EXPECT_FALSE(l.here());
  registry.models["a"].max_length = 16;
  change_registry();
  time.pass(2s);
  EXPECT_TRUE(l.get());
  EXPECT_EQ(served_length("a"), 16);

  caf::anon_send_exit(entry("a")->current.load()->actor, caf::exit_reason::kill);
  time.settle();
  registry.models["a"].max_length = 24;
  change_registry();
  EXPECT_EQ(served_length("a"), 24) << "nothing is known against the new registration: no back-off";
  EXPECT_EQ(report().memory.used_bytes, 60 * mb);
}

TEST_F(Supervisor, AReloadThatIsOvertakenByAnotherChangeIsStartedOver) {
  add("a").max_length = 8;
  start();
  load_model("a");
  load_at_once = false;
  registry.models["a"].max_length = 16;
  change_registry();
  registry.models["a"].max_length = 24;
  change_registry();
  ASSERT_EQ(loads.size(), 2u);
  end_load();
  EXPECT_EQ(served_length("a"), 8) << "the old one serves until the last word is there";
  end_load();
  EXPECT_EQ(served_length("a"), 24);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, AChangeThatIsTakenBackLeavesWhatIsResident) {
  add("a").max_length = 8;
  start();
  load_model("a");
  const auto* first = entry("a")->current.load().get();
  load_at_once = false;
  registry.models["a"].max_length = 16;
  change_registry();
  auto l = load_model("a");
  EXPECT_FALSE(l.here()) << "what is resident is not what the registry says";
  registry.models["a"].max_length = 8;
  change_registry();
  EXPECT_TRUE(l.get()->already);
  end_load();
  EXPECT_EQ(entry("a")->current.load().get(), first);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, LoadsUnderAChangedRegistryJoinTheReload) {
  add("a").max_length = 8;
  start();
  load_model("a");
  load_at_once = false;
  registry.models["a"].max_length = 16;
  change_registry();
  auto one = load_model("a"), two = load_model("a");
  EXPECT_EQ(loads.size(), 1u);
  EXPECT_FALSE(one.here());
  end_load();
  EXPECT_FALSE(one.get()->already);
  EXPECT_FALSE(two.get()->already);
  EXPECT_TRUE(load_model("a").get()->already);
}

TEST_F(Supervisor, ARegistrationThatIsMendedHasNotFailed) {
  add("a").max_length = 8;
  load_at_once = false;
  start();
  load_model("a");
  end_load(error{error_code::load_failed, "no", {}, {}});
  EXPECT_EQ(report("a").state, residency::failed);
  registry.models["a"].description = "broken";
  change_registry();
  EXPECT_EQ(report("a").last_error, "no");
  registry.models["a"].max_length = 16;
  change_registry();
  EXPECT_EQ(report("a").state, residency::unloaded);
}

TEST_F(Supervisor, AfterAFailedReloadALoadTriesAgain) {
  add("a").max_length = 8;
  start();
  load_model("a");
  load_at_once = false;
  registry.models["a"].max_length = 16;
  change_registry();
  end_load(error{error_code::load_failed, "no", {}, {}});
  EXPECT_EQ(served_length("a"), 8);
  auto again = load_model("a");
  ASSERT_EQ(loads.size(), 1u);
  end_load();
  EXPECT_FALSE(again.get()->already);
  EXPECT_EQ(served_length("a"), 16);
}

TEST_F(Supervisor, UnloadDuringAReloadLeavesNothing) {
  add("a").max_length = 8;
  start();
  load_model("a");
  load_at_once = false;
  registry.models["a"].max_length = 16;
  change_registry();
  auto waits = load_model("a");
  auto u = unload_model("a");
  EXPECT_EQ(u.get()->freed_bytes, 10 * mb);
  EXPECT_EQ(waits.get().error().code, error_code::conflict);
  end_load();
  EXPECT_EQ(served_length("a"), -1);
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Supervisor, RemovedAndBackAgainIsAnotherModel) {
  add("a").max_length = 8;
  load_at_once = false;
  start();
  auto l = load_model("a");
  const auto kept = registry.models;
  registry.models.clear();
  change_registry();
  EXPECT_EQ(l.get().error().code, error_code::model_not_found);
  registry.models = kept;
  registry.models["a"].max_length = 16;
  change_registry();
  auto again = load_model("a");
  end_load();
  EXPECT_FALSE(again.here());
  end_load();
  EXPECT_TRUE(again.get());
  EXPECT_EQ(served_length("a"), 16);
  EXPECT_EQ(report().memory.used_bytes, 10 * mb);
}

TEST_F(Supervisor, WhatOnlyTheServerFollowsReloadsNothing) {
  add("a").priority = priority::low;
  start();
  load_model("a");
  const auto* first = entry("a")->current.load().get();
  registry.models["a"].priority = priority::high;
  registry.models["a"].description = "the same";
  registry.models["a"].pinned = true;
  load_at_once = false;
  change_registry();
  EXPECT_TRUE(loads.empty());
  EXPECT_EQ(entry("a")->current.load().get(), first);
  EXPECT_EQ(report("a").priority, priority::high);
  EXPECT_TRUE(load_model("a").get()->already);
}

TEST_F(Supervisor, ARevalidationWhoseModelHasCrashedLoadsItAgain) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  estimate_at_once = false;
  time.pass(11s);
  ASSERT_EQ(estimates.size(), 1u);
  caf::anon_send_exit(entry("a")->current.load()->actor, caf::exit_reason::kill);
  time.settle();
  auto waits = load_model("a");
  end_estimate();  // nothing has changed; but nothing is resident either
  EXPECT_EQ(resident(), names{"a"});
  EXPECT_TRUE(waits.here());
}

TEST_F(Supervisor, ALoadWaitsForTheReloadsOfThoseThatItCouldTakeThePlaceOf) {
  add("a").max_length = 8;
  add("b");
  world->settings.max_models = 1;
  start();
  load_model("a");
  time.pass(2s);
  estimate_at_once = false;
  registry.models["a"].max_length = 16;
  change_registry();  // a is being reloaded
  auto b = load_model("b");
  while (!estimates.empty()) end_estimate();
  time.pass(2s);
  ASSERT_TRUE(b.here());
  EXPECT_TRUE(b.get());
  EXPECT_EQ(resident(), names{"b"});
}

TEST_F(Supervisor, AReloadThatWaitsBehindALoadThatItKeepsOutGoesFirst) {
  add("a").max_length = 8;
  add("b");
  add("c").max_length = 8;
  world->settings.max_models = 2;
  world->settings.max_eviction_wait_ms = 60'000;
  start();
  load_model("a");
  load_model("c");
  time.pass(2s);
  // b waits, for both are in use; then both are reloaded behind it.
  std::vector<std::unique_ptr<ticket>> work;
  for (const auto* m : {"a", "c"}) {
    const auto home = entry(m)->current.load();
    ASSERT_EQ(home->door.try_enter(1, 10), gate::entry::entered);
    work.push_back(std::make_unique<ticket>(home, 1));
  }
  auto b = load_model("b");
  registry.models["a"].max_length = registry.models["c"].max_length = 16;
  change_registry();
  work.clear();
  time.pass(3s);
  ASSERT_TRUE(b.here());
  EXPECT_TRUE(b.get());
  EXPECT_EQ(resident().size(), 2u);
}

TEST_F(Supervisor, TheDefaultModelFollowsTheRegistry) {
  add("a");
  add("b").preload = true;
  add("c").preload = true;
  start();
  EXPECT_EQ(world->routes->load()->default_model, "b");
  registry.models.erase("b");
  change_registry();
  EXPECT_EQ(world->routes->load()->default_model, "c");
  registry.models.erase("c");
  change_registry();
  EXPECT_EQ(world->routes->load()->default_model, "a");
}

// -- what is told of memory ------------------------------------------------------------------------------------

TEST_F(Supervisor, TheFirstOfManyUnloadsTellsTheBytes) {
  add("a");
  reclaim_at_once = false;
  start();
  load_model("a");
  std::vector<answer<unload_report>> all;
  for (int i = 0; i < 4; ++i) all.push_back(unload_model("a"));
  end_reclaim();
  EXPECT_EQ(all[0].get()->freed_bytes, 10 * mb);
  for (int i = 1; i < 4; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get()->freed_bytes, 0u);
}

TEST_F(Supervisor, OfTwoJustLoadedTheLeastRecentlyUsedGoes) {
  for (const auto* m : {"a", "b", "c"}) add(m, 40 * mb).priority = priority::medium;
  start();
  load_model("a");
  time.pass(300ms);
  load_model("b");
  time.pass(300ms);
  use("a");
  auto c = load_model("c");
  time.pass(650ms);
  EXPECT_EQ(resident(), (names{"a", "b"})) << "a may go by now, but b was used less recently and will soon be free to go";
  time.pass(300ms);
  EXPECT_TRUE(c.here());
  EXPECT_EQ(resident(), (names{"a", "c"}));
}

TEST_F(Supervisor, ACleanupThatSparesAllSaysSo) {
  add("a", 90 * mb);
  start();
  load_model("a");
  auto c = clean();
  EXPECT_EQ(c.get()->reason, "all_spared") << "just loaded";
  EXPECT_TRUE(c.get()->models_unloaded.empty());
  time.pass(5s);
  auto home = entry("a")->current.load();
  ASSERT_EQ(home->door.try_enter(1, 10), gate::entry::entered);
  auto work = std::make_unique<ticket>(home, 1);
  EXPECT_EQ(clean().get()->reason, "all_spared") << "in use";
  work.reset();
  home.reset();
  EXPECT_EQ(report().cleanups.cleanups, 0u) << "a cleanup without effect is not counted";
  EXPECT_EQ(clean().get()->reason, "memory_threshold_exceeded");
  EXPECT_EQ(clean().get()->reason, "not_needed");
  registry.models["a"].pinned = true;
  change_registry();
  load_model("a");
  time.pass(5s);
  EXPECT_EQ(clean().get()->reason, "all_spared") << "pinned";
}

TEST_F(Supervisor, AScanThatSparedTheJustLoadedLooksAgainSoon) {
  add("a", 90 * mb);
  world->settings.min_resident_ms = 3000;
  start();
  time.pass(298s);
  load_model("a");
  time.pass(2s);  // the scan
  EXPECT_EQ(resident(), names{"a"});
  time.pass(3s);
  EXPECT_TRUE(resident().empty());
  EXPECT_EQ(report().cleanups.last_reason, "memory_threshold_exceeded");
}

TEST_F(Supervisor, ACleanupTellsWhatHadExpired) {
  add("a").cache_ttl_s = 10;
  add("b");
  start();
  load_model("a");
  load_model("b");
  time.pass(9600ms);
  EXPECT_EQ(clean().get()->reason, "not_needed");
  time.pass(500ms);  // the timer's next look is later
  ASSERT_EQ(resident(), (names{"a", "b"}));
  auto c = clean();
  EXPECT_EQ(c.get()->reason, "ttl_expired");
  EXPECT_EQ(c.get()->models_unloaded, names{"a"});
  EXPECT_EQ(c.get()->before_bytes - c.get()->after_bytes, 10 * mb);
  EXPECT_EQ(report().cleanups.cleanups, 1u);
}

TEST_F(Supervisor, WhatTheTimerExpiresIsTold) {
  add("a").cache_ttl_s = 10;
  start();
  EXPECT_EQ(report().cleanups.last_reason, "");
  load_model("a");
  time.pass(12s);
  EXPECT_TRUE(resident().empty());
  EXPECT_EQ(report().cleanups.last_reason, "ttl_expired");
  EXPECT_TRUE(report().cleanups.last);
}

TEST_F(Supervisor, TheThresholdIsAShareOfWhatTheLimitIsAShareOf) {
  world->settings.max_memory_usage = 0.8;
  world->settings.memory_threshold = 0.4;  // half of the budget, wherever that comes from
  for (const auto* m : {"a", "b"}) add(m, 30 * mb);
  start();
  EXPECT_EQ(report().memory.threshold_bytes, 50 * mb);
  load_model("a");
  time.pass(2s);
  load_model("b");
  time.pass(2s);
  EXPECT_EQ(clean().get()->models_unloaded, names{"a"});
}

TEST_F(Supervisor, GaugesOfAnUnloadedModelReadZeroAndARemovedModelsSeriesGo) {
  add("a");
  start();
  load_model("a");
  const auto scraped = [&](const std::string& series) {
    report();
    return prometheus::TextSerializer().Serialize(world->meter->registry().Collect()).find(series) != std::string::npos;
  };
  EXPECT_TRUE(scraped("troupe_model_instances{model=\"a\"} 1\n"));
  unload_model("a");
  EXPECT_TRUE(scraped("troupe_model_instances{model=\"a\"} 0\n"));
  registry.models.clear();
  change_registry();
  EXPECT_FALSE(scraped("{model=\"a\""));
}

std::string numbered(int i) {
  std::string name = std::to_string(i);
  name.insert(name.begin(), 'm');
  return name;
}

TEST_F(Supervisor, TheLedgerIsExactAfterManyCycles) {
  for (int i = 0; i < 8; ++i) {
    const auto name = numbered(i);
    add(name, (i % 3 + 1) * 10 * mb);
    artifacts[name].mapping = static_cast<std::uint64_t>(i / 2 + 1);
    artifacts[name].size_bytes = static_cast<std::uint64_t>(i / 2 + 1) * 10 * mb;
  }
  start();
  for (int round = 0; round < 64; ++round)
    for (int i = 0; i < 8; ++i) {
      load_model(numbered(i));
      time.pass(1100ms);
      if ((round + i) % 3 == 0) unload_model(numbered((i + 5) % 8));
    }
  for (int i = 0; i < 8; ++i) unload_model(numbered(i));
  EXPECT_EQ(report().memory.used_bytes, 0u);
  EXPECT_EQ(report().memory.draining_bytes, 0u);
}

// Everything at once, in any order. Whenever something is resident, it is what a registration that was in force since its
// load says; and in the end the ledger is empty and the last word of the registry is served.
TEST_F(Supervisor, AnyOrderOfLoadsUnloadsAndRegistriesEndsRight) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto one_of = [&](unsigned n) { return static_cast<int>(random() % n); };
  for (int i = 0; i < 4; ++i) add(numbered(i), static_cast<std::uint64_t>(i + 1) * 20 * mb);
  start();
  load_at_once = reclaim_at_once = estimate_at_once = false;
  std::vector<answer<load_report>> loads_asked;
  std::vector<answer<unload_report>> unloads_asked;
  std::vector<made_job> requests;
  auto spare = registry.models;
  for (int step = 0; step < 3000; ++step) {
    const auto name = numbered(one_of(4));
    const bool known = registry.models.contains(name);
    switch (one_of(10)) {
      case 0: loads_asked.push_back(load_model(name, 5000)); break;
      case 1: unloads_asked.push_back(unload_model(name)); break;
      case 2: requests.push_back(request(name, 3s)); break;
      case 3:
        if (known) registry.models[name].max_length = static_cast<std::uint32_t>(one_of(3) + 1);
        change_registry();
        break;
      case 4:
        if (known)
          registry.models.erase(name);
        else
          registry.models[name] = spare[name];
        change_registry();
        break;
      case 5:
        if (known && one_of(4) == 0)
          if (const auto home = entry(name)->current.load()) caf::anon_send_exit(home->actor, caf::exit_reason::kill);
        time.settle();
        break;
      case 6: time.pass(std::chrono::milliseconds(one_of(400))); break;
      case 7:
        if (!estimates.empty()) end_estimate();
        break;
      case 8:
        if (!loads.empty()) end_load(one_of(5) == 0 ? std::optional(error{error_code::load_failed, "no", {}, {}}) : std::nullopt);
        break;
      default:
        if (!reclaims.empty()) end_reclaim();
    }
    ASSERT_LE(report().memory.used_bytes, world->budget_bytes);
  }
  registry.models = spare;
  for (auto& [name, m] : registry.models) m.max_length = 7;
  change_registry();
  const auto finish = [&] {
    for (int i = 0; i < 200; ++i) {
      while (!estimates.empty()) end_estimate();
      while (!loads.empty()) end_load();
      while (!reclaims.empty()) end_reclaim();
      time.pass(100ms);
    }
  };
  finish();
  for (int i = 0; i < 4; ++i) unload_model(numbered(i));
  finish();
  EXPECT_EQ(report().memory.used_bytes, 0u);
  EXPECT_EQ(report().memory.reserved_bytes, 0u);
  EXPECT_EQ(report().load_waiters, 0u);
  for (auto& a : loads_asked) EXPECT_TRUE(a.here());
  for (auto& a : unloads_asked) EXPECT_TRUE(a.here());
  load_at_once = reclaim_at_once = estimate_at_once = true;
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(load_model(numbered(i)).get());
    EXPECT_EQ(served_length(numbered(i)), 7);
    unload_model(numbered(i));
  }
  EXPECT_EQ(report().memory.used_bytes, 0u);
}

TEST_F(Supervisor, HealthIsStartingUntilWhatIsPreloadedIsThereOrHasFailed) {
  for (const auto* m : {"a", "b", "other"}) add(m);
  registry.models["a"].preload = registry.models["b"].preload = true;
  load_at_once = false;
  start();
  EXPECT_EQ(report().state, health::starting);
  EXPECT_EQ(report().missing.size(), 2u);
  EXPECT_EQ(report().missing[0].name, "a");
  end_load();
  EXPECT_EQ(report().state, health::starting);
  EXPECT_FALSE(report().ready);
  end_load(error{error_code::load_failed, "no such folder", {}, {}});
  EXPECT_EQ(report().state, health::degraded);
  EXPECT_FALSE(report().ready);
  ASSERT_EQ(report().missing.size(), 1u);
  EXPECT_EQ(report().missing[0].name, "b");
  EXPECT_EQ(report().missing[0].why, "no such folder");

  // A load of another model, and another try, make no start of it.
  load_model("other");
  load_model("b");
  EXPECT_EQ(report().state, health::degraded);
  end_load();
  EXPECT_EQ(report().state, health::degraded);
  end_load();
  EXPECT_EQ(report().state, health::healthy);
  EXPECT_TRUE(report().ready);
  EXPECT_TRUE(report().missing.empty());

  // What was there and was unloaded comes back with its next request.
  unload_model("b");
  EXPECT_EQ(report().state, health::healthy);
  load_model("b");
  EXPECT_EQ(report().state, health::healthy);
  end_load();
}

TEST_F(Supervisor, AFailedPreloadIsTriedAgainUntilItIsThere) {
  add("a").preload = true;
  load_at_once = false;
  start();
  const error no{error_code::load_failed, "no such folder", {}, {}};
  end_load(no);
  EXPECT_EQ(report("a").state, residency::failed);
  for (const auto pause : {100ms, 200ms, 400ms}) {
    auto meanwhile = request("a");
    ASSERT_TRUE(meanwhile.out->failure) << "not kept waiting for the next try";
    EXPECT_EQ(meanwhile.out->failure->detail, "no such folder");
    time.pass(pause - 1ms);
    EXPECT_TRUE(loads.empty());
    time.pass(1ms);
    ASSERT_EQ(loads.size(), 1u);
    EXPECT_EQ(report().state, health::degraded);
    EXPECT_EQ(report().missing.at(0).why, "no such folder");
    end_load(no);
  }
  time.pass(800ms);
  ASSERT_EQ(loads.size(), 1u);
  end_load();
  EXPECT_EQ(report().state, health::healthy);
  EXPECT_TRUE(report("a").last_error.empty());
}

TEST_F(Supervisor, WhoAsksInPersonDoesNotWaitForTheBackOff) {
  add("a").preload = true;
  load_at_once = false;
  start();
  const error no{error_code::load_failed, "no", {}, {}};
  for (int i = 0; i < 12; ++i) {
    end_load(no);
    auto asked = load_model("a");
    ASSERT_EQ(loads.size(), 1u) << i;
    EXPECT_FALSE(asked.here());
  }
  end_load(no);
  answer<warmup_report> warm;
  caf::anon_send(sup, warm_atom::value, std::string("a"), std::uint64_t{60000}, warm.reply());
  time.settle();
  ASSERT_EQ(loads.size(), 1u);
  end_load();
  EXPECT_EQ(resident(), names{"a"});
}

TEST_F(Supervisor, WhatIsNoLongerPreloadedIsNotTriedAgain) {
  add("a").preload = true;
  load_at_once = false;
  start();
  end_load(error{error_code::load_failed, "no", {}, {}});
  registry.models["a"].preload = false;
  change_registry();
  time.pass(60s);
  EXPECT_TRUE(loads.empty());
}

TEST_F(Supervisor, AGoodModelKeepsNoErrorOfAReplacementThatIsNoMore) {
  auto& m = add("a");
  m.cache_ttl_s = 10;
  m.preload = true;
  start();
  artifacts["a"].fingerprint = "2";
  load_at_once = false;
  time.pass(12s);
  ASSERT_EQ(loads.size(), 1u);
  end_load(error{error_code::load_failed, "truncated", {}, {}});
  artifacts["a"].fingerprint = "1";  // as it was
  time.pass(12s);
  EXPECT_TRUE(loads.empty());
  EXPECT_EQ(report("a").last_error, "");
  unload_model("a");
  EXPECT_EQ(report().state, health::healthy) << "it comes back with its next request";
}

TEST_F(Supervisor, RequestsThatHaveEndedDoNotWaitForALoad) {
  add("a").preload = true;
  add("b");
  world->settings.max_load_waiters = 1;
  load_at_once = false;
  start();
  auto first = request("a", 100ms);
  time.pass(100ms);
  ASSERT_TRUE(first.out->failure);
  EXPECT_EQ(report().load_waiters, 0u);
  auto second = request("a");
  EXPECT_FALSE(second.out->failure);
  end_load();
}

TEST_F(Supervisor, HealthAfterACalledOffPreload) {
  add("a").preload = true;
  load_at_once = false;
  start();
  EXPECT_EQ(report().state, health::starting);
  unload_model("a");
  time.pass(1s);
  EXPECT_EQ(report().state, health::healthy);
  end_load();
}

TEST_F(Supervisor, HealthTellsOfPreloadsTheRegistryDoesNotHave) {
  add("a");
  world->settings.preload_models = {"a", "typo"};
  world->settings.ready_when_degraded = true;
  start();
  const auto now = report();
  EXPECT_EQ(now.state, health::degraded);
  EXPECT_TRUE(now.ready) << "the settings allow it";
  ASSERT_EQ(now.missing.size(), 1u);
  EXPECT_EQ(now.missing[0].name, "typo");
  EXPECT_EQ(now.missing[0].why, "it is not in the registry");
  world->draining->store(true);
  EXPECT_EQ(report().state, health::draining);
  EXPECT_FALSE(report().ready);
}

TEST_F(Supervisor, HealthOfPreloadsThatARegistryChangeBrings) {
  add("a").preload = true;
  start();
  EXPECT_EQ(report().state, health::healthy);
  add("new").preload = true;
  load_at_once = false;
  const auto change = [&] {
    auto update = std::make_shared<registry_update>();
    update->registry = registry;
    answer<std::string> done;
    caf::anon_send(sup, registry_atom::value, update, done.reply());
    time.settle();
    return done.here();
  };
  ASSERT_TRUE(change());
  EXPECT_EQ(report().state, health::healthy) << "it loads beside what is served";
  end_load(error{error_code::load_failed, "no such folder", {}, {}});
  EXPECT_EQ(report().state, health::degraded);
  registry.models.erase("new");
  ASSERT_TRUE(change());
  EXPECT_EQ(report().state, health::healthy);
}

}  // namespace
}  // namespace troupe::actors
