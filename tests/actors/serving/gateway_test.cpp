// The gateway with a resident model whose actor only remembers, on real threads.

#include "actors/serving/gateway.hpp"

#include <gtest/gtest.h>

#include <future>
#include <set>

#include "cache/prediction/prediction_cache.hpp"
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

// Keeps what it was asked, and does not fill masks.
struct asked_model : fake_model {
  result<inference::prepared_ptr> prepare(const inference::input& in,
                                          const inference::question& question) const override {
    asked.push_back(question);
    if (question.task == inference::task::fill_mask)
      return tl::unexpected(inference::wrong_task(info(), *question.task));
    return fake_model::prepare(in, question);
  }
  mutable std::vector<inference::question> asked;
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
      return {[this](enqueue_atom, const item_list_ptr& items) {
                queued.insert(queued.end(), items->begin(), items->end());
              },
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

  std::shared_ptr<outcome> ask(std::vector<std::string> texts, inference::question asked = {}) {
    auto out = std::make_shared<outcome>();
    predict_request r;
    r.model = "m";
    r.asked = asked;
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

TEST_F(Gateway, HowRequestsEndIsCountedOfTheirModel) {
  const auto& ends = home->counters->ends;
  ask({"error"});
  ask({""});  // the client's own
  EXPECT_EQ(ends.failed.load(), 1u);
  ask({"fine"});
  EXPECT_EQ(ends.answered.load(), 0u) << "not yet";
  queued.at(0)->job->write({});
  EXPECT_EQ(ends.answered.load(), 1u);
  draining->store(true);
  ask({"refused before it counts as an access"});
  EXPECT_EQ(ends.failed.load(), 1u);
  EXPECT_EQ(home->counters->accesses.load(), 3u);
}

const inference::question raw_scores = [] {
  inference::question asked;
  asked.parameters.function_to_apply = inference::score_function::none;
  return asked;
}();

TEST_F(Gateway, TheModelHearsWhatIsAskedOfEachInput) {
  const auto model = std::make_shared<asked_model>();
  home->model = model;
  EXPECT_FALSE(ask({"one", "two"}, raw_scores)->closed());
  EXPECT_FALSE(ask({"three"})->closed());
  ASSERT_EQ(model->asked.size(), 3u);
  EXPECT_EQ(model->asked[0].parameters, raw_scores.parameters);
  EXPECT_EQ(model->asked[1].parameters, raw_scores.parameters);
  EXPECT_EQ(model->asked[2].parameters, inference::task_parameters{});
  const auto refused = ask({"four"}, {inference::task::fill_mask, {}})->failure.value();
  EXPECT_EQ(refused.code, error_code::unprocessable);
  EXPECT_EQ(refused.message, "this model does not do fill-mask");
  EXPECT_EQ(home->counters->failures.load(), 0u) << "the request's fault";
}

TEST_F(Gateway, AnswersToOtherQuestionsAreKeptApart) {
  auto& kept = cache::prediction_cache::shared();
  kept.set_capacity(1 << 20);
  home->answers_as = "m as it is";
  ask({"text"});
  ask({"text"}, raw_scores);
  ask({"text"}, {inference::task::text_classification, {}});
  ASSERT_EQ(queued.size(), 3u);
  const std::set<std::string> keys{queued[0]->cache_key, queued[1]->cache_key, queued[2]->cache_key};
  EXPECT_EQ(keys.size(), 3u);
  EXPECT_FALSE(keys.contains(""));
  kept.put(queued[1]->cache_key, {inference::single_score{1}, 7});
  const auto again = ask({"text"}, raw_scores);
  EXPECT_TRUE(again->closed()) << "kept";
  EXPECT_EQ(again->writes.at(0).tokens, 7u) << "with what the network saw of it";
  EXPECT_FALSE(ask({"text"})->closed()) << "the model is asked";
  kept.set_capacity(0);
}

}  // namespace
}  // namespace troupe::actors
