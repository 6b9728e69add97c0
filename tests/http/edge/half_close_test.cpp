// Clients that end their side of the connection after their request: what they asked is answered.

#include <gtest/gtest.h>

#include <atomic>
#include <ctime>

#include "tests/http/edge/support.hpp"

namespace troupe::http::testing {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

// All that comes until the end of the stream.
std::string rest_of(raw_client& c) {
  std::string all;
  for (std::string piece; !(piece = c.receive_bytes(1)).empty();) all += piece;
  return all;
}

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

double process_cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

TEST(edge_half_close, request_and_end_at_once) {
  test_server s;
  for (int i = 0; i < 200; ++i) {
    raw_client c(s.port());
    c.send(i % 2 ? get("/x") : post("/x", std::string(100, 'b')));
    c.half_close();
    const auto a = c.receive();
    EXPECT_EQ(a.status, 200u) << i;
    EXPECT_TRUE(c.closed());
    EXPECT_FALSE(c.reset_seen());
  }
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
}

TEST(edge_half_close, a_late_answer_comes) {
  holder h;
  test_server s({}, h.take());
  raw_client c(s.port());
  c.send(post("/x", std::string(300000, 'b')));
  c.half_close();
  auto e = h.next();
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 1; }));
  e->respond(text_response(std::string(3000000, 'a')));
  const auto a = c.receive();
  EXPECT_EQ(a.status, 200u);
  EXPECT_EQ(a.body.size(), 3000000u);
  EXPECT_TRUE(c.closed());
  EXPECT_FALSE(c.reset_seen());
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
}

TEST(edge_half_close, all_pipelined_requests_are_answered_in_order) {
  for (const int requests : {3, 40}) {  // 40: more than may be in flight
    holder h;
    test_server s([](auto& x) { x.max_pipelined_requests = 4; }, h.take());
    raw_client c(s.port());
    std::string all;
    for (int i = 0; i < requests; ++i) all += get("/" + std::to_string(i));
    c.send(all);
    c.half_close();
    for (int i = 0; i < requests; ++i) {
      auto e = h.next();
      ASSERT_TRUE(e);
      e->respond(text_response(std::string(e->path())));
    }
    for (int i = 0; i < requests; ++i) EXPECT_EQ(c.receive().body, "/" + std::to_string(i));
    EXPECT_TRUE(c.closed());
    EXPECT_FALSE(c.reset_seen());
  }
}

