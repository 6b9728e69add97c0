// What a client of a WebSocket may take: memory, time, a connection; and how it is held back.

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/http/edge/live_support.hpp"

namespace troupe::http::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

TEST_F(edge_live, a_frame_that_claims_a_gibibyte) {
  serve();
  std::vector<live_client> clients;
  const auto before = resident_bytes();
  for (int i = 0; i < 50; ++i) {
    auto& c = clients.emplace_back(port());
    c.upgrade({}, frame_head(final_bit | binary, 1ull << 30));
    EXPECT_EQ(c.close_code(), 1009u);
  }
  EXPECT_LT(resident_bytes(), before + (64u << 20));
  for (auto& c : clients) {
    EXPECT_TRUE(c.closed());
    EXPECT_FALSE(c.reset_seen());
    c.close();
  }
  expect_all_closed();
}

TEST_F(edge_live, messages_that_are_too_long) {
  serve([](auto& s) { s.max_live_message_bytes = 10000; });
  live_client fits(port());
  fits.upgrade({}, message(binary, std::string(10000, 'b')));
  EXPECT_EQ(fits.next_text(), "binary 10000");
  fits.send(message(binary, std::string(10001, 'b')));
  EXPECT_EQ(fits.close_code(), 1009u);
  live_client pieces(port());
  pieces.upgrade();
  pieces.send(make_frame(binary, std::string(6000, 'b')));
  for (int i = 0; i < 10; ++i) pieces.send(make_frame(continuation, std::string(1000, 'b')));
  EXPECT_EQ(pieces.close_code(), 1009u);
  live_client endless(port());
  endless.upgrade({}, frame_head(final_bit | text, UINT64_MAX));
  EXPECT_THAT((std::vector{1002u, 1009u}), ::testing::Contains(endless.close_code()));
}

TEST_F(edge_live, claims_are_no_allocations) {
  serve([](auto& s) { s.max_live_message_bytes = 200 << 20; });
  const auto before = resident_bytes();
  std::vector<live_client> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(port()).upgrade({}, frame_head(final_bit | binary, 199 << 20) + std::string(1000, 'b'));
  }
  std::this_thread::sleep_for(50ms);
  EXPECT_LT(resident_bytes(), before + (32u << 20));
}

TEST_F(edge_live, memory_for_messages_is_bounded_as_a_whole) {
  serve([](auto& s) {
    s.max_live_message_bytes = 16 << 20;
    s.max_body_budget_mb = 2;
  });
  live_client c(port());
  c.upgrade({}, make_frame(binary, std::string(1 << 20, 'b')));
  live_client d(port());
  d.upgrade({}, make_frame(binary, std::string(3 << 20, 'b')));
  EXPECT_EQ(d.close_code(), 1013u);
  c.send(make_frame(final_bit | continuation, "end"));
  EXPECT_EQ(c.next_text(), "binary " + std::to_string((1 << 20) + 3));
  EXPECT_TRUE(eventually([&] { return server->metric("troupe_http_body_bytes") == 0; }));
}

TEST_F(edge_live, what_is_kept_of_a_client_counts_until_it_is_gone) {
  serve([](auto& s) { s.max_body_budget_mb = 2; });
  live_client c(port()), d(port());
  c.upgrade({}, message(text, "hold 1500000"));
  EXPECT_EQ(c.next_text(), "held");
  EXPECT_TRUE(eventually([&] { return server->metric("troupe_http_body_bytes") >= 1500000; }));
  d.upgrade({}, message(text, "hold 1500000"));
  EXPECT_EQ(d.next_text(), "no room");
  c.close();
  EXPECT_TRUE(eventually([&] { return server->metric("troupe_http_body_bytes") < 1500000; }));
  d.send(message(text, "hold 1500000"));
  EXPECT_EQ(d.next_text(), "held");
}

