// Each limit is answered, costs its own request only, and the answer arrives.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <future>
#include <mutex>
#include <thread>

#include "tests/http/edge/support.hpp"

namespace troupe::http::testing {
namespace {

using settings_t = config::settings;

void expect_refused(raw_client& c, unsigned status) {
  const auto a = c.receive();
  EXPECT_EQ(a.status, status);
  EXPECT_EQ(a.body.substr(0, 9), "refused: ");
  EXPECT_EQ(a.headers.at("connection"), "close");
  EXPECT_TRUE(c.closed());
  EXPECT_FALSE(c.reset_seen());
}

TEST(edge_limits, long_url) {
  test_server s;
  raw_client c(s.port());
  c.send(get("/" + std::string(40 * 1024, 'p')));
  expect_refused(c, 414);
  raw_client ok(s.port());
  ok.send(get("/" + std::string(16000, 'p')));
  EXPECT_EQ(ok.receive().status, 200u);
  EXPECT_EQ(s.metric("troupe_http_refused_total"), 1);
}

TEST(edge_limits, ten_thousand_headers) {
  test_server s;
  raw_client c(s.port());
  std::string headers;
  for (int i = 0; i < 10000; ++i) headers += "H" + std::to_string(i) + ": v\r\n";
  c.send(get("/", headers));
  expect_refused(c, 431);
  raw_client big(s.port());
  big.send(get("/", "A: " + std::string(100 * 1024, 'v') + "\r\n"));
  expect_refused(big, 431);
}

TEST(edge_limits, body_by_its_announced_length) {
  test_server s;
  raw_client c(s.port());
  c.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
  expect_refused(c, 413);
  // A client that does not look before it has sent everything gets its answer too.
  raw_client stubborn(s.port());
  const std::string body(std::size_t{20} << 20, 'b');
  stubborn.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_TRUE(stubborn.send(body));
  expect_refused(stubborn, 413);
}

TEST(edge_limits, body_in_chunks) {
  test_server s;
  raw_client c(s.port());
  c.send("POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 40; ++i) c.send("10000\r\n" + std::string(65536, 'b') + "\r\n");
  expect_refused(c, 413);
}

TEST(edge_limits, the_limit_is_the_routes) {
  std::vector<std::pair<std::string, std::string>> asked;
  test_server s({}, test_server::echo(), [&](std::string_view method, std::string_view path) {
    asked.emplace_back(method, path);
    return path == "/small" ? std::uint64_t{10} : std::uint64_t{1000};
  });
  raw_client c(s.port());
  c.send(post("/large?q", std::string(1000, 'x')) + post("/small", std::string(11, 'x')));
  EXPECT_EQ(c.receive().status, 200u);
  expect_refused(c, 413);
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0], (std::pair<std::string, std::string>("POST", "/large")));
}

TEST(edge_limits, malformed_is_answered) {
  test_server s;
  for (const std::string in :
       {"nonsense\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        "\x16\x03\x01\x02",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"}) {
    raw_client c(s.port());
    c.send(in);
    expect_refused(c, 400);
  }
}

TEST(edge_limits, a_head_request_is_refused_without_a_body) {
  test_server s;
  raw_client c(s.port());
  c.send("HEAD /" + std::string(20000, 'x') + " HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(c.receive(true).status, 414u);
  EXPECT_EQ(c.receive_bytes(1), "");
}

TEST(edge_limits, expect_continue) {
  test_server s;
  raw_client c(s.port());
  c.send("POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(c.receive().status, 100u);
  c.send("hello");
  EXPECT_EQ(c.receive().body, "POST /p  5");
  // Sent without waiting: no interim answer. Then in chunks.
  c.send(post("/p", "hello", "Expect: 100-continue\r\n"));
  EXPECT_EQ(c.receive().status, 200u);
  c.send("POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(c.receive().status, 100u);
  c.send("5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(c.receive().body, "POST /p  5");
  c.send("POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n");
  expect_refused(c, 413);
  raw_client other(s.port());
  other.send(post("/p", "x", "Expect: miracles\r\n"));
  expect_refused(other, 417);
}

TEST(edge_limits, expect_continue_waits_for_the_answers_before) {
  std::promise<exchange_ptr> first;
  test_server s({}, [&](exchange_ptr e) {
    if (e->path() == "/slow")
      first.set_value(std::move(e));
    else
      e->respond(text_response(std::string(e->body())));
  });
  raw_client c(s.port());
  c.send(get("/slow") + "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  auto slow = first.get_future().get();
  EXPECT_FALSE(c.readable_now());
  std::thread([&] { slow->respond(text_response("slow")); }).join();
  EXPECT_EQ(c.receive().body, "slow");
  EXPECT_EQ(c.receive().status, 100u);
  c.send("hello");
  EXPECT_EQ(c.receive().body, "hello");
}

TEST(edge_limits, nobody_is_told_to_go_on_with_what_was_refused) {
  holder h;
  test_server s([](settings_t& x) { x.request_read_timeout_ms = 100; }, h.take());
  raw_client c(s.port());
  c.send(get("/slow") + "POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  auto slow = h.next();
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_refused_total") >= 1; }));
  slow->respond(text_response("slow"));
  EXPECT_EQ(c.receive().body, "slow");
  EXPECT_EQ(c.receive().status, 408u);
  EXPECT_EQ(c.receive().status, 0u) << "an interim answer behind the last one";
}

TEST(edge_limits, budget_over_all_connections) {
  std::mutex mutex;
  std::vector<exchange_ptr> held;
  test_server s([](settings_t& x) { x.max_body_budget_mb = 2; },
                [&](exchange_ptr e) {
                  if (answer_refused(e)) return;
                  if (e->path() != "/hold") return e->respond(text_response("ok"));
                  std::lock_guard lock(mutex);
                  held.push_back(std::move(e));
                });
  const std::string body(900 * 1024, 'b');
  raw_client a(s.port()), b(s.port());
  a.send(post("/hold", body));
  b.send(post("/hold", body));
  ASSERT_TRUE(eventually([&] {
    std::lock_guard lock(mutex);
    return held.size() == 2;
  }));
  raw_client c(s.port());
  c.send(post("/p", body));
  const auto refused = c.receive();
  EXPECT_EQ(refused.status, 503u);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  raw_client small(s.port());
  small.send(post("/p", "small"));
  EXPECT_EQ(small.receive().status, 200u);
  {
    std::lock_guard lock(mutex);
    held.clear();
  }
  EXPECT_EQ(a.receive().status, 503u);
  raw_client d(s.port());
  d.send(post("/p", body));
  EXPECT_EQ(d.receive().status, 200u);
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_body_bytes") == 0; }));
}

TEST(edge_limits, slow_senders_hurt_nobody_and_are_closed) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
  ::setrlimit(RLIMIT_NOFILE, &files);
  test_server s([](settings_t& x) { x.request_read_timeout_ms = 4000; });
  std::vector<raw_client> slow;
  for (int i = 0; i < 500; ++i) {
    slow.emplace_back(s.port());
    slow.back().send(i % 2 == 0 ? "GET /slow HTTP/1.1\r\nHost: "
                                : "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  }
  raw_client normal(s.port());
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  int served = 0;
  auto worst = std::chrono::steady_clock::duration::zero();
  while (std::chrono::steady_clock::now() < until) {
    for (auto& c : slow) c.send_some("x");
    const auto asked = std::chrono::steady_clock::now();
    normal.send(get("/normal"));
    ASSERT_EQ(normal.receive().status, 200u);
    worst = std::max(worst, std::chrono::steady_clock::now() - asked);
    ++served;
  }
  EXPECT_GT(served, 0);
  EXPECT_LT(worst, std::chrono::milliseconds(2500));  // on a busy machine; far from the slow ones' end
  for (auto& c : slow) expect_refused(c, 408);
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_refused_total") == 500; }));
}

TEST(edge_limits, idle_connections_are_closed_silently) {
  test_server s([](settings_t& x) { x.request_read_timeout_ms = 100; });
  raw_client fresh(s.port()), used(s.port()), blank(s.port());
  blank.send("\r\n\r\n");
  used.send(get("/"));
  EXPECT_EQ(used.receive().status, 200u);
  for (auto* c : {&fresh, &used, &blank}) {
    EXPECT_EQ(c->receive().status, 0u);
    EXPECT_FALSE(c->reset_seen());
  }
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
  EXPECT_EQ(s.metric("troupe_http_connections_closed_total"), 3);
}

TEST(edge_limits, waiting_for_an_answer_is_not_idle) {
  std::promise<exchange_ptr> held;
  test_server s([](settings_t& x) { x.request_read_timeout_ms = 50; },
                [&](exchange_ptr e) { held.set_value(std::move(e)); });
  raw_client c(s.port());
  c.send(get("/"));
  auto e = held.get_future().get();
  std::promise<void> later;
  e->after(std::chrono::milliseconds(400), [&] { later.set_value(); });
  later.get_future().wait();
  e->respond(text_response("patient"));
  EXPECT_EQ(c.receive().body, "patient");
}

TEST(edge_limits, a_client_that_does_not_read_its_answer_is_closed) {
  std::promise<void> gone;
  test_server s([](settings_t& x) { x.request_read_timeout_ms = 300; },
                [&](exchange_ptr e) { e->respond(text_response(std::string(std::size_t{64} << 20, 'x'))); });
  raw_client c(s.port(), 4096);
  c.send(get("/"));
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections_closed_total") == 1; }));
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
  EXPECT_EQ(s->open_exchanges(), 0u);
}

TEST(edge_limits, over_max_connections_new_ones_wait) {
  test_server s([](settings_t& x) {
    x.max_connections = 4;
    x.listeners.push_back(x.listeners[0]);
    x.io_threads = 2;
  });
  std::vector<raw_client> open;
  for (int i = 0; i < 4; ++i) {
    open.emplace_back(s.port());
    open.back().send(get("/"));
    EXPECT_EQ(open.back().receive().status, 200u);
  }
  raw_client waiting(s.port());
  waiting.send(get("/waited"));
  open[0].send(get("/"));
  EXPECT_EQ(open[0].receive().status, 200u);
  EXPECT_FALSE(waiting.readable_now());
  open.pop_back();
  EXPECT_EQ(waiting.receive().body, "GET /waited  0");
  EXPECT_GE(s.metric("troupe_http_accept_pauses_total"), 1);
}

TEST(edge_limits, nothing_is_left_behind) {
  const auto files = open_files();
  {
    test_server s;
    for (int i = 0; i < 50; ++i) {
      raw_client a(s.port()), b(s.port()), c(s.port()), d(s.port());
      a.send(get("/" + std::string(20000, 'x')));
      b.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
      c.send(get("/") + "GET");
      d.reset();
      a.receive();
      c.receive();
    }
    EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
    EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_body_bytes") == 0; }));
  }
  EXPECT_EQ(open_files(), files);
}

}  // namespace
}  // namespace troupe::http::testing
