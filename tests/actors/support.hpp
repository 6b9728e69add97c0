#pragma once
// For the actors' tests: virtual time, a model without Torch, slots without threads, replies that remember.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "actors/protocol/metrics.hpp"
#include "actors/residency/supervisor.hpp"
#include "actors/serving/device.hpp"
#include "actors/serving/model.hpp"
#include "actors/serving/slot.hpp"

namespace troupe::actors::testing {

using namespace std::chrono_literals;

// What became of a job.
struct outcome {
  std::vector<item_result> writes;
  bool ended = false;
  std::optional<error> failure;
  bool closed() const { return ended || failure; }
};

class recorder : public reply_stream {
 public:
  explicit recorder(std::shared_ptr<outcome> out) : out_(std::move(out)) {}
  void write(item_result&& r) override { out_->writes.push_back(std::move(r)); }
  void end() override { out_->ended = true; }
  void fail(const error& why) override { out_->failure = why; }

 private:
  std::shared_ptr<outcome> out_;
};

struct sized : inference::prepared {
  explicit sized(std::uint32_t c, std::uint64_t key = 0) {
    cost = c;
    batch_key = key;
  }
};

// Takes texts; costs their length; answers them in upper case after `steps` steps.
class fake_model : public inference::model {
 public:
  struct runner : inference::instance {
    void step(std::span<inference::row> rows) override {
      for (auto& r : rows) r.out = inference::transcript{std::string(r.in->cost, 'x'), true, {}, {}};
    }
  };
  explicit fake_model(std::uint64_t size_bytes = 0, std::uint64_t mapping = 0) {
    info_.architecture = "Fake";
    info_.version = std::string("1");
    use_.private_bytes = mapping ? 0 : size_bytes;
    if (mapping) use_.mappings.push_back({mapping, size_bytes, "file" + std::to_string(mapping)});
  }
  const inference::model_info& info() const noexcept override { return info_; }
  result<inference::prepared_ptr> prepare(const inference::input& in, const inference::question&) const override {
    const auto& text = *in.only<std::string>();
    if (text.empty()) return fail(error_code::unprocessable, "text is empty");
    return inference::prepared_ptr(new sized(static_cast<std::uint32_t>(text.size())));
  }
  std::unique_ptr<inference::instance> make_instance() const override { return std::make_unique<runner>(); }
  inference::padding padding_rule() const noexcept override { return rule; }
  std::vector<inference::warm_bucket> warm_buckets(std::uint32_t, std::uint32_t) const override { return buckets; }
  inference::prepared_ptr warm_input(const inference::warm_bucket& b) const override {
    return std::make_unique<sized>(b.length);
  }
  inference::memory_use memory() const override { return use_; }

  inference::padding rule = inference::padding::none;
  std::vector<inference::warm_bucket> buckets;
  void say_lone(inference::lone_use use) { info_.lone = use; }
  void say_tasks(std::vector<inference::task> tasks) { info_.tasks = std::move(tasks); }
  void say_max_length(std::uint32_t length) { info_.max_length = length; }  // tells one load from another

 private:
  inference::model_info info_;
  inference::memory_use use_;
};

// Keeps its batch until the test finishes it.
class fake_slot : public slot {
 public:
  explicit fake_slot(std::uint32_t i) : index_(i) {}
  std::uint32_t index() const noexcept override { return index_; }
  std::uint64_t epoch() const noexcept override { return epoch_; }
  void run(batch_ptr b, finished f) override {
    running = std::move(b);
    finished_ = std::move(f);
  }
  bool busy() const override { return running != nullptr; }
  batch_ptr replace() override {
    ++epoch_;
    return std::exchange(running, nullptr);
  }
  // Runs the batch now and reports that it took so long.
  void finish(std::chrono::microseconds took = 1ms) {
    auto b = std::exchange(running, nullptr);
    run_batch(*b);
    b->took = took;
    finished_(epoch_, std::move(b));
  }
  batch_ptr running;

 private:
  const std::uint32_t index_;
  std::uint64_t epoch_ = 1;
  finished finished_;
};

struct virtual_time_config : caf::actor_system_config {
  virtual_time_config() {
    set("scheduler.policy", caf::atom("testing"));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

// One actor system in virtual time: nothing runs but in settle() and pass().
class virtual_time {
 public:
  virtual_time() : system(config_), coordinator_(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {
    coordinator_.clock().current_time += 1h;
  }
  void settle() {
    while (coordinator_.try_run_once()) {
    }
  }
  void pass(std::chrono::nanoseconds t) {
    coordinator_.advance_time(t);
    settle();
  }
  steady_time now() { return coordinator_.clock().now(); }

 private:
  virtual_time_config config_;

 public:
  caf::actor_system system;

 private:
  caf::scheduler::test_coordinator& coordinator_;
};

struct made_job {
  job_ptr job;
  std::shared_ptr<outcome> out = std::make_shared<outcome>();
};

inline made_job make_job(steady_time deadline = no_deadline, config::priority p = config::priority::medium,
                         std::uint32_t items = 1, std::string model = "m") {
  made_job m;
  m.job = std::make_shared<job>(std::move(model), items, p, deadline, std::make_unique<recorder>(m.out));
  return m;
}

inline item_ptr make_item(const job_ptr& j, std::uint32_t cost = 1, std::uint64_t key = 0, steady_time enqueued = {}) {
  auto it = std::make_shared<item>();
  it->job = j;
  it->in = std::make_unique<sized>(cost, key);
  it->enqueued = enqueued;
  return it;
}

}  // namespace troupe::actors::testing