TEST_F(edge_live, who_has_something_kept_must_go_on) {
  serve([](auto& s) { s.live_idle_timeout_ms = 300; });
  live_client c(port());
  c.upgrade({}, message(text, "hold 1000"));
  EXPECT_EQ(c.next_text(), "held");
  for (;;) {
    const auto f = c.next();
    ASSERT_TRUE(f);
    if (f->first == (final_bit | closing)) {
      EXPECT_EQ(f->code(), 1008u) << "in spite of its pongs";
      break;
    }
    if (f->first == (final_bit | ping)) c.send(message(pong, f->payload));
  }
}

TEST_F(edge_live, who_has_something_kept_must_not_drip) {
  serve([](auto& s) { s.request_read_timeout_ms = 200; });
  live_client c(port());
  c.upgrade({}, message(text, "hold 1200"));
  EXPECT_EQ(c.next_text(), "held");
  const auto began = std::chrono::steady_clock::now();
  std::optional<frame> f;
  do {
    c.send(message(binary, "b"));  // never silent
    f = c.next();
    ASSERT_TRUE(f);
    ASSERT_LT(std::chrono::steady_clock::now() - began, 10s);
  } while (f->first != (final_bit | closing));
  EXPECT_EQ(f->code(), 1008u);
  EXPECT_GT(std::chrono::steady_clock::now() - began, 300ms) << "what it sent gives it time: 200 + 1200 / 4";
}

TEST_F(edge_live, a_slow_reader_is_closed_and_its_session_ends) {
  serve([](auto& s) { s.max_live_unsent_bytes = 100000; });
  live_client c(port(), 4096);
  c.upgrade();
  std::atomic<bool> stop{false};
  // As results come: faster than the client reads.
  std::thread writer([&] {
    while (!stop && !noted->has("closed")) {
      noted->run([](live_socket& s) { s.send(std::string(10000, 'x')); });
      std::this_thread::sleep_for(100us);
    }
  });
  EXPECT_TRUE(eventually([&] { return noted->has("closed"); }));
  stop = true;
  writer.join();
  expect_all_closed();
  EXPECT_GE(server->metric("troupe_http_connections_closed_total"), 1);
}

TEST_F(edge_live, a_slow_reader_that_reads_at_last_learns_why) {
  serve([](auto& s) { s.max_live_unsent_bytes = 3000000; });
  live_client c(port(), 4096);
  c.upgrade();
  EXPECT_TRUE(eventually([&] {
    std::lock_guard lock(noted->mutex);
    return noted->socket != nullptr;
  }));
  noted->run([](live_socket& s) {
    s.send(std::string(2900000, 'x'));
    s.send(std::string(100001, 'y'));
  });
  const auto f = c.next();
  ASSERT_TRUE(f);
  EXPECT_EQ(f->payload.size(), 2900000u);
  EXPECT_EQ(c.close_code(), 1008u) << "what would have come after it is dropped";
}

TEST_F(edge_live, a_client_that_reads_nothing_at_all_stalls) {
  serve([](auto& s) {
    s.request_read_timeout_ms = 200;
    s.max_live_unsent_bytes = 64 << 20;
  });
  live_client c(port(), 4096);
  c.upgrade();
  EXPECT_TRUE(eventually([&] {
    std::lock_guard lock(noted->mutex);
    return noted->socket != nullptr;
  }));
  noted->run([](live_socket& s) {
    for (int i = 0; i < 40; ++i) s.send(std::string(1000000, 'x'));
  });
  EXPECT_TRUE(eventually([&] { return noted->has("closed"); }));
  EXPECT_EQ(server->metric("troupe_http_connections_closed_total"), 1);
}

