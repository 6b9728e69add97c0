#include "http/api/collect.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct collecting : ::testing::Test {
  fake_service service;
  std::shared_ptr<fake_exchange> request = std::make_shared<fake_exchange>();
  std::optional<collected> got;

  void ask(std::uint32_t inputs, answerer answer = {}) {
    actors::predict_request asked;
    asked.model = "alpha";
    for (std::uint32_t i = 0; i < inputs; ++i) asked.inputs.emplace_back(std::to_string(i));
    if (!answer) answer = [this](collected& all) { got = std::move(all); };
    collect(request, service, std::move(asked), std::move(answer));
  }
};

TEST_F(collecting, hands_all_over_once_they_are_there) {
  service.on_predict = [](const auto& job, const auto&) {
    auto info = fake_service::classifier_info();
    info.tasks = {inference::task::text_classification};
    job->begin(info);
    auto last = fake_service::classified(2);
    last.tokens = 5;
    last.truncated = true;
    job->write(std::move(last));
    auto first = fake_service::classified(0);
    first.tokens = 3;
    first.timing.queue_us = 9000;
    job->write(std::move(first));
    auto bad = fake_service::classified(1);
    bad.value = fail(error_code::unprocessable, "it cannot be read");
    job->write(std::move(bad));
  };
  ask(3);
  EXPECT_FALSE(got) << "on the connection's thread";
  request->pump();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->model, "alpha");
  EXPECT_TRUE(got->cache_hit);
  EXPECT_EQ(got->labels.size(), 5u);
  EXPECT_EQ(got->tasks, std::vector{inference::task::text_classification});
  EXPECT_EQ(got->tokens(), 8u);
  EXPECT_TRUE(got->truncated());
  ASSERT_NE(got->first_problem(), nullptr);
  EXPECT_EQ(got->first_problem()->message, "it cannot be read");
  EXPECT_EQ(got->server_timing(), "queue;dur=9.000, tokenize;dur=0.040, infer;dur=3.004");
  EXPECT_NE(got->answers[0].only<inference::label_scores>(), nullptr);
  EXPECT_EQ(got->answers[0].only<inference::embedding>(), nullptr);
  EXPECT_EQ(got->answers[1].only<inference::label_scores>(), nullptr);
  respond_json(*got, "{}");
  EXPECT_EQ(request->answer->body, "{}");
  EXPECT_EQ(request->header_of_answer("X-Truncated"), "true");
}

TEST_F(collecting, what_fails_as_a_whole_is_answered) {
  service.on_predict = [](const auto& job, const auto&) { job->fail({error_code::too_many_requests, "full", {}, 1}); };
  ask(1);
  request->pump();
  EXPECT_FALSE(got);
  EXPECT_EQ(request->answer->status, 429u);
}

TEST_F(collecting, a_writer_that_throws_is_answered) {
  ask(1, [](collected&) { throw std::runtime_error("no words"); });
  request->pump();
  EXPECT_EQ(request->answer->status, 500u);
  EXPECT_EQ(request->answers, 1);
}

TEST_F(collecting, a_client_that_leaves_cancels) {
  service.on_predict = [](const auto&, const auto&) {};
  ask(1);
  ASSERT_EQ(request->on_gone.size(), 1u);
  request->on_gone[0]();
  EXPECT_TRUE(service.last_job->closed());
  request->pump();
  EXPECT_FALSE(request->answer);
}

}  // namespace
}  // namespace troupe::http::tests
