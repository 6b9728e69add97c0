// Requests to a model's tokenizer: where they run, and what becomes of them.

#include <gtest/gtest.h>

#include <future>

#include "actors/serving/gateway.hpp"
#include "tests/actors/support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

// One token a letter; "bad" is none of its words.
struct letters : inference::text_tools {
  result<std::vector<inference::text_token>> tokenize(std::string_view text,
                                                      const inference::tokenize_options& options) const override {
    ran_on = std::this_thread::get_id();
    if (text.starts_with("bad")) return fail(error_code::unprocessable, "cannot be read");
    if (text.starts_with("odd")) throw std::runtime_error("gave up");
    std::vector<inference::text_token> out;
    if (options.special_tokens) out.push_back({0, "[CLS]", true, {}, {}});
    for (std::uint32_t i = 0; i < text.size(); ++i) out.push_back({text[i], {text[i]}, false, i, i + 1});
    return out;
  }
  result<std::string> decode(std::span<const std::int32_t> ids, bool) const override {
    std::string out;
    for (const auto id : ids) out.push_back(static_cast<char>(id));
    return out;
  }
  mutable std::thread::id ran_on;
};

struct reading_model : fake_model {
  const inference::text_tools* texts() const noexcept override { return &tools; }
  letters tools;
};

struct GatewayTexts : ::testing::Test {
  virtual_time time;
  config::settings settings;
  std::shared_ptr<metrics> meter = std::make_shared<metrics>();
  std::shared_ptr<routing_snapshot> routes = std::make_shared<routing_snapshot>();
  std::shared_ptr<std::atomic<std::uint32_t>> in_flight = std::make_shared<std::atomic<std::uint32_t>>(0);
  std::shared_ptr<std::atomic<bool>> draining = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<gateway> door;
  std::shared_ptr<reading_model> model = std::make_shared<reading_model>();
  entry_ptr entry = std::make_shared<model_entry>("m");
  resident_ptr home = std::make_shared<resident>();
  std::vector<pending_ptr> missed;  // what the supervisor has been asked
  caf::actor supervisor;

  void SetUp() override {
    settings.prepare_inline_bytes = 100;
    door = std::make_unique<gateway>(settings, routes, meter, in_flight, draining);
    supervisor = time.system.spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](miss_atom, const pending_ptr& p) { missed.push_back(p); }};
    });
    door->connect(caf::actor_cast<supervisor_actor>(supervisor));
    home->name = "m";
    home->model = model;
    home->metrics = meter->for_model("m");
    home->counters = entry;
    entry->current.store(home);
    auto table = std::make_shared<routing_table>();
    table->models.emplace("m", entry);
    table->default_model = "m";
    routes->store(std::move(table));
  }
  void TearDown() override {
    missed.clear();
    caf::anon_send_exit(supervisor, caf::exit_reason::kill);
    time.settle();
    door.reset();
    entry->current.store(nullptr);
  }

  std::shared_ptr<std::optional<result<tokenized_texts>>> ask(tokenize_request what) {
    auto out = std::make_shared<std::optional<result<tokenized_texts>>>();
    door->tokenize(std::move(what), one_shot<tokenized_texts>([out](auto r) { *out = std::move(r); }));
    time.settle();
    return out;
  }
  error refused(tokenize_request what) { return ask(std::move(what))->value().error(); }
};

TEST_F(GatewayTexts, TheModelsOwnTokenizerAnswers) {
  const auto out = ask({"m", {"ab", "c"}, {}})->value().value();
  ASSERT_EQ(out.size(), 2u);
  ASSERT_EQ(out[0].size(), 3u);
  EXPECT_TRUE(out[0][0].special);
  EXPECT_EQ(out[0][2].text, "b");
  EXPECT_EQ(out[0][2].begin, 1u);
  EXPECT_EQ(ask({"", {"ab"}, {false, {}}})->value().value()[0].size(), 2u) << "of the default model";
  EXPECT_EQ(model->tools.ran_on, std::this_thread::get_id()) << "short texts wait for nobody";

  std::optional<result<decoded_texts>> decoded;
  door->decode({"m", {{'a', 'b'}, {'c'}}, true}, one_shot<decoded_texts>([&](auto r) { decoded = std::move(r); }));
  EXPECT_EQ(decoded.value().value(), (decoded_texts{"ab", "c"}));
  EXPECT_EQ(in_flight->load(), 0u);
  EXPECT_EQ(home->door.inside(), 0u);
}

