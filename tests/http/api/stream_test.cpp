#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct routes_stream : ::testing::Test, bench {
  routes_stream() {
    service.on_predict = [](const auto&, const auto&) {};  // the test steps the job
  }
  std::shared_ptr<fake_exchange> start(std::string body = R"({"text":"a","stream":true})", const char* path = "/predict") {
    return send("POST", path, std::move(body), {{"Content-Type", "application/json"}});
  }
  void piece(std::string text, bool last = false) {
    auto r = fake_service::classified(0);
    r.value = inference::transcript{std::move(text), true, {}, {}};
    r.last = last;
    service.last_job->write(std::move(r));
  }
};

TEST_F(routes_stream, pieces_then_done) {
  const auto e = start();
  service.last_job->begin(inference::model_info{});
  e->pump();
  EXPECT_FALSE(e->streaming);  // an error may still become a status
  piece("one");
  EXPECT_FALSE(e->streaming);  // on the connection's thread
  e->pump();
  EXPECT_TRUE(e->streaming);
  EXPECT_EQ(e->stream_type, "text/event-stream");
  EXPECT_EQ(events_of(e->stream->written).size(), 1u);
  auto silent = fake_service::classified(0);
  silent.value = std::monostate{};
  silent.last = false;
  service.last_job->write(std::move(silent));
  piece("two", true);
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 3u);
  auto d = parse(events[0].data);
  EXPECT_EQ(d["index"].GetInt(), 0);
  EXPECT_STREQ(d["output"].GetString(), "one");
  EXPECT_FALSE(d["last"].GetBool());
  EXPECT_TRUE(parse(events[1].data)["last"].GetBool());
  EXPECT_EQ(events[2].name, "done");
  d = parse(events[2].data);
  EXPECT_EQ(d["batch_summary"]["total_texts"].GetInt(), 1);
  EXPECT_EQ(d["batch_summary"]["successful_predictions"].GetInt(), 1);
  EXPECT_STREQ(d["model_used"].GetString(), "alpha");
  EXPECT_TRUE(d["cache_hit"].GetBool());
  EXPECT_TRUE(e->stream->ended);
  EXPECT_FALSE(e->answer);
}

TEST_F(routes_stream, asked_for_by_accept) {
  service.on_predict = nullptr;
  const auto e = send("POST", "/predict?text=a", {}, {{"Accept", "application/json;q=0.1, text/event-stream"}});
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_STREQ(parse(events[0].data)["prediction"].GetString(), "prompt_injection");
}

TEST_F(routes_stream, failure_before_anything_is_a_status) {
  const auto e = start();
  service.last_job->begin(inference::model_info{});
  service.last_job->fail({error_code::unprocessable, "no number", {}, {}});
  e->pump();
  expect_error(*e, 422, "UNPROCESSABLE");
  EXPECT_FALSE(e->streaming);
}

