#pragma once
// For tests of the model actor and the device actor together, in virtual time, on slots without threads.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "actors/serving/device.hpp"
#include "actors/serving/model.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors::testing {

struct ModelActor : ::testing::Test {
  virtual_time time;
  std::shared_ptr<metrics> meter = std::make_shared<metrics>();
  std::shared_ptr<device_gauges> gauges = std::make_shared<device_gauges>();
  std::shared_ptr<right_of_way> way = std::make_shared<right_of_way>();
  std::vector<std::shared_ptr<fake_slot>> slots;
  std::vector<resident_ptr> models;  // that were started
  std::vector<std::string> failures;
  device_actor dev;

  void start_device(std::uint32_t count = 1, std::chrono::milliseconds timeout = 30s, std::uint32_t lone_threads = 1) {
    std::vector<slot_ptr> all;
    for (std::uint32_t i = 0; i < count; ++i) {
      slots.push_back(std::make_shared<fake_slot>(i));
      all.push_back(slots.back());
    }
    device_options options;
    options.slot_timeout = timeout;
    options.lone_threads = lone_threads;
    options.way = way;
    dev = time.system.spawn(device, all, options, meter, gauges);
    time.settle();
  }
  resident_ptr start_model(model_limits limits, std::unique_ptr<fake_model> m = std::make_unique<fake_model>(),
                           config::priority p = config::priority::medium) {
    const auto number = models.size() + 1;
    auto r = std::make_shared<resident>();
    r->lease = lease_id{number};
    r->name = "m" + std::to_string(number);
    r->model = std::move(m);
    r->limits = limits;
    r->metrics = meter->for_model(r->name);
    r->counters = std::make_shared<model_entry>(r->name);
    r->actor =
        time.system.spawn(model, r, dev, p, std::make_shared<std::unique_ptr<inference::instance>>(),
                          std::function<void(std::string)>([this](std::string why) { failures.push_back(why); }));
    time.settle();
    return models.emplace_back(std::move(r));
  }
  // One that has so much to warm up.
  resident_ptr start_cold(std::vector<inference::warm_bucket> buckets, model_limits limits = {}) {
    auto m = std::make_unique<fake_model>();
    m->buckets = std::move(buckets);
    return start_model(limits, std::move(m));
  }
  void stop(const resident_ptr& r) {
    caf::anon_send_exit(r->actor, caf::exit_reason::kill);
    time.settle();
  }
  void TearDown() override {
    for (const auto& r : models) stop(r);
    models.clear();
    if (dev) caf::anon_send_exit(dev, caf::exit_reason::kill);
    time.settle();
  }

  made_job send(const resident_ptr& r, std::uint32_t cost = 1, steady_time deadline = no_deadline) {
    return send_job(make_job(deadline), r, cost);
  }
  // So many rows in one message.
  made_job send_list(const resident_ptr& r, std::uint32_t rows) {
    return send_job(make_job(no_deadline, config::priority::medium, rows), r, 1);
  }
  // What it reports when it is through.
  std::shared_ptr<std::optional<warmup_report>> warm(const resident_ptr& r) {
    auto report = std::make_shared<std::optional<warmup_report>>();
    caf::anon_send(
        r->actor, warm_atom::value,
        std::make_shared<one_shot<warmup_report>>([report](result<warmup_report> w) { *report = w.value(); }));
    time.settle();
    return report;
  }

  // The batch on that slot has run, and whatever follows of it has happened.
  void end_batch(std::chrono::microseconds took = 1ms, std::size_t slot = 0) {
    slots.at(slot)->finish(took);
    time.settle();
  }
  // Those that run now, all at the same moment.
  void end_batches() {
    for (auto& s : slots)
      if (s->running) s->finish();
    time.settle();
  }
  // Until nothing runs any more.
  void end_all() {
    const auto runs = [](const auto& s) { return s->running != nullptr; };
    while (std::any_of(slots.begin(), slots.end(), runs)) end_batches();
  }

 private:
  made_job send_job(made_job m, const resident_ptr& r, std::uint32_t cost) {
    const auto rows = m.job->items;
    EXPECT_EQ(r->door.try_enter(rows, 1000), gate::entry::entered);
    auto list = std::make_shared<std::vector<item_ptr>>();
    for (std::uint32_t i = 0; i < rows; ++i) {
      list->push_back(make_item(m.job, cost));
      list->back()->index = i;
      list->back()->place = std::make_shared<const ticket>(r, 1);
    }
    caf::anon_send(r->actor, enqueue_atom::value, std::move(list));
    time.settle();
    return m;
  }
};

}  // namespace troupe::actors::testing
