#include <gtest/gtest.h>

#include <cstdlib>

#include "cache/catalog/redis/redis_client.hpp"
#include "tests/cache/catalog/redis/asking.hpp"
#include "tests/cache/catalog/redis/redis_server.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

// An authority, and a server with a certificate of it for localhost and 127.0.0.1.
class redis_tls : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto name = (fs::temp_directory_path() / "redis-tls.XXXXXX").string();
    folder = ::mkdtemp(name.data());
    authority("ca");
    authority("other");
    const auto key = file("key"), request = file("request"), extensions = file("extensions");
    openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=redis -keyout " + key + " -out " +
            request);
    ASSERT_EQ(std::system(("echo subjectAltName=DNS:localhost,IP:127.0.0.1 > " + extensions).c_str()), 0);
    openssl("x509 -req -days 2 -in " + request + " -CA " + file("ca") + " -CAkey " + file("ca.key") +
            " -CAcreateserial -extfile " + extensions + " -out " + file("certificate"));
    server = std::make_unique<redis_server>(
        std::vector<std::string>{"--tls-cert-file", file("certificate"), "--tls-key-file", key, "--tls-ca-cert-file",
                                 file("ca"), "--tls-auth-clients", "no"},
        redis_server::place::tls_port);
  }
  static void TearDownTestSuite() {
    server.reset();
    fs::remove_all(folder);
  }

  static void authority(const std::string& name) {
    openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" + name +
            " -keyout " + file(name + ".key") + " -out " + file(name));
  }
  static void openssl(const std::string& what) {
    ASSERT_EQ(std::system(("openssl " + what + " 2>/dev/null").c_str()), 0) << what;
  }
  static std::string file(const std::string& name) { return (folder / name).string(); }

  static redis_options options(const std::string& host, const std::string& ca) {
    auto out = patient(server->address());
    out.address.host = host;
    out.ca_file = ca.empty() ? "" : file(ca);
    out.resolve = [](const std::string&) -> result<std::vector<std::string>> {
      return std::vector<std::string>{"127.0.0.1"};
    };
    return out;
  }
  static void expect_refused(const redis_options& how, const std::string& why) {
    asking_client client(how);
    ASSERT_TRUE(client.down.wait());
    EXPECT_NE(client->last_error().find(why), std::string::npos) << client->last_error();
    EXPECT_EQ(client.ready.times(), 0);
  }

  static fs::path folder;
  static std::unique_ptr<redis_server> server;
};
fs::path redis_tls::folder;
std::unique_ptr<redis_server> redis_tls::server;

TEST_F(redis_tls, speaks_over_it) {
  for (const char* host : {"localhost", "127.0.0.1"}) {
    asking_client client(options(host, "ca"));
    ASSERT_TRUE(client.ready.wait()) << client->last_error();
    const std::string large(5'000'000, 'x');
    std::vector<pending<redis_reply>> asked;
    for (int i = 0; i < 200; ++i) asked.push_back(client.ask({"INCR", host}));
    auto set = client.ask({"SET", "large", large});
    auto get = client.ask({"GET", "large"});
    for (int i = 0; i < 200; ++i) EXPECT_EQ(text_of(asked[i].get()), ':' + std::to_string(i + 1));
    EXPECT_EQ(text_of(set.get()), "+OK");
    EXPECT_EQ(*get.get()->text(), large);
  }
}

TEST_F(redis_tls, ends_with_commands_in_flight) {
  asking_client client(options("localhost", "ca"));
  ASSERT_TRUE(client.ready.wait());
  for (int i = 0; i < 5; ++i) client.ask({"SET", "large", std::string(2'000'000, 'x')});
  client.end();
}

TEST_F(redis_tls, refuses_another_authority) {
  expect_refused(options("localhost", "other"), "certificate");
  expect_refused(options("localhost", ""), "certificate");
}

TEST_F(redis_tls, refuses_another_name) {
  expect_refused(options("redis.example", "ca"), "hostname mismatch");
  expect_refused(options("127.0.0.2", "ca"), "IP address mismatch");
}

TEST_F(redis_tls, says_that_its_authorities_cannot_be_read) {
  expect_refused(options("localhost", "missing"), "cannot use the certificate authorities of");
}

TEST_F(redis_tls, one_side_without_it) {
  auto how = options("127.0.0.1", "ca");
  how.connect_timeout_ms = 1000;
  how.address.tls = false;
  expect_refused(how, "127.0.0.1");
  const redis_server plain;
  how = options("127.0.0.1", "ca");
  how.connect_timeout_ms = 1000;
  how.address.port = plain.port();
  expect_refused(how, "127.0.0.1");
}

}  // namespace
}  // namespace troupe::cache
