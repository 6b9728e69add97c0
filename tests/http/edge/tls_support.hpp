#pragma once
// A client that speaks TLS, and certificates made on the spot.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "http/edge/tls.hpp"

#include <boost/asio/read.hpp>

#include "tests/http/edge/support.hpp"

namespace troupe::http::testing {

namespace asio = boost::asio;

class with_certificates : public ::testing::Test {
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
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }
  static std::string path(const std::string& name) { return (folder_ / name).string(); }
  static void tls(config::settings& s) { s.listeners[0].tls = config::tls_files{path("key.crt"), path("key.pem")}; }
  static inline std::filesystem::path folder_;
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

}  // namespace troupe::http::testing
