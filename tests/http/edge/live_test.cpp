// WebSockets on real sockets, byte by byte: the handshake, frames of all kinds, limits, and every way to end.

#include <gmock/gmock.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/http/edge/live_support.hpp"
#include "tests/http/edge/tls_support.hpp"

namespace troupe::http::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct edge_live : ::testing::Test {
  std::shared_ptr<notes> noted = std::make_shared<notes>();
  std::unique_ptr<test_server> server;

  void serve(std::function<void(config::settings&)> change = {}) {
    server = std::make_unique<test_server>(std::move(change), live_echo(noted));
  }
  std::uint16_t port() const { return server->port(); }
  void expect_all_closed() {
    EXPECT_TRUE(eventually([&] { return server->metric("troupe_http_connections") == 0; }));
    EXPECT_EQ((*server)->open_exchanges(), 0u);
  }
};

TEST_F(edge_live, the_handshake) {
  serve();
  live_client c(port());
  const auto a = c.upgrade("Sec-WebSocket-Protocol: chat, binary\r\nX-Request-Id: my-id\r\n"
                           "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
  EXPECT_EQ(a.status, 101u);
  EXPECT_EQ(a.headers.at("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455's own example
  EXPECT_EQ(a.headers.at("upgrade"), "websocket");
  EXPECT_EQ(a.headers.at("sec-websocket-protocol"), "binary");
  EXPECT_EQ(a.headers.at("x-request-id"), "my-id");
  EXPECT_EQ(a.headers.at("server"), "troupe");
  EXPECT_FALSE(a.headers.contains("sec-websocket-extensions"));
  c.send(message(text, "hello"));
  EXPECT_EQ(c.next_text(), "hello");
  live_client plain(port());
  EXPECT_FALSE(plain.upgrade().headers.contains("sec-websocket-protocol")) << "browsers refuse what they did not offer";
  EXPECT_EQ(server->metric("troupe_http_connections"), 2);
}

TEST_F(edge_live, frames_that_come_with_the_request_are_not_lost) {
  serve();
  const auto frames = message(text, "one") + message(binary, std::string(100000, 'b')) + message(text, "two");
  for (const auto& before : {std::string(), get("/a") + get("/b")}) {
    live_client c(port());
    c.send(before + upgrade_request() + frames);
    for (std::size_t i = 0; !before.empty() && i < 2; ++i) EXPECT_EQ(c.receive().status, 200u);
    EXPECT_EQ(c.receive(true).status, 101u);
    EXPECT_EQ(c.next_text(), "one");
    EXPECT_EQ(c.next_text(), "binary 100000");
    EXPECT_EQ(c.next_text(), "two");
  }
}

TEST_F(edge_live, bytes_one_by_one) {
  serve();
  live_client c(port());
  for (const char b : upgrade_request() + message(text, "slowly")) {
    c.send({&b, 1});
    if (b == '\n') std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(c.receive(true).status, 101u);
  EXPECT_EQ(c.next_text(), "slowly");
}

TEST_F(edge_live, requests_that_are_no_upgrade) {
  serve();
  raw_client c(port());
  c.send(get("/live"));
  auto a = c.receive();
  EXPECT_EQ(a.status, 426u);
  EXPECT_EQ(a.headers.at("upgrade"), "websocket");
  EXPECT_EQ(a.headers.at("sec-websocket-version"), "13");
  c.send(get("/live", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));  // a proxy took Connection
  a = c.receive();
  EXPECT_EQ(a.status, 400u);
  EXPECT_THAT(a.body, HasSubstr("Connection: Upgrade"));
  c.send(post("/live", "body"));
  EXPECT_EQ(c.receive().status, 426u);
}

TEST_F(edge_live, an_upgrade_that_is_declined_is_answered_whatever_came_behind_it) {
  serve();
  const auto head = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const std::pair<std::string, unsigned> cases[] = {
      {get("/live", head), 426},
      {get("/live", std::string(head) + "Sec-WebSocket-Version: 8\r\n"), 426},
      {get("/live", std::string(head) + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n"), 400},
      {upgrade_request("/elsewhere"), 200}};
  for (const auto& [request, status] : cases) {
    raw_client c(port());
    c.send(request + message(text, "too soon") + message(binary, std::string(50000, 'b')));
    const auto a = c.receive();
    EXPECT_EQ(a.status, status) << request;
    EXPECT_EQ(a.headers.at("connection"), "close");
    EXPECT_TRUE(c.closed());
    EXPECT_FALSE(c.reset_seen());
  }
  EXPECT_TRUE(noted->all().empty());
  expect_all_closed();
}

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

TEST_F(edge_live, fragments_with_control_frames_between) {
  serve();
  live_client c(port());
  c.upgrade();
  c.send(make_frame(text, "one ") + message(ping, "are you there") + make_frame(continuation, "") +
         make_frame(continuation, "two ") + message(pong, "unasked") + make_frame(final_bit | continuation, "three"));
  auto f = c.next();
  ASSERT_TRUE(f);
  EXPECT_EQ(f->first, final_bit | pong);
  EXPECT_EQ(f->payload, "are you there");
  EXPECT_EQ(c.next_text(), "one two three");
  c.send(message(text, ""));
  EXPECT_EQ(c.next_text(), "");
  // A character cut between fragments is whole again.
  c.send(make_frame(text, "\xe4\xbd") + make_frame(final_bit | continuation, "\xa0"));
  EXPECT_EQ(c.next_text(), "\xe4\xbd\xa0");
}

TEST_F(edge_live, what_breaks_the_rules_is_closed_with_its_code) {
  serve();
  const std::pair<std::string, unsigned> cases[] = {
      {message(text, "bad \xff"), 1007},
      {message(text, "cut \xe4\xbd"), 1007},
      {make_frame(final_bit | text, "unmasked", false), 1002},
      {make_frame(final_bit | 0x40 | text, "compressed"), 1002},
      {make_frame(final_bit | 3, "no such opcode"), 1002},
      {make_frame(final_bit | continuation, "of nothing"), 1002},
      {make_frame(text, "begun") + message(text, "and begun again"), 1002},
      {make_frame(ping, "a ping in pieces"), 1002},
      {message(ping, std::string(126, 'p')), 1002},
      {make_frame(final_bit | closing, "x"), 1002},
      {close_message(999), 1002},
      {close_message(1000, "bad \xff"), 1002},
      {get("/live"), 1002},
  };
  for (const auto& [bytes, code] : cases) {
    live_client c(port());
    c.upgrade({}, message(text, "first"));
    EXPECT_EQ(c.next_text(), "first");
    c.send(bytes);
    EXPECT_EQ(c.close_code(), code) << bytes;
    EXPECT_TRUE(c.closed());
    EXPECT_FALSE(c.reset_seen()) << bytes;
  }
  for (const auto& line : noted->all()) EXPECT_TRUE(line == "text first" || line == "closed") << line;
  expect_all_closed();
}

TEST_F(edge_live, closing_from_both_sides) {
  serve();
  live_client c(port());
  c.upgrade();
  c.send(message(text, "last words") + close_message(1000, "bye"));
  EXPECT_EQ(c.next_text(), "last words");
  EXPECT_EQ(c.close_code(), 1000u);
  EXPECT_TRUE(c.closed());
  EXPECT_FALSE(c.reset_seen());
  EXPECT_THAT(noted->all(), ElementsAre("text last words", "closed"));

  live_client d(port());
  d.upgrade({}, message(text, "one") + message(text, "close") + message(text, "not heard"));
  EXPECT_EQ(d.next_text(), "one") << "what was sent before arrives before";
  const auto f = d.next();
  ASSERT_TRUE(f);
  EXPECT_EQ(f->code(), 1000u);
  EXPECT_EQ(f->payload.substr(2), "as you say");
  d.send(close_message(1000));
  EXPECT_TRUE(d.closed());
  EXPECT_FALSE(d.reset_seen());
  c.close();
  d.close();
  expect_all_closed();
  EXPECT_FALSE(noted->has("text not heard"));
}

TEST_F(edge_live, a_client_that_does_not_answer_the_close_is_not_waited_for_long) {
  serve();
  live_client c(port());
  c.upgrade({}, message(text, "close"));
  EXPECT_EQ(c.close_code(), 1000u);
  EXPECT_TRUE(c.closed());
  expect_all_closed();
  EXPECT_TRUE(noted->has("closed"));
}

TEST_F(edge_live, a_long_reason_is_cut_between_characters) {
  serve();
  live_client c(port());
  c.upgrade();
  EXPECT_TRUE(eventually([&] {
    std::lock_guard lock(noted->mutex);
    return noted->socket != nullptr;
  }));
  std::string reason;
  for (int i = 0; i < 100; ++i) reason += "\xe4\xbd\xa0";
  noted->run([reason](live_socket& s) { s.close(close_code::policy, reason); });
  const auto f = c.next();
  ASSERT_TRUE(f);
  EXPECT_EQ(f->code(), 1008u);
  EXPECT_EQ(f->payload.substr(2), reason.substr(0, 123));
}

TEST_F(edge_live, vanished_clients_are_noticed) {
  serve();
  for (int i = 0; i < 2; ++i) {
    live_client c(port());
    c.upgrade({}, message(text, "here"));
    EXPECT_EQ(c.next_text(), "here");
    i == 0 ? c.reset() : c.close();
    expect_all_closed();
  }
  EXPECT_THAT(noted->all(), ElementsAre("text here", "closed", "text here", "closed"));
}

TEST_F(edge_live, a_client_that_ends_its_side_has_left) {
  serve();
  live_client c(port());
  c.send(upgrade_request() + message(text, "with the end"));
  c.half_close();
  EXPECT_EQ(c.receive(true).status, 101u);
  EXPECT_EQ(c.next_text(), "with the end");
  EXPECT_TRUE(c.closed());
  expect_all_closed();
  EXPECT_THAT(noted->all(), ElementsAre("text with the end", "closed"));
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

TEST_F(edge_live, a_protocol_that_throws_costs_its_socket) {
  serve();
  live_client c(port()), other(port());
  other.upgrade();
  c.upgrade({}, message(text, "throw"));
  EXPECT_EQ(c.close_code(), 1011u);
  other.send(message(text, "unharmed"));
  EXPECT_EQ(other.next_text(), "unharmed");
}

TEST_F(edge_live, a_server_that_ends) {
  serve();
  live_client c(port());
  raw_client late(port());
  late.send(get("/x"));
  EXPECT_EQ(late.receive().status, 200u);
  c.upgrade({}, message(text, "one"));
  EXPECT_EQ(c.next_text(), "one");
  EXPECT_EQ((*server)->open_exchanges(), 1u);
  (*server)->stop_accepting();
  EXPECT_TRUE(eventually([&] { return noted->has("draining"); }));
  late.send(upgrade_request());
  EXPECT_EQ(late.receive().status, 503u);
  c.send(message(text, "two"));  // what is under way goes on
  EXPECT_EQ(c.next_text(), "two");
  (*server)->stop();
  EXPECT_EQ(c.close_code(), 1001u);
  EXPECT_TRUE(c.closed());
  EXPECT_THAT(noted->all(), ElementsAre("text one", "draining", "text two", "closed"));
}

TEST_F(edge_live, random_messages_in_random_pieces) {
  serve();
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  live_client c(port());
  std::string wire = upgrade_request();
  std::vector<std::string> expected;
  for (int i = 0; i < 200; ++i) {
    const std::size_t sizes[] = {0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 70000};
    std::string body(sizes[random() % 10], static_cast<char>('a' + i % 26));
    const bool is_text = random() % 2 == 0;
    expected.push_back(is_text ? body : "binary " + std::to_string(body.size()));
    auto kind = static_cast<std::uint8_t>(is_text ? text : binary);
    while (random() % 3 == 0) {
      const auto n = random() % (body.size() + 1);
      wire += make_frame(kind, std::string_view(body).substr(0, n));
      body.erase(0, n);
      kind = continuation;
    }
    wire += make_frame(final_bit | kind, body);
  }
  std::thread sender([&] {
    for (std::size_t at = 0; at < wire.size();) {
      const auto n = std::min<std::size_t>(1 + random() % 20000, wire.size() - at);
      c.send(std::string_view(wire).substr(at, n));
      at += n;
    }
  });
  EXPECT_EQ(c.receive(true).status, 101u);
  for (const auto& e : expected) {
    const auto got = c.next_text();
    if (got == e) continue;
    ADD_FAILURE() << "seed " << seed << ": " << got.substr(0, 40) << " of " << got.size() << ", not "
                  << e.substr(0, 40);
    break;
  }
  sender.join();
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

class edge_live_tls : public with_certificates {};

TEST_F(edge_live_tls, the_same_over_tls) {
  const auto noted = std::make_shared<notes>();
  test_server s(tls, live_echo(noted));
  tls_client c(s.port());
  ASSERT_FALSE(c.failed);
  c.send(upgrade_request() + message(text, "at once"));
  const auto reader = [&](std::size_t n) {
    std::string out(n, '\0');
    out.resize(asio::read(c.stream, asio::buffer(out), c.ended));
    return out;
  };
  std::string head;
  while (!head.ends_with("\r\n\r\n") && !c.ended) head += reader(1);
  EXPECT_THAT(head, HasSubstr("101 Switching"));
  EXPECT_EQ(read_frame(reader)->payload, "at once");
  c.send(message(binary, std::string(300000, 'b')));
  EXPECT_EQ(read_frame(reader)->payload, "binary 300000");
  c.send(frame_head(final_bit | binary, 1ull << 30));
  EXPECT_EQ(read_frame(reader)->code(), 1009u);
  c.receive("never");
  EXPECT_EQ(c.ended, asio::error::eof) << c.ended.message();  // close_notify
  EXPECT_TRUE(eventually([&] { return noted->has("closed"); }));
}

TEST_F(edge_live_tls, a_client_that_cuts_the_connection) {
  const auto noted = std::make_shared<notes>();
  test_server s(tls, live_echo(noted));
  {
    tls_client c(s.port());
    c.send(upgrade_request() + message(text, "x"));
    c.receive("x");
  }
  EXPECT_TRUE(eventually([&] { return noted->has("closed"); }));
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
}

}  // namespace
}  // namespace troupe::http::testing
