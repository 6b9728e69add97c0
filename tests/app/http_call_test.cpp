#include "app/http_call.hpp"

#include <mutex>

#include <gtest/gtest.h>

#include "app/server_client.hpp"
#include "inference/files/model_json.hpp"
#include "tests/app/canned_server.hpp"

namespace troupe::app {
namespace {

using namespace std::chrono_literals;

std::string answer(const std::string& status, const std::string& body, const std::string& type = "application/json") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

// Answers once a connection with `bytes`, and keeps what was asked.
struct asked_server {
  explicit asked_server(std::string bytes)
      : server([this, bytes](int fd) {
          char buffer[65536];
          const auto size = recv(fd, buffer, sizeof buffer, 0);
          {
            const std::lock_guard hold(mutex);
            if (size > 0) asked.append(buffer, static_cast<std::size_t>(size));
          }
          send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        }) {}
  std::mutex mutex;
  std::string asked;
  canned_server server;
};

server_client client_of(const std::string& url, const std::string& key = {}) {
  return server_client(std::move(*http_call::to(url, key)));
}

TEST(http_call, addresses) {
  EXPECT_EQ(http_call::to("127.0.0.1:9000", "")->url(), "http://127.0.0.1:9000");
  EXPECT_EQ(http_call::to("https://host/prefix//", "")->url(), "https://host/prefix");
  for (const char* bad : {"", "ftp://host", "file:///etc/passwd", "http://user:word@host", "http://host?x=1", "http://",
                          "http://host:99999", "http://ho st"})
    EXPECT_FALSE(http_call::to(bad, "")) << bad;
  EXPECT_FALSE(http_call::to("http://host", "key\r\nX: y"));
  EXPECT_EQ(http_call::encoded("org/a b"), "org%2Fa%20b");
}

TEST(http_call, asks_as_it_is_told) {
  asked_server s(answer("200 OK", R"({"ok":true})"));
  {
    auto client = client_of(s.server.url, "secret");
    const auto got = client.post("/models/a%2Fb/load", R"({"x":1})");
    ASSERT_TRUE(got) << got.error().why.message;
    EXPECT_TRUE(inference::flag_of((*got)->root, "ok", false));
  }
  const std::lock_guard hold(s.mutex);
  EXPECT_TRUE(s.asked.starts_with("POST /models/a%2Fb/load HTTP/1.1\r\n")) << s.asked;
  EXPECT_NE(s.asked.find("\r\nAuthorization: Bearer secret\r\n"), std::string::npos);
  EXPECT_NE(s.asked.find("\r\nContent-Type: application/json\r\n"), std::string::npos);
  EXPECT_TRUE(s.asked.ends_with("\r\n\r\n{\"x\":1}"));
}

TEST(http_call, errors_are_as_the_server_words_them) {
  const std::string envelope =
      R"({"status":"error","message":"Model not found: x","code":"MODEL_NOT_FOUND","detail":"Model not found: x: did you mean y?"})";
  asked_server missing(answer("404 Not Found", envelope));
  const auto got = client_of(missing.server.url).get("/models/x");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, exit_status::not_found);
  EXPECT_EQ(got.error().why.message, "Model not found: x");
  EXPECT_EQ(got.error().why.detail, "did you mean y?");
  asked_server cancelled(answer("409 Conflict", R"({"message":"called off","code":"CANCELLED"})"));
  EXPECT_EQ(client_of(cancelled.server.url).get("/").error().status, exit_status::failed);  // not by us
  asked_server other(answer("502 Bad Gateway", "<html>", "text/html"));
  const auto html = client_of(other.server.url).get("/");
  EXPECT_EQ(html.error().status, exit_status::failed);
  EXPECT_NE(html.error().why.message.find("502"), std::string::npos);
  asked_server no_json(answer("200 OK", "[1]"));
  EXPECT_EQ(client_of(no_json.server.url).get("/").error().status, exit_status::failed);
}

TEST(http_call, a_server_that_is_not_there) {
  std::string url;
  {
    url = canned_server([](int) {}).url;
  }
  const auto got = client_of(url).get("/");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, exit_status::no_server);
  asked_server closes("");
  EXPECT_EQ(client_of(closes.server.url).get("/").error().status, exit_status::no_server);
  asked_server cut("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_EQ(client_of(cut.server.url).get("/").error().status, exit_status::no_server);
  // Redirects are not followed: the key would go along.
  asked_server moved("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  EXPECT_NE(client_of(moved.server.url).get("/").error().why.message.find("302"), std::string::npos);
}

TEST(http_call, one_that_is_silent_runs_into_the_limit_and_can_be_given_up) {
  canned_server silent([](int fd) {
    char buffer[4096];
    while (recv(fd, buffer, sizeof buffer, 0) > 0) {
    }
  });
  auto call = std::move(*http_call::to(silent.url, ""));
  const auto got = call.ask({.path = "/", .limit = 50ms});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, error_code::deadline_exceeded);
  const std::atomic<bool> cancelled{true};
  EXPECT_EQ(call.ask({.path = "/", .cancelled = &cancelled}).error().code, error_code::cancelled);
}

TEST(http_call, answers_are_bounded) {
  canned_server endless([](int fd) {
    char buffer[4096];
    if (recv(fd, buffer, sizeof buffer, 0) <= 0) return;
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", piece(1 << 20, ' ');
    if (send(fd, head.data(), head.size(), MSG_NOSIGNAL) < 0) return;
    while (send(fd, piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  const auto got = http_call::to(endless.url, "")->ask({.path = "/"});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, error_code::payload_too_large);
}

TEST(http_call, follows_events) {
  const auto stream = [](const std::string& events) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + events;
  };
  const auto seen = [](const std::string& bytes) {
    asked_server s(bytes);
    std::vector<std::string> out;
    auto client = client_of(s.server.url);
    EXPECT_TRUE(client.follow("/events", [&](const std::string& name, simdjson::dom::element data) {
      out.push_back(name + ' ' + inference::text_of(data, "status"));
      return name != "done";
    }));
    return out;
  };
  const std::vector<std::string> none;
  const std::string both =
      "event: progress\ndata: {\"status\":\"downloading\"}\n\n: heartbeat\n\nevent: done\ndata: "
      "{\"status\":\"completed\"}\n\n";
  EXPECT_EQ(seen(stream(both)), (std::vector<std::string>{"progress downloading", "done completed"}));
  // After the last one nothing is told.
  EXPECT_EQ(seen(stream("event: done\ndata: {}\n\ndata: {}\n\n")), std::vector<std::string>{"done "});
  // What is no such stream tells nothing.
  EXPECT_EQ(seen(answer("404 Not Found", "{}")), none);
  EXPECT_EQ(seen(answer("200 OK", "data: {}\n\n")), none);
  EXPECT_EQ(seen(stream("data: no json\n\ndata: {}\n\n")), none);
}

}  // namespace
}  // namespace troupe::app
