// The gateway with a resident model whose actor only remembers, on real threads.

#include "actors/serving/gateway.hpp"

#include <gtest/gtest.h>

#include <future>

#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

// Throws for a text that begins so.
struct fragile_model : fake_model {
  result<inference::prepared_ptr> prepare(const inference::input& in, const inference::question& asked) const override {
    const auto& text = *in.only<std::string>();
    if (text.starts_with("memory")) throw std::bad_alloc();
    if (text.starts_with("error")) throw std::runtime_error("the tokenizer gave up\nsomewhere");
    if (text.starts_with("odd")) throw 42;  // NOLINT: what no library should do
    return fake_model::prepare(in, asked);
  }
  std::unique_ptr<inference::state> open_state(const inference::prepared& p) const override {
    if (p.cost == 13) throw std::bad_alloc();
    return nullptr;
  }
};

// Tells when the job is closed.
class signalling : public recorder {
 public:
  signalling(std::shared_ptr<outcome> out, std::promise<void>& closed) : recorder(std::move(out)), closed_(closed) {}
  void end() override {
    recorder::end();
    closed_.set_value();
  }
  void fail(const error& why) override {
    recorder::fail(why);
    closed_.set_value();
  }

 private:
  std::promise<void>& closed_;
};

struct Gateway : ::testing::Test {
  virtual_time time;
  config::settings settings;
  std::shared_ptr<metrics> meter = std::make_shared<metrics>();
  std::shared_ptr<routing_snapshot> routes = std::make_shared<routing_snapshot>();
  std::shared_ptr<std::atomic<std::uint32_t>> in_flight = std::make_shared<std::atomic<std::uint32_t>>(0);
  std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<gateway> door;
  resident_ptr home;
  std::vector<item_ptr> queued;
  model_actor actor;

  void SetUp() override {
    settings.prepare_inline_bytes = 100;
    door = std::make_unique<gateway>(settings, routes, meter, in_flight, draining);
    actor = time.system.spawn([this]() -> model_actor::behavior_type {
      return {[this](enqueue_atom, const item_list_ptr& items) { queued.insert(queued.end(), items->begin(), items->end()); },
              [](grant_atom, const std::shared_ptr<grant>&) {},
              [](done_atom, const batch_ptr&) {},
              [](hung_atom, const batch_ptr&) {},
              [](warm_atom, const shared_reply<warmup_report>&) {},
              [](priority_atom, config::priority) {},
              [](tick_atom) {}};
    });
    auto entry = std::make_shared<model_entry>("m");
    home = std::make_shared<resident>();
    home->name = "m";
    home->model = std::make_shared<fragile_model>();
    home->metrics = meter->for_model("m");
    home->counters = entry;
    home->actor = actor;
    home->limits.max_queue_items = 100;
    entry->current.store(home);
    auto table = std::make_shared<routing_table>();
    table->models.emplace("m", entry);
    routes->store(std::move(table));
  }
  void TearDown() override {
    caf::anon_send_exit(actor, caf::exit_reason::kill);
    time.settle();
    for (auto& it : queued) it->job->cancel();
    queued.clear();
    door.reset();
    routes->load()->models.at("m")->current.store(nullptr);
  }

  std::shared_ptr<outcome> ask(std::vector<std::string> texts) {
    auto out = std::make_shared<outcome>();
    predict_request r;
    r.model = "m";
    for (auto& t : texts) r.inputs.emplace_back(std::move(t));
    door->predict(std::move(r), std::make_unique<recorder>(out));
    time.settle();
    return out;
  }
  error long_one(const std::string& text) {
    auto out = std::make_shared<outcome>();
    std::promise<void> closed;
    predict_request r;
    r.model = "m";
    r.inputs.emplace_back(text + std::string(1000, '.'));
    door->predict(std::move(r), std::make_unique<signalling>(out, closed));
    closed.get_future().wait();
    return out->failure.value();
  }
};

TEST_F(Gateway, WhatPrepareThrowsIsAnsweredInPlace) {
  EXPECT_EQ(ask({"memory"})->failure.value().code, error_code::insufficient_memory);
  const auto failed = ask({"error"})->failure.value();
  EXPECT_EQ(failed.code, error_code::model_failed);
  EXPECT_EQ(failed.message, "Model m could not prepare the input: the tokenizer gave up");
  EXPECT_EQ(ask({"odd"})->failure.value().code, error_code::model_failed);
  EXPECT_EQ(ask({std::string(13, 'x')})->failure.value().code, error_code::insufficient_memory) << "open_state";
  EXPECT_FALSE(ask({"fine"})->closed());
  EXPECT_EQ(queued.size(), 1u);
  EXPECT_EQ(home->door.inside(), 1u) << "nothing that failed is inside";
  EXPECT_EQ(home->counters->failures.load(), 4u);
  EXPECT_EQ(ask({""})->failure.value().code, error_code::unprocessable);
  EXPECT_EQ(home->counters->failures.load(), 4u) << "an empty text is no failure of the model";
}

TEST_F(Gateway, AndOnThePool) {
  EXPECT_EQ(long_one("memory").code, error_code::insufficient_memory);
  EXPECT_EQ(long_one("error").code, error_code::model_failed);
  EXPECT_EQ(long_one("odd").code, error_code::model_failed);
  EXPECT_EQ(long_one("memory").code, error_code::insufficient_memory) << "its thread has lived on";
}

TEST_F(Gateway, InABatchItFailsItsInputAlone) {
  const auto out = ask({"fine", "memory", "fine too"});
  ASSERT_EQ(out->writes.size(), 1u);
  EXPECT_EQ(out->writes[0].index, 1u);
  EXPECT_EQ(out->writes[0].value.error().code, error_code::insufficient_memory);
  EXPECT_FALSE(out->closed());
  ASSERT_EQ(queued.size(), 2u);
  EXPECT_EQ(queued[1]->index, 2u);
}

}  // namespace
}  // namespace troupe::actors