TEST_F(routes_stream, failure_later_is_an_event) {
  const auto e = start();
  piece("one");
  service.last_job->fail({error_code::deadline_exceeded, "too late", {}, {}});
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].name, "error");
  EXPECT_STREQ(parse(events[1].data)["code"].GetString(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(parse(events[1].data)["status"].GetInt(), 504);
  EXPECT_TRUE(e->stream->ended);
}

TEST_F(routes_stream, batch_with_bad_texts) {
  service.on_predict = nullptr;
  const auto e = start(R"({"inputs":["","good",5],"stream":true})", "/predict/batch");
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_TRUE(parse(events[0].data).HasMember("error"));
  EXPECT_EQ(parse(events[2].data)["index"].GetInt(), 1);
  EXPECT_EQ(parse(events[3].data)["batch_summary"]["failed_predictions"].GetInt(), 2);
  const auto all_bad = start(R"({"inputs":[""],"stream":true})", "/predict/batch");
  EXPECT_EQ(events_of(all_bad->stream->written).size(), 2u);
  EXPECT_TRUE(all_bad->stream->ended);
}

TEST_F(routes_stream, a_slow_reader_is_buffered_then_catches_up) {
  settings.stream_credit_bytes = 1000;
  const auto e = start();
  e->stream->slow = true;
  for (int i = 0; i < 15; ++i) piece(std::string(60, 'x'));  // some 110 bytes each
  e->pump();
  EXPECT_LT(e->stream->written.size(), 1200u);
  EXPECT_FALSE(service.last_job->closed());
  ASSERT_TRUE(e->stream->waiter);
  e->stream->slow = false;
  e->stream->drain();
  EXPECT_EQ(events_of(e->stream->written).size(), 15u);
  piece("end", true);
  e->pump();
  EXPECT_EQ(events_of(e->stream->written).back().name, "done");
  EXPECT_TRUE(e->stream->ended);
}

TEST_F(routes_stream, the_end_waits_for_a_slow_reader) {
  settings.stream_credit_bytes = 1000;
  const auto e = start();
  e->stream->slow = true;
  for (int i = 0; i < 12; ++i) piece(std::string(60, 'x'), i == 11);
  e->pump();
  EXPECT_FALSE(e->stream->ended);
  e->stream->drain();
  EXPECT_TRUE(e->stream->ended);
  EXPECT_EQ(events_of(e->stream->written).back().name, "done");
}

TEST_F(routes_stream, a_reader_that_is_too_slow_loses_its_job) {
  settings.stream_credit_bytes = 1000;
  const auto e = start();
  e->stream->slow = true;
  for (int i = 0; i < 100; ++i) piece(std::string(60, 'x'));
  e->pump();
  EXPECT_TRUE(service.last_job->closed());
  EXPECT_LT(e->stream->written.size(), 1200u);
  e->stream->drain();
  EXPECT_EQ(events_of(e->stream->written).back().name, "error");
  EXPECT_TRUE(e->stream->ended);
}

TEST_F(routes_stream, a_reader_that_left_cancels) {
  const auto e = start();
  piece("one");
  e->pump();
  e->stream->gone = true;
  piece("two");
  e->pump();
  EXPECT_TRUE(service.last_job->closed());
}

TEST_F(routes_stream, heartbeats_between_writes) {
  settings.stream_heartbeat_ms = 1000;
  const auto e = start();
  piece("one");
  e->pump();
  ASSERT_EQ(e->timers.size(), 1u);
  e->tick();  // something was written since
  e->tick();  // half the time
  EXPECT_EQ(e->stream->written.find(": heartbeat"), std::string::npos);
  e->tick();
  EXPECT_NE(e->stream->written.find(": heartbeat\n\n"), std::string::npos);
  piece("two", true);
  e->pump();
  e->tick();
  EXPECT_TRUE(e->timers.empty());  // none after the end
}

TEST_F(routes_stream, a_client_that_ended_its_side_is_probed_each_half_second) {
  const auto e = start();
  piece("one");
  e->pump();
  e->half_closed_ = true;
  e->tick();  // something was written since
  const auto beats = [&] {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = e->stream->written.find(": heartbeat\n\n", at)) != std::string::npos; ++at) ++n;
    return n;
  };
  EXPECT_EQ(beats(), 0u);
  e->tick();
  e->tick();
  EXPECT_EQ(beats(), 2u);
  e->stream->gone = true;
  e->tick();
  EXPECT_TRUE(service.last_job->closed());
}

TEST_F(routes_stream, nothing_outlives_the_request) {
  std::weak_ptr<fake_exchange> watch;
  std::weak_ptr<fake_stream> stream;
  {
    const auto e = start();
    watch = e;
    stream = e->stream;
    piece("one", true);
    e->pump();
    e->timers.clear();
    e->on_gone.clear();
  }
  service.last_job.reset();
  EXPECT_TRUE(watch.expired());
  EXPECT_TRUE(stream.expired());
}

}  // namespace
}  // namespace troupe::http::tests
