#pragma once
// For the supervisor's tests: it runs in virtual time with a real device actor and real model actors, beside a loader
// and a reclaimer that obey the test.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "actors/residency/supervisor.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors::testing {

constexpr std::uint64_t mb = 1 << 20;

inline std::string numbered(int i) {
  std::string name = std::to_string(i);
  name.insert(name.begin(), 'm');
  return name;
}

struct Supervisor : ::testing::Test {
  // What the loader says of an artifact.
  struct artifact {
    std::uint64_t size_bytes = 10 * mb;
    std::uint64_t mapping = 0;  // 0: its bytes are private
    std::string fingerprint = "1";
    std::uint64_t artifact_bytes = 0;  // its files; 0: not known
  };
  struct estimate {
    std::string model;
    std::function<void(result<size_estimate>)> done;
  };
  struct load {
    std::shared_ptr<load_order> order;
    std::function<void(std::shared_ptr<load_outcome>)> done;
  };
  using names = std::vector<std::string>;

  virtual_time time;
  std::shared_ptr<supervisor_world> world = std::make_shared<supervisor_world>();
  config::registry registry;
  std::map<std::string, artifact> artifacts;
  std::vector<inference::task> fake_tasks;  // of what is loaded
  std::deque<estimate> estimates;           // asked for, not yet given
  std::deque<load> loads;                   // started, not yet ended
  struct trial {
    std::shared_ptr<load_order> order;
    std::function<void(std::shared_ptr<trial_outcome>)> done;
  };
  std::deque<trial> trials;  // likewise
  std::deque<std::shared_ptr<reclaim_order>> reclaims;
  bool estimate_at_once = true, load_at_once = true, reclaim_at_once = true;
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
    world->device =
        time.system.spawn(device, std::vector<slot_ptr>{slot0}, device_options{}, world->meter, world->gauges);
    world->loaders.push_back(time.system.spawn([this]() -> loader_actor::behavior_type {
      return {[this](estimate_atom, const std::shared_ptr<load_order>& o,
                     const std::function<void(result<size_estimate>)>& done) {
                estimates.push_back({o->model, done});
                if (estimate_at_once) deliver_estimate();
              },
              [this](load_atom, const std::shared_ptr<load_order>& o,
                     const std::function<void(std::shared_ptr<load_outcome>)>& done) {
                loads.push_back({o, done});
                if (load_at_once) deliver_load({});
              },
              [this](trial_atom, const std::shared_ptr<load_order>& o,
                     const std::function<void(std::shared_ptr<trial_outcome>)>& done) {
                trials.push_back({o, done});
              }};
    }));
    world->gentle_loaders.push_back(
        {world->loaders[0], std::make_shared<gentleness>(std::make_shared<right_of_way>())});
    world->reclaimer = time.system.spawn([this]() -> reclaimer_actor::behavior_type {
      return {[this](reclaim_atom, const std::shared_ptr<reclaim_order>& o) {
                reclaims.push_back(o);
                if (reclaim_at_once) deliver_reclaim();
              },
              [](tick_atom) {}, [](quiet_atom) {}};
    });
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

  // -- what the loader and the reclaimer do

  void end_estimate() {
    deliver_estimate();
    time.settle();
  }
  void end_load() {
    deliver_load({});
    time.settle();
  }
  void fail_load(const std::string& why) {
    deliver_load(error{error_code::load_failed, why, {}, {}});
    time.settle();
  }
  void end_reclaim() {
    deliver_reclaim();
    time.settle();
  }

  // -- the registry

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
  // The registry as it is now comes into force, as on SIGHUP.
  void change_registry() {
    auto update = std::make_shared<registry_update>();
    update->registry = registry;
    answer<std::string> a;
    caf::anon_send(sup, registry_atom::value, update, a.reply());
    time.settle();
    ASSERT_TRUE(a.get());
  }
  // So that what is loaded for it is not what was loaded before.
  void change_length(const std::string& m, std::uint32_t max_length) {
    registry.models[m].max_length = max_length;
    change_registry();
  }

  // -- what clients do

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
  answer<load_report> reload_model(const std::string& m, std::uint64_t wait_ms = 60000) {
    answer<load_report> a;
    caf::anon_send(sup, reload_atom::value, m, wait_ms, a.reply());
    time.settle();
    return a;
  }
  answer<load_start> begin_load(const std::string& m, bool again = false) {
    answer<load_start> a;
    caf::anon_send(sup, begin_atom::value, m, again, a.reply());
    time.settle();
    return a;
  }
  answer<unload_report> unload_model(const std::string& m) {
    answer<unload_report> a;
    caf::anon_send(sup, unload_atom::value, m, a.reply());
    time.settle();
    return a;
  }
  answer<warmup_report> warm_model(const std::string& m) {
    answer<warmup_report> a;
    caf::anon_send(sup, warm_atom::value, m, std::uint64_t{60000}, a.reply());
    time.settle();
    return a;
  }
  answer<cleanup_report> clean() {
    answer<cleanup_report> a;
    caf::anon_send(sup, cleanup_atom::value, a.reply());
    time.settle();
    return a;
  }
  made_job request(const std::string& m, std::chrono::milliseconds timeout = 30s) {
    auto made = make_job(time.now() + timeout, config::priority::medium, 1, m);
    auto p = std::make_shared<pending_request>();
    p->job = made.job;
    caf::anon_send(sup, miss_atom::value, p);
    time.settle();
    return made;
  }

  // -- a resident model

  entry_ptr entry(const std::string& m) { return world->routes->load()->models.at(m); }
  void use(const std::string& m) {
    auto e = entry(m);
    e->accesses.fetch_add(1);
    e->last_used_ns.store(time.now().time_since_epoch().count());
  }
  // It is busy until this is dropped.
  std::unique_ptr<ticket> occupy(const std::string& m) {
    const auto home = entry(m)->current.load();
    EXPECT_EQ(home->door.try_enter(1, 10), gate::entry::entered);
    return std::make_unique<ticket>(home, 1);
  }
  void crash(const std::string& m) {
    caf::anon_send_exit(entry(m)->current.load()->actor, caf::exit_reason::kill);
    time.settle();
  }
  // What the resident one says it was loaded with; -1: none is resident.
  int served_length(const std::string& m) {
    const auto home = entry(m)->current.load();
    return home ? static_cast<int>(home->model->info().max_length) : -1;
  }

  // -- what is told

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
  names resident() {
    names all;
    for (auto& m : report().models)
      if (m.state == residency::resident) all.push_back(m.registration.name);
    return all;
  }

 private:  // on the loader's and the reclaimer's own time
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
    s.artifact_bytes = a.artifact_bytes;
    e.done(s);
  }
  void deliver_load(const std::optional<error>& problem) {
    auto l = std::move(loads.front());
    loads.pop_front();
    auto out = std::make_shared<load_outcome>();
    if (problem) {
      *out = tl::unexpected(*problem);
    } else {
      const auto& a = artifacts[l.order->model];
      auto made = std::make_unique<fake_model>(a.size_bytes, a.mapping);
      made->say_max_length(l.order->spec.max_length);
      made->say_tasks(fake_tasks);
      *out = loaded_model{std::move(made), nullptr, a.fingerprint, 0.5};
    }
    l.done(std::move(out));
  }
  void deliver_reclaim() {
    auto o = std::move(reclaims.front());
    reclaims.pop_front();
    o->model.reset();
    o->freed();
  }
};

}  // namespace troupe::actors::testing
