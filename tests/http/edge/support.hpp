#pragma once
// A raw client and a server for the tests of the HTTP edge. Every wait has a limit.

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "http/server.hpp"

namespace troupe::http::testing {

inline constexpr auto patience = std::chrono::seconds(20);

struct answer {
  unsigned status = 0;                         // 0: none came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class raw_client {
 public:
  explicit raw_client(std::uint16_t port, int receive_buffer_bytes = 0, const char* host = "127.0.0.1");
  ~raw_client() { close(); }
  raw_client(raw_client&& other) noexcept;
  raw_client(const raw_client&) = delete;

  bool send(std::string_view bytes);  // false: the other side has closed
  bool send_some(std::string_view bytes);
  // The next answer, interim ones (1xx) included; `head` for one to a HEAD request.
  answer receive(bool head = false);
  std::string receive_bytes(std::size_t count);
  bool closed();  // waits for the end of the stream
  bool reset_seen() const { return reset_; }
  bool readable_now();
  void half_close();
  void close();
  void reset();                // closes with RST
  std::size_t receive_some();  // 0: nothing came, or the end

 private:
  bool fill();
  int fd_ = -1;
  std::string buffer_;
  bool reset_ = false;
};

// What a request costs in bytes on the wire.
std::string get(std::string_view path, std::string_view headers = {});
std::string post(std::string_view path, std::string_view body, std::string_view headers = {});

// Polls until `condition` holds.
bool eventually(const std::function<bool()>& condition);

struct test_server {
  // The default handler answers {method, path, query, body size} or the refusal.
  explicit test_server(
      std::function<void(config::settings&)> change = {}, handler h = echo(),
      body_limit limit = [](std::string_view, std::string_view) { return std::uint64_t{1} << 20; });
  ~test_server();
  static handler echo();

  std::uint16_t port(std::size_t listener = 0) const { return server_->ports().at(listener); }
  http::server& operator*() { return *server_; }
  http::server* operator->() { return server_.get(); }
  // The sum of a metric's series, -1 if there is none.
  double metric(const std::string& name) const;

  config::settings settings;
  prometheus::Registry registry;

 private:
  std::unique_ptr<http::server> server_;
};

// The usual answer to a refused request; true if it was one.
bool answer_refused(const exchange_ptr& e);
response text_response(std::string text, unsigned status = 200);
// Keeps every request until the test answers it.
struct holder {
  std::mutex mutex;
  std::vector<exchange_ptr> held;
  handler take() {
    return [this](exchange_ptr e) {
      if (answer_refused(e)) return;
      std::lock_guard lock(mutex);
      held.push_back(std::move(e));
    };
  }
  exchange_ptr next() {
    exchange_ptr e;
    EXPECT_TRUE(eventually([&] {
      std::lock_guard lock(mutex);
      if (held.empty()) return false;
      e = std::move(held.front());
      held.erase(held.begin());
      return true;
    }));
    return e;
  }
};

std::size_t open_files();
std::size_t resident_bytes();

}  // namespace troupe::http::testing