TEST(edge_half_close, a_request_cut_short_is_400_after_the_whole_ones) {
  for (const std::string& cut :
       {std::string("GET /cut HT"), std::string("GET /cut HTTP/1.1\r\nHost: x\r\n"),
        std::string("POST /cut HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhel"),
        std::string("POST /cut HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
        std::string("POST /cut HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")}) {
    test_server s;
    raw_client c(s.port());
    c.send(get("/whole") + cut);
    c.half_close();
    EXPECT_EQ(c.receive().status, 200u) << cut;
    auto a = c.receive();
    if (a.status == 100) a = c.receive();
    EXPECT_EQ(a.status, 400u) << cut;
    EXPECT_NE(a.body.find("closed within it"), std::string::npos) << a.body;
    EXPECT_TRUE(c.closed());
    EXPECT_FALSE(c.reset_seen());
  }
}

TEST(edge_half_close, refusals_arrive) {
  holder h;
  test_server s({}, h.take());
  raw_client c(s.port());
  c.send(get("/slow") + "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
  c.half_close();
  auto e = h.next();
  e->respond(text_response("slow"));
  EXPECT_EQ(c.receive().body, "slow");
  EXPECT_EQ(c.receive().status, 413u);
  EXPECT_TRUE(c.closed());
  EXPECT_FALSE(c.reset_seen());
}

TEST(edge_half_close, a_declined_upgrade_is_answered) {
  holder h;
  test_server s({}, h.take());
  raw_client c(s.port());
  c.send(get("/x", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
  c.half_close();
  auto e = h.next();
  e->respond(text_response("no"));
  EXPECT_EQ(c.receive().body, "no");
  EXPECT_TRUE(c.closed());
}

TEST(edge_half_close, nothing_asked_is_closed_at_once) {
  test_server s;
  raw_client fresh(s.port()), used(s.port());
  used.send(get("/"));
  EXPECT_EQ(used.receive().status, 200u);
  fresh.half_close();
  used.half_close();
  EXPECT_TRUE(fresh.closed());
  EXPECT_TRUE(used.closed());
  EXPECT_FALSE(fresh.reset_seen() || used.reset_seen());
}

TEST(edge_half_close, probes_are_interim_answers_and_cost_nothing) {
  holder h;
  test_server s({}, h.take());
  raw_client c(s.port());
  c.send(get("/a") + get("/b"));
  auto a = h.next(), b = h.next();
  c.half_close();
  const auto cpu = process_cpu_seconds();
  EXPECT_EQ(c.receive().status, 100u);
  EXPECT_EQ(c.receive().status, 100u);
  EXPECT_LT(process_cpu_seconds() - cpu, 0.3) << "it spins";
  EXPECT_EQ(s.metric("troupe_http_connections"), 1);
  b->respond(text_response("b"));
  a->respond(text_response("a"));
  const auto text = rest_of(c);
  EXPECT_EQ(count(text, "HTTP/1.1 200 OK"), 2u) << text;
  EXPECT_FALSE(c.reset_seen());
}

TEST(edge_half_close, an_answer_that_has_begun_is_not_interrupted) {
  holder h;
  test_server s({}, h.take());
  raw_client c(s.port()), other(s.port());
  c.send(get("/a"));
  auto stream = h.next()->start_stream(200, "text/plain", {});
  stream->write("one");
  c.half_close();
  other.send(get("/b"));
  auto b = h.next();
  other.half_close();
  EXPECT_EQ(other.receive().status, 100u);
  EXPECT_EQ(other.receive().status, 100u);  // by now the first one would have been probed
  b.reset();
  stream->write("two");
  stream->end();
  const auto text = rest_of(c);
  EXPECT_NE(text.find("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("100 Continue"), std::string::npos);
}

TEST(edge_half_close, http_1_0_gets_no_interim_answer) {
  holder h;
  test_server s({}, h.take());
  raw_client old(s.port()), mixed(s.port()), other(s.port());
  old.send("GET /a HTTP/1.0\r\n\r\n");
  auto a = h.next();
  old.half_close();
  mixed.send("GET /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/d"));
  auto first = h.next(), second = h.next();
  mixed.half_close();
  other.send(get("/b"));
  auto b = h.next();
  other.half_close();
  EXPECT_EQ(other.receive().status, 100u);
  EXPECT_EQ(other.receive().status, 100u);
  a->respond(text_response("late"));
  EXPECT_EQ(old.receive().body, "late");
  EXPECT_TRUE(old.closed());
  first->respond(text_response("first"));
  EXPECT_EQ(mixed.receive().body, "first") << "the next answer is the older protocol's";
  second->respond(text_response("second"));
  EXPECT_EQ(mixed.receive().body, "second");
  b.reset();
}

TEST(edge_half_close, one_that_is_gone_is_noticed_within_a_second) {
  for (const int in_flight : {1, 2, 4}) {  // 4: as many as may be, so that nothing is read
    holder h;
    test_server s([](auto& x) { x.max_pipelined_requests = 4; }, h.take());
    auto c = std::make_unique<raw_client>(s.port());
    std::vector<exchange_ptr> held;
    std::atomic<int> told{0};
    for (int i = 0; i < in_flight; ++i) c->send(get("/"));
    for (int i = 0; i < in_flight; ++i) {
      held.push_back(h.next());
      held.back()->on_disconnect([&] { ++told; });
    }
    const auto left = clock::now();
    c->close();
    EXPECT_TRUE(eventually([&] { return told == in_flight; }));
    EXPECT_LT(clock::now() - left, 1s) << in_flight;
    EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
    held.clear();
    EXPECT_TRUE(eventually([&] { return s->open_exchanges() == 0; }));
  }
}

TEST(edge_half_close, a_reset_is_noticed_at_once) {
  for (const bool ended_before : {false, true}) {
    for (const int in_flight : {1, 4}) {
      holder h;
      test_server s([](auto& x) { x.max_pipelined_requests = 4; }, h.take());
      raw_client c(s.port());
      std::vector<exchange_ptr> held;
      std::atomic<int> told{0};
      for (int i = 0; i < in_flight; ++i) c.send(get("/"));
      for (int i = 0; i < in_flight; ++i) {
        held.push_back(h.next());
        held.back()->on_disconnect([&] { ++told; });
      }
      if (ended_before) {
        c.half_close();
        EXPECT_EQ(c.receive().status, 100u);  // it has been seen
      }
      const auto left = clock::now();
      c.reset();
      EXPECT_TRUE(eventually([&] { return told == in_flight; }));
      EXPECT_LT(clock::now() - left, 400ms) << ended_before << in_flight;
    }
  }
}

TEST(edge_half_close, stop_amid_half_closed_clients) {
  holder h;
  auto s = std::make_unique<test_server>([](auto&) {}, h.take());
  raw_client c(s->port()), d(s->port());
  c.send(get("/a"));
  d.send(get("/b") + "POST /cut");
  auto a = h.next(), b = h.next();
  c.half_close();
  d.half_close();
  EXPECT_EQ(c.receive().status, 100u);
  (*s)->stop();
  EXPECT_TRUE(c.closed());
  a->respond(text_response("late"));
  b.reset();
}

}  // namespace
}  // namespace troupe::http::testing
