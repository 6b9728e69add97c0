// TLS listeners, with a certificate made on the spot.

#include <gtest/gtest.h>

#include "tests/http/edge/tls_support.hpp"

namespace troupe::http::testing {
namespace {

class edge_tls : public with_certificates {
 protected:
  static std::string error_of(const std::string& certificate, const std::string& key) {
    try {
      test_server s([&](auto& x) { x.listeners[0].tls = config::tls_files{certificate, key}; });
    } catch (const std::exception& e) {
      return e.what();
    }
    return "none";
  }
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
