// The supervisor in virtual time: real model and device actors, a loader and a reclaimer that obey the test.

#include "actors/supervisor.hpp"

#include <gtest/gtest.h>

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
  std::deque<load> loads;  // started, not yet ended
  std::vector<std::string> loaded_order;
  bool load_at_once = true, reclaim_at_once = true;
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
    world->device_state = std::make_shared<device_gauges>();
    world->in_flight = std::make_shared<std::atomic<std::uint32_t>>(0);
    world->draining = std::make_shared<std::atomic<bool>>(false);
    world->dispatch = [this](std::vector<pending_ptr> all) {
      for (auto& p : all) dispatched.push_back(std::move(p));
    };
    world->device = time.system.spawn(device, std::vector<slot_ptr>{slot0}, device_options{}, world->meter, world->device_state);
    world->loaders.push_back(time.system.spawn([this]() -> loader_actor::behavior_type {
      return {[this](estimate_atom, const std::shared_ptr<load_order>& o, const std::function<void(size_estimate)>& done) {
                const auto& a = artifacts[o->model];
                size_estimate s;
                s.ok = !a.problem;
                if (a.mapping != 0)
                  s.memory = {"file" + std::to_string(a.mapping), a.size_bytes, 0};
                else
                  s.memory.private_bytes = a.size_bytes;
                s.fingerprint = a.fingerprint;
                if (a.problem) s.problem = *a.problem;
                done(s);
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
      out->problem = *problem;
    } else {
      const auto& a = artifacts[l.order->model];
      out->model = std::make_unique<fake_model>(a.size_bytes, a.mapping);
      out->fingerprint = a.fingerprint;
      out->load_time_s = 0.5;
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
  auto update = std::make_shared<registry_update>();
  update->registry = registry;
  answer<std::string> a;
  caf::anon_send(sup, registry_atom::value, update, a.reply());
  time.settle();
  EXPECT_TRUE(a.get());
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

}  // namespace
}  // namespace troupe::actors
