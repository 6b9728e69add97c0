// WebSockets on real sockets, byte by byte: the handshake, frames of all kinds, and every way to end.

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

TEST_F(edge_live, the_handshake) {
  serve();
  live_client c(port());
  const auto a = c.upgrade(
      "Sec-WebSocket-Protocol: chat, binary\r\nX-Request-Id: my-id\r\n"
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
