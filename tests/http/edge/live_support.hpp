#pragma once
// WebSocket from its bytes: frames as a client sends them, frames as the server does, and a protocol that keeps notes.

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/core/live_socket.hpp"
#include "http/core/upgrade.hpp"
#include "tests/http/edge/support.hpp"

namespace troupe::http::testing {

enum opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, closing = 8, ping = 9, pong = 10 };

struct frame {
  std::uint8_t first = 0;  // FIN, reserved bits, opcode
  std::string payload;
  unsigned code() const {
    return payload.size() < 2 ? 0
                              : (static_cast<unsigned char>(payload[0]) << 8U) + static_cast<unsigned char>(payload[1]);
  }
};
constexpr std::uint8_t final_bit = 0x80;

std::string frame_head(std::uint8_t first, std::uint64_t size, bool masked = true);
std::string make_frame(std::uint8_t first, std::string_view payload, bool masked = true);
inline std::string message(opcode kind, std::string_view payload) { return make_frame(final_bit | kind, payload); }
std::string close_message(unsigned code, std::string_view reason = {});
std::string upgrade_request(std::string_view path = "/live", std::string_view headers = {});

// The server's next frame; null: none came.
template <class Receive>
std::optional<frame> read_frame(Receive receive_bytes) {
  const std::string head = receive_bytes(2);
  if (head.size() < 2) return std::nullopt;
  frame f;
  f.first = static_cast<std::uint8_t>(head[0]);
  std::uint64_t size = static_cast<unsigned char>(head[1]);
  EXPECT_LT(size, 128u) << "a server's frames are not masked";
  if (size >= 126) {
    const std::size_t digits = size == 126 ? 2 : 8;
    const std::string more = receive_bytes(digits);
    size = 0;
    for (const char c : more) size = size << 8U | static_cast<unsigned char>(c);
  }
  f.payload = receive_bytes(size);
  return f;
}

struct live_client : raw_client {
  explicit live_client(std::uint16_t port, int receive_buffer_bytes = 0) : raw_client(port, receive_buffer_bytes) {}
  // Sends the request with `more` right behind it.
  answer upgrade(std::string_view headers = {}, std::string_view more = {}) {
    send(upgrade_request("/live", headers) + std::string(more));
    return receive(true);
  }
  std::optional<frame> next() {
    return read_frame([this](std::size_t n) { return receive_bytes(n); });
  }
  // Passes over pings.
  std::string next_text() {
    for (;;) {
      const auto f = next();
      if (!f || f->first != (final_bit | ping)) return f ? f->payload : "(none)";
    }
  }
  // Passes over what comes before it; 0: none came.
  unsigned close_code() {
    for (;;) {
      const auto f = next();
      if (!f) return 0;
      if (f->first == (final_bit | closing)) return f->code();
    }
  }
};

// What a protocol was told; each entry a line: "text hello", "binary ..", "draining", "closed".
struct notes {
  std::mutex mutex;
  std::vector<std::string> lines;
  std::shared_ptr<live_socket> socket;

  void add(std::string line) {
    std::lock_guard lock(mutex);
    lines.push_back(std::move(line));
  }
  std::vector<std::string> all() {
    std::lock_guard lock(mutex);
    return lines;
  }
  bool has(const std::string& line) {
    const auto now = all();
    return std::find(now.begin(), now.end(), line) != now.end();
  }
  // On the connection's thread.
  void run(std::function<void(live_socket&)> f) {
    std::shared_ptr<live_socket> s;
    {
      std::lock_guard lock(mutex);
      s = socket;
    }
    if (s) s->post([s, f = std::move(f)] { f(*s); });
  }
};

struct noting_protocol : live_protocol {
  explicit noting_protocol(std::shared_ptr<notes> n) : noted(std::move(n)) {}
  void opened(std::shared_ptr<live_socket> s) override {
    socket = s;
    std::lock_guard lock(noted->mutex);
    noted->socket = std::move(s);
  }
  void text(std::string_view m) override {
    noted->add("text " + std::string(m));
    if (m == "pause") return socket->pause();
    if (m == "throw") throw std::bad_alloc();
    if (m.starts_with("hold ")) {
      kept.push_back(socket->hold(std::stoull(std::string(m.substr(5)))));
      return socket->send(kept.back() ? "held" : "no room");
    }
    if (m == "close") return socket->close(close_code::normal, "as you say");
    socket->send(std::string(m));
  }
  void binary(std::string_view m) override {
    noted->add("binary " + std::string(m));
    socket->send("binary " + std::to_string(m.size()));
  }
  void draining() override { noted->add("draining"); }
  void closed() override {
    noted->add("closed");
    kept.clear();
    socket.reset();
    std::lock_guard lock(noted->mutex);
    noted->socket.reset();
  }
  const std::shared_ptr<notes> noted;
  std::shared_ptr<live_socket> socket;
  std::vector<std::shared_ptr<void>> kept;
};

// Upgrades /live, answers everything else as the echo does. A test's notes outlive its server's protocols.
handler live_echo(std::shared_ptr<notes> noted);

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

}  // namespace troupe::http::testing