TEST_F(GatewayTexts, IsAUseButNoAccess) {
  ask({"m", {"ab"}, {}});
  EXPECT_NE(entry->last_used_ns.load(), 0);
  EXPECT_EQ(entry->accesses.load(), 0u);
  EXPECT_EQ(entry->cache_hits.load(), 0u);
}

TEST_F(GatewayTexts, LongTextsDoNotHoldTheCallersThread) {
  std::promise<result<tokenized_texts>> answered;
  door->tokenize({"m", {std::string(80, 'a'), std::string(80, 'b')}, {}},
                 one_shot<tokenized_texts>([&](auto r) { answered.set_value(std::move(r)); }));
  EXPECT_EQ(answered.get_future().get().value()[1].size(), 81u);
  EXPECT_NE(model->tools.ran_on, std::this_thread::get_id());
}

TEST_F(GatewayTexts, WhatIsNotInMemoryIsLoadedFirst) {
  entry->current.store(nullptr);
  std::promise<result<tokenized_texts>> answered;
  door->tokenize({"m", {"ab"}, {}}, one_shot<tokenized_texts>([&](auto r) { answered.set_value(std::move(r)); }));
  time.settle();
  ASSERT_EQ(missed.size(), 1u);
  EXPECT_EQ(missed[0]->job->model, "m");
  EXPECT_EQ(in_flight->load(), 1u);
  entry->current.store(home);
  door->resume(std::exchange(missed, {}));
  EXPECT_EQ(answered.get_future().get().value()[0].size(), 3u);
}

TEST_F(GatewayTexts, ALoadThatFailsIsTold) {
  entry->current.store(nullptr);
  const auto out = ask({"m", {"ab"}, {}});
  ASSERT_EQ(missed.size(), 1u);
  EXPECT_FALSE(*out);
  missed[0]->job->fail({error_code::load_failed, "broken", {}, {}});
  EXPECT_EQ(out->value().error().code, error_code::load_failed);
}

TEST_F(GatewayTexts, AClientThatLeftIsNotWaitedFor) {
  entry->current.store(nullptr);
  const auto cancel = door->tokenize({"m", {"ab"}, {}}, one_shot<tokenized_texts>([](auto) {}));
  time.settle();
  cancel();
  EXPECT_TRUE(missed.at(0)->job->closed());
  EXPECT_EQ(in_flight->load(), 0u);
}

TEST_F(GatewayTexts, WhatCannotBeRead) {
  const auto bad = refused({"m", {"fine", "bad"}, {}});
  EXPECT_EQ(bad.code, error_code::unprocessable);
  EXPECT_EQ(bad.message, "Input 1: cannot be read");
  EXPECT_EQ(refused({"m", {"bad"}, {}}).message, "cannot be read");
  EXPECT_EQ(refused({"m", {"odd"}, {}}).code, error_code::internal) << "what it throws ends here";
  home->model = std::make_shared<fake_model>();
  const auto none = refused({"m", {"fine"}, {}});
  EXPECT_EQ(none.code, error_code::unprocessable);
  EXPECT_EQ(none.message, "Model m has no tokenizer");
}

TEST_F(GatewayTexts, AreRefusedAsPredictionsAre) {
  EXPECT_EQ(refused({"nobody", {"a"}, {}}).code, error_code::model_not_found);
  in_flight->store(settings.max_in_flight_items + 1);
  EXPECT_EQ(refused({"m", {"a"}, {}}).code, error_code::too_many_requests);
  in_flight->store(0);
  draining->store(true);
  EXPECT_EQ(refused({"m", {"a"}, {}}).code, error_code::unavailable);
}

}  // namespace
}  // namespace troupe::actors
