// TLS listeners, with a certificate made on the spot.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "http/edge/tls.hpp"
#include "tests/http/edge/support.hpp"

namespace troupe::http::testing {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

class edge_tls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/edge_tls_XXXXXX";
    folder_ = ::mkdtemp(name);
    for (const std::string key : {"key", "other"}) {
      const auto command =
          "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
          "-subj /CN=localhost -keyout " +
          path(key + ".pem") + " -out " + path(key + ".crt") + " 2>/dev/null";
      ASSERT_EQ(std::system(command.c_str()), 0);
    }
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }
  static std::string path(const std::string& name) { return (folder_ / name).string(); }
  static void tls(config::settings& s) { s.listeners[0].tls = config::tls_files{path("key.crt"), path("key.pem")}; }
  static std::string error_of(const std::string& certificate, const std::string& key) {
    try {
      test_server s([&](auto& x) { x.listeners[0].tls = config::tls_files{certificate, key}; });
    } catch (const std::exception& e) {
      return e.what();
    }
    return "none";
  }
  static inline fs::path folder_;
};

struct tls_client {
  explicit tls_client(std::uint16_t port, int newest = 0)
      : context(asio::ssl::context::tls_client), stream(io, context) {
    if (newest != 0) {
      ::SSL_set_security_level(stream.native_handle(), 0);
      ::SSL_set_min_proto_version(stream.native_handle(), TLS1_VERSION);
      ::SSL_set_max_proto_version(stream.native_handle(), newest);
    }
    asio::ip::tcp::endpoint to(asio::ip::address_v4::loopback(), port);
    stream.next_layer().connect(to);
    stream.handshake(asio::ssl::stream_base::client, failed);
  }
  bool send(const std::string& text) {
    boost::system::error_code e;
    asio::write(stream, asio::buffer(text), e);
    return !e;
  }
  // Until `end` has come or the stream ends.
  std::string receive(const std::string& end) {
    std::string text;
    while (text.find(end) == std::string::npos) {
      char piece[16384];
      const auto n = stream.read_some(asio::buffer(piece), ended);
      text.append(piece, n);
      if (ended) break;
    }
    return text;
  }
  asio::io_context io;
  asio::ssl::context context;
  asio::ssl::stream<asio::ip::tcp::socket> stream;
  boost::system::error_code failed, ended;
};

TEST_F(edge_tls, round_trip_keep_alive_and_large_bodies) {
  test_server s(tls);
  tls_client c(s.port());
  ASSERT_FALSE(c.failed) << c.failed.message();
  for (int i = 0; i < 3; ++i) {
    c.send(get("/tls") + get("/tls2"));
    EXPECT_NE(c.receive("GET /tls2  0").find("GET /tls  0"), std::string::npos);
  }
  c.send(post("/p", std::string(1 << 20, 'b')));
  EXPECT_NE(c.receive("POST /p  1048576").find("200 OK"), std::string::npos);
}

TEST_F(edge_tls, refusals_arrive_and_the_end_is_announced) {
  test_server s(tls);
  tls_client c(s.port());
  ASSERT_FALSE(c.failed);
  c.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
  c.send(std::string(3000000, 'b'));
  const auto text = c.receive("never");
  EXPECT_NE(text.find("413 Payload"), std::string::npos);
  EXPECT_EQ(c.ended, asio::error::eof) << c.ended.message();  // close_notify
  tls_client d(s.port());
  d.send(get("/", "Connection: close\r\n"));
  d.receive("never");
  EXPECT_EQ(d.ended, asio::error::eof) << d.ended.message();
}

TEST_F(edge_tls, expect_continue) {
  test_server s(tls);
  tls_client c(s.port());
  c.send("POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_NE(c.receive("\r\n\r\n").find("100 Continue"), std::string::npos);
  c.send("hello");
  EXPECT_NE(c.receive("POST /p  5").find("200 OK"), std::string::npos);
}

TEST_F(edge_tls, a_vanished_client_is_told) {
  std::atomic<bool> told{false};
  std::mutex mutex;
  exchange_ptr held;
  test_server s(tls, [&](exchange_ptr e) {
    std::lock_guard lock(mutex);
    e->on_disconnect([&] { told = true; });
    held = std::move(e);
  });
  {
    tls_client c(s.port());
    c.send(get("/"));
    ASSERT_TRUE(eventually([&] {
      std::lock_guard lock(mutex);
      return held != nullptr;
    }));
  }
  EXPECT_TRUE(eventually([&] { return told.load(); }));
}

TEST_F(edge_tls, a_client_that_ends_its_side_gets_its_answer) {
  for (const int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool notify : {true, false}) {
      holder h;
      test_server s(tls, h.take());
      tls_client c(s.port(), newest);
      ASSERT_FALSE(c.failed);
      c.send(get("/a") + get("/b"));
      auto a = h.next(), b = h.next();
      boost::system::error_code e;
      if (notify) {
        c.stream.async_shutdown([](const auto&) {});
        c.io.poll();  // close_notify is out; the client's own is not waited for
        c.stream.next_layer().cancel(e);
        c.io.restart();
        c.io.poll();
      }
      c.stream.next_layer().shutdown(asio::ip::tcp::socket::shutdown_send, e);
      EXPECT_NE(c.receive("\r\n\r\n").find("100 Continue"), std::string::npos) << c.ended.message();
      a->respond(text_response("answer a"));
      b->respond(text_response("answer b"));
      EXPECT_NE(c.receive("answer b").find("answer a"), std::string::npos) << c.ended.message();
      c.receive("never");
      EXPECT_EQ(c.ended, asio::error::eof) << c.ended.message();
    }
  }
}

TEST_F(edge_tls, old_versions_are_refused) {
  test_server s(tls);
  EXPECT_FALSE(tls_client(s.port(), TLS1_2_VERSION).failed);
  tls_client old(s.port(), TLS1_1_VERSION);
  EXPECT_TRUE(old.failed) << ::SSL_get_version(old.stream.native_handle());
}

TEST_F(edge_tls, a_handshake_that_does_not_come_is_closed) {
  test_server s([](auto& x) {
    tls(x);
    x.request_read_timeout_ms = 100;
  });
  raw_client silent(s.port()), half(s.port()), plain(s.port());
  half.send("\x16\x03\x01");
  plain.send(get("/"));
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(half.closed());
  EXPECT_TRUE(plain.closed());
  EXPECT_TRUE(eventually([&] { return s.metric("troupe_http_connections") == 0; }));
}

TEST_F(edge_tls, errors_name_the_file_and_why) {
  EXPECT_EQ(error_of("/no/such.crt", path("key.pem")),
            "TLS: cannot read the certificate file /no/such.crt: No such file or directory");
  EXPECT_NE(error_of(path("key.crt"), "/no/such.pem").find("private key file /no/such.pem"), std::string::npos);
  EXPECT_NE(error_of(path("key.crt"), path("other.pem")).find("other.pem: key values mismatch"), std::string::npos);
  EXPECT_NE(error_of(path("key.pem"), path("key.pem")).find("bad certificate file"), std::string::npos);
  EXPECT_NE(error_of(path("key.crt"), path("key.crt")).find("bad private key file"), std::string::npos);
}

}  // namespace
}  // namespace troupe::http::testing