TEST_F(edge_live, silence_is_asked_about_and_ended) {
  serve([](auto& s) { s.live_idle_timeout_ms = 300; });
  live_client dead(port()), alive(port());
  dead.upgrade();
  alive.upgrade();
  const auto began = std::chrono::steady_clock::now();
  std::string heard;
  std::thread answers([&] {
    for (int pings = 0; heard.empty();) {
      const auto f = alive.next();
      if (!f) break;
      if (f->first == (final_bit | text)) heard = f->payload;
      if (f->first != (final_bit | ping)) continue;
      alive.send(message(pong, f->payload));
      if (++pings == 5) alive.send(message(text, "still here"));
    }
  });
  const auto f = dead.next();
  ASSERT_TRUE(f);
  EXPECT_EQ(f->first, final_bit | ping);
  EXPECT_EQ(dead.close_code(), 1008u);
  EXPECT_TRUE(dead.closed());
  EXPECT_GT(std::chrono::steady_clock::now() - began, 250ms);
  answers.join();
  EXPECT_EQ(heard, "still here");
}

TEST_F(edge_live, sound_is_no_silence) {
  serve([](auto& s) { s.live_idle_timeout_ms = 300; });
  live_client c(port());
  c.upgrade();
  for (int i = 0; i < 10; ++i) {  // never a pong: some clients' libraries send none
    std::this_thread::sleep_for(60ms);
    c.send(message(binary, "b"));
  }
  std::size_t texts = 0;
  for (int i = 0; i < 10; ++i) texts += c.next_text() == "binary 1";
  EXPECT_EQ(texts, 10u);
}

TEST_F(edge_live, a_paused_socket_holds_its_client_back) {
  serve([](auto& s) { s.live_idle_timeout_ms = 200; });
  live_client c(port());
  c.upgrade({}, message(text, "pause") + message(text, "behind it"));
  EXPECT_TRUE(eventually([&] { return noted->has("text pause"); }));
  std::atomic<std::size_t> sent{0};
  const auto piece = message(binary, std::string(60000, 'b'));
  std::thread sender([&] {
    while (sent < 400) {
      c.send(piece);
      ++sent;
    }
  });
  std::this_thread::sleep_for(500ms);  // longer than silence may be: it is our own
  EXPECT_THAT(noted->all(), ElementsAre("text pause"));
  EXPECT_LT(sent, 400u) << "24 MB are more than the system's buffers hold";
  noted->run([](live_socket& s) { s.resume(); });
  sender.join();
  EXPECT_EQ(c.next_text(), "behind it");
  for (int i = 0; i < 400; ++i) ASSERT_EQ(c.next_text(), "binary 60000");
}

TEST_F(edge_live, a_client_that_is_gone_while_it_is_held_back) {
  serve([](auto& s) { s.live_idle_timeout_ms = 200; });
  live_client c(port());
  c.upgrade({}, message(text, "pause") + message(text, "unread"));
  EXPECT_TRUE(eventually([&] { return noted->has("text pause"); }));
  c.reset();
  EXPECT_TRUE(eventually([&] { return noted->has("closed"); }));
  expect_all_closed();
}

TEST_F(edge_live, live_sockets_count_as_connections) {
  serve([](auto& s) { s.max_connections = 2; });
  live_client a(port()), b(port());
  a.upgrade();
  b.upgrade();
  raw_client waiting(port());
  waiting.send(get("/x"));
  std::this_thread::sleep_for(100ms);
  EXPECT_FALSE(waiting.readable_now());
  a.send(close_message(1000));
  EXPECT_EQ(a.close_code(), 1000u);
  a.close();
  EXPECT_EQ(waiting.receive().status, 200u);
}

TEST_F(edge_live, nothing_is_left_behind) {
  serve();
  for (int round = 0; round < 3; ++round) {
    std::vector<live_client> clients;
    for (int i = 0; i < 60; ++i) clients.emplace_back(port()).upgrade({}, message(text, "x"));
    for (std::size_t i = 0; i < clients.size(); ++i) {
      if (i % 3 == 0) clients[i].send(close_message(1000));
      if (i % 3 == 1) clients[i].reset();
    }
  }
  expect_all_closed();
  const auto files = open_files();
  for (int i = 0; i < 60; ++i) live_client(port()).upgrade({}, message(text, "x"));
  expect_all_closed();
  EXPECT_LE(open_files(), files);
}

}  // namespace
}  // namespace troupe::http::testing
