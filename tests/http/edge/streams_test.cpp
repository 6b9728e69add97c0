// Streamed answers and clients that leave.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "tests/http/edge/support.hpp"

namespace troupe::http::testing {
namespace {

TEST(edge_streams, chunks_arrive_as_they_are_written) {
  holder h;
  test_server s({}, h.take());
  raw_client c(s.port());
  c.send(get("/s") + get("/next"));
  auto e = h.next();
  auto stream = e->start_stream(200, "text/event-stream", {{"Cache-Control", "no-store"}});
  EXPECT_TRUE(stream->write("one"));
  EXPECT_TRUE(stream->write(""));
  auto head = c.receive_bytes(12);
  EXPECT_EQ(head, "HTTP/1.1 200");
  std::thread([&] { stream->write("two"); }).join();
  stream->end();
  stream->end();
  EXPECT_FALSE(stream->write("late"));
  std::string rest;
  while (rest.find("0\r\n\r\n") == std::string::npos) {
    const auto more = c.receive_bytes(1);
    if (more.empty()) break;
    rest += more;
  }
  EXPECT_NE(rest.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(rest.find("Cache-Control: no-store\r\n"), std::string::npos);
  EXPECT_NE(rest.find("3\r\none\r\n"), std::string::npos);
  EXPECT_NE(rest.find("3\r\ntwo\r\n"), std::string::npos);
  h.next()->respond(text_response("kept alive"));
  EXPECT_EQ(c.receive().body, "kept alive");
  EXPECT_TRUE(eventually([&] { return s->open_exchanges() == 0; }));
}

TEST(edge_streams, a_dropped_stream_is_ended) {
  test_server s({}, [](exchange_ptr e) { e->start_stream(200, "text/plain", {})->write("only"); });
  raw_client c(s.port());
  c.send(get("/"));
  EXPECT_EQ(c.receive().body, "only");
}

TEST(edge_streams, http_1_0_and_head) {
  test_server s({}, [](exchange_ptr e) {
    auto stream = e->start_stream(200, "text/plain", {});
    stream->write("a");
    stream->write("b");
  });
  raw_client old(s.port());
  old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  auto a = old.receive();
  EXPECT_EQ(a.body, "ab");
  EXPECT_EQ(a.headers.count("transfer-encoding"), 0u);
  EXPECT_EQ(a.headers["connection"], "close");
  raw_client c(s.port());
  c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + get("/"));
  EXPECT_EQ(c.receive(true).status, 200u);
  EXPECT_EQ(c.receive().body, "ab");
}

TEST(edge_streams, order_holds_when_threads_take_turns) {
  holder h;
  test_server s({}, h.take());
  raw_client c(s.port());
  c.send(get("/"));
  auto e = h.next();
  auto stream = e->start_stream(200, "text/plain", {});
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const auto text = std::to_string(i) + " ";
    expected += text;
    if (i % 2 == 0) {
      stream->write(text);
    } else {
      std::promise<void> done;
      e->post([&] {
        stream->write(text);
        done.set_value();
      });
      done.get_future().wait();
    }
  }
  stream->end();
  EXPECT_EQ(c.receive().body, expected);
}

TEST(edge_streams, a_slow_reader_costs_bounded_memory) {
  holder h;
  test_server s({}, h.take());
  raw_client c(s.port(), 8192);
  c.send(get("/"));
  auto e = h.next();
  auto stream = e->start_stream(200, "text/plain", {});
  e.reset();
  constexpr std::size_t total = std::size_t{256} << 20, piece = 65536;
  std::atomic<std::size_t> written{0}, unflushed_max{0};
  [[maybe_unused]] const auto before = resident_bytes();
  // The job: writes while there is credit, goes on when it is told.
  std::function<void()> job = [&] {
    while (written < total) {
      if (!stream->write(std::string(piece, 'x'))) return;
      written += piece;
      unflushed_max = std::max<std::size_t>(unflushed_max, stream->unflushed_bytes());
      if (stream->unflushed_bytes() >= s.settings.stream_credit_bytes) return stream->when_drained(job);
    }
    stream->end();
  };
  job();
  const auto stalled_at = written.load();
  EXPECT_LT(stalled_at, std::size_t{32} << 20);
  std::size_t received = 0, resident = 0;
  while (received < total) {
    const auto n = c.receive_some();
    if (n == 0) break;
    received += n;
    resident = std::max(resident, resident_bytes());
  }
  EXPECT_GE(received, total);
  EXPECT_LE(unflushed_max, s.settings.stream_credit_bytes + piece);
#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed
  EXPECT_LT(resident - std::min(before, resident), std::size_t{48} << 20);
#endif
  EXPECT_TRUE(eventually([&] { return s->open_exchanges() == 0; }));
}

TEST(edge_streams, a_job_that_ignores_its_credit_loses_its_client) {
  holder h;
  test_server s([](auto& settings) { settings.stream_credit_bytes = 10000; }, h.take());
  raw_client c(s.port(), 4096);
  c.send(get("/"));
  auto e = h.next();
  std::atomic<bool> gone{false};
  e->on_disconnect([&] { gone = true; });
  auto stream = e->start_stream(200, "text/plain", {});
  std::size_t accepted = 0;
  EXPECT_TRUE(eventually([&] {
    if (!stream->write(std::string(100000, 'x'))) return true;
    accepted += 100000;
    return false;
  }));
  EXPECT_LT(accepted, std::size_t{32} << 20);
  EXPECT_TRUE(eventually([&] { return gone.load(); }));
}

TEST(edge_streams, a_vanished_client_is_told_at_once) {
  holder h;
  test_server s({}, h.take());
  for (const bool hard : {false, true}) {
    auto c = std::make_unique<raw_client>(s.port());
    c->send(get("/a") + get("/b"));
    auto a = h.next(), b = h.next();
    std::atomic<int> told{0};
    a->on_disconnect([&] { ++told; });
    b->on_disconnect([&] { ++told; });
    auto stream = b->start_stream(200, "text/plain", {});
    std::promise<void> drained;
    const auto left = std::chrono::steady_clock::now();
    hard ? c->reset() : c->close();
    EXPECT_TRUE(eventually([&] { return told == 2; }));
    EXPECT_LT(std::chrono::steady_clock::now() - left, std::chrono::seconds(2));
    a->on_disconnect([&] { ++told; });  // it has left: at once
    EXPECT_EQ(told, 3);
    EXPECT_FALSE(stream->write("x"));
    stream->when_drained([&] { drained.set_value(); });
    drained.get_future().wait();
    a->respond(text_response("to nobody"));
    stream->end();
  }
  EXPECT_TRUE(eventually([&] { return s->open_exchanges() == 0; }));
}

TEST(edge_streams, disconnects_are_not_told_after_the_answer) {
  std::atomic<int> told{0};
  test_server s({}, [&](exchange_ptr e) {
    e->on_disconnect([&] { ++told; });
    e->respond(text_response("x"));
  });
  {
    raw_client c(s.port());
    c.send(get("/"));
    c.receive();
  }
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
  EXPECT_EQ(told, 0);
}

TEST(edge_streams, clients_that_vanish_while_others_answer) {
  holder h;
  test_server s([](auto& settings) { settings.io_threads = 2; }, h.take());
  std::atomic<bool> stop{false};
  std::atomic<int> told{0};
  std::thread answering([&] {
    unsigned n = 0;
    while (!stop) {
      exchange_ptr e;
      {
        std::lock_guard lock(h.mutex);
        if (!h.held.empty()) {
          e = std::move(h.held.front());
          h.held.erase(h.held.begin());
        }
      }
      if (!e) {
        std::this_thread::yield();
        continue;
      }
      // What a job does: it holds its exchange, and its disconnection cancels the job.
      e->on_disconnect([&told, e] { ++told; });
      if (++n % 3 == 0) {
        auto stream = e->start_stream(200, "text/plain", {});
        stream->write("x");
      } else {
        e->respond(text_response("x"));
      }
    }
  });
  for (int i = 0; i < 300; ++i) {
    raw_client c(s.port());
    c.send(get("/") + get("/"));
    if (i % 3 == 0) c.receive();
    if (i % 2 == 0) c.reset();
  }
  EXPECT_TRUE(eventually([&] { return s->open_exchanges() == 0; }));
  stop = true;
  answering.join();
}

}  // namespace
}  // namespace troupe::http::testing
