#include "app/load_generator.hpp"

#include <atomic>
#include <cmath>
#include <functional>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace troupe::app {
namespace {

using std::chrono::nanoseconds;

TEST(latency_histogram, percentiles_are_within_a_bucket) {
  latency_histogram h;
  for (int us = 1; us <= 10000; ++us) h.record(std::chrono::microseconds(us));
  EXPECT_EQ(h.count(), 10000u);
  for (const double p : {1.0, 50.0, 90.0, 99.0, 99.9}) {
    EXPECT_NEAR(h.percentile_ms(p), p / 10, p / 10 * 0.004 + 0.001) << p;
  }
  EXPECT_NEAR(h.mean_ms(), 5.0005, 1e-6);
  EXPECT_DOUBLE_EQ(h.max_ms(), 10.0);
  EXPECT_DOUBLE_EQ(h.percentile_ms(100), 10.0);
}

TEST(latency_histogram, extremes) {
  latency_histogram h;
  EXPECT_EQ(h.percentile_ms(50), 0);
  EXPECT_EQ(h.max_ms(), 0);
  h.record(nanoseconds(0));
  h.record(nanoseconds(-5));
  EXPECT_EQ(h.percentile_ms(99), 0);
  h.record(nanoseconds::max());
  EXPECT_GT(h.max_ms(), 1e12);
  for (std::uint64_t ns = 1; ns < (1ull << 62); ns *= 2) {  // every power of two falls into a bucket that holds it
    latency_histogram one;
    one.record(nanoseconds(static_cast<std::int64_t>(ns)));
    EXPECT_NEAR(one.percentile_ms(50) * 1e6, static_cast<double>(ns), static_cast<double>(ns) * 0.004 + 0.5);
  }
}

// A server of one thread that answers whatever it reads with the same bytes, one connection at a time or all.
class canned_server {
 public:
  explicit canned_server(std::function<void(int fd)> serve) : serve_(std::move(serve)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    listen(listener_, 64);
    socklen_t length = sizeof a;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &length);
    url = "http://127.0.0.1:" + std::to_string(ntohs(a.sin_port));
    accepting_ = std::thread([this] {
      for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
        threads_.emplace_back([this, fd] {
          serve_(fd);
          close(fd);
        });
      }
    });
  }
  ~canned_server() {
    shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    for (auto& t : threads_) t.join();
    close(listener_);
  }
  std::string url;

 private:
  std::function<void(int)> serve_;
  int listener_;
  std::thread accepting_;
  std::vector<std::thread> threads_;
};

// Answers each request (that comes in one piece) with `answer`, at most `most` times.
std::function<void(int)> answering(std::string answer, int most = 1 << 30) {
  return [answer, most](int fd) {
    char buffer[65536];
    for (int i = 0; i < most && recv(fd, buffer, sizeof buffer, 0) > 0; ++i) {
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
    }
  };
}

load_plan plan_for(const canned_server& server) {
  load_plan plan;
  plan.url = server.url;
  plan.concurrency = 4;
  plan.requests = 200;
  plan.timeout_seconds = 5;
  return plan;
}

TEST(load_generator, counts_answers) {
  canned_server server(answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  const auto r = generate_load(plan_for(server));
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->answered(), 200u);
  EXPECT_EQ(r->latency.count(), 200u);
  EXPECT_EQ(r->failed(), 0u);
  EXPECT_GT(r->per_second(), 0);
  EXPECT_GE(r->longest_wait_ms, r->latency.percentile_ms(50));
}

TEST(load_generator, reads_chunked_answers) {
  canned_server server(
      answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef"
                "\r\n0\r\n\r\n"));
  const auto r = generate_load(plan_for(server));
  ASSERT_TRUE(r);
  EXPECT_EQ(r->latency.count(), 200u);
}

TEST(load_generator, reads_answers_in_pieces) {
  canned_server server([](int fd) {
    char buffer[65536];
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";
    while (recv(fd, buffer, sizeof buffer, 0) > 0) {
      for (const std::size_t at : {0u, 10u, 30u, 41u}) {
        const auto end = at == 41 ? answer.size() : at == 0 ? 10 : at == 10 ? 30 : 41;
        if (send(fd, answer.data() + at, end - at, MSG_NOSIGNAL) < 0) return;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      }
    }
  });
  auto plan = plan_for(server);
  plan.requests = 20;
  const auto r = generate_load(plan);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->latency.count(), 20u);
}

TEST(load_generator, counts_errors_by_status) {
  canned_server server(answering("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"));
  const auto r = generate_load(plan_for(server));
  ASSERT_TRUE(r);
  EXPECT_EQ(r->by_status.at(429), 200u);
  EXPECT_EQ(r->latency.count(), 0u);
  EXPECT_EQ(r->failed(), 200u);
}

TEST(load_generator, connection_close_is_obeyed) {
  canned_server server(answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 1));
  auto plan = plan_for(server);
  plan.requests = 20;
  const auto r = generate_load(plan);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->latency.count(), 20u);
  EXPECT_EQ(r->failed(), 0u);
}

TEST(load_generator, lost_and_malformed_answers_are_failures) {
  canned_server closing([](int fd) {
    char buffer[65536];
    (void)recv(fd, buffer, sizeof buffer, 0);
  });
  auto plan = plan_for(closing);
  plan.requests = 10;
  const auto lost = generate_load(plan);
  ASSERT_TRUE(lost);
  EXPECT_EQ(lost->failures.at("closed"), 10u);
  canned_server garbage(answering("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
  plan.url = garbage.url;
  const auto bad = generate_load(plan);
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->failures.at("malformed"), 10u);
}

TEST(load_generator, a_silent_server_times_out_and_shows_as_the_longest_wait) {
  std::atomic<bool> ending{false};
  canned_server server([&](int) {
    while (!ending) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  auto plan = plan_for(server);
  plan.requests = 4;
  plan.timeout_seconds = 0.2;
  const auto r = generate_load(plan);
  ending = true;
  ASSERT_TRUE(r);
  EXPECT_EQ(r->failures.at("timeout"), 4u);
  EXPECT_GE(r->longest_wait_ms, 200);
}

TEST(load_generator, open_loop_keeps_the_rate_and_counts_waiting) {
  // 20 ms an answer and one connection: at 200/s three of four requests must wait, and longer and longer.
  canned_server server([](int fd) {
    char buffer[65536];
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    while (recv(fd, buffer, sizeof buffer, 0) > 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return;
    }
  });
  auto plan = plan_for(server);
  plan.concurrency = 1;
  plan.requests = 40;
  plan.rate = 200;
  const auto r = generate_load(plan);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->latency.count(), 40u);
  EXPECT_GT(r->latency.max_ms(), 400);  // 40 x (20 - 5) ms behind at the end
}

TEST(load_generator, refuses_other_machines_and_bad_plans) {
  load_plan plan;
  plan.url = "http://192.0.2.1:80";
  EXPECT_EQ(generate_load(plan).error().code, error_code::forbidden);
  for (const auto* url : {"https://127.0.0.1:1", "http://", "http://127.0.0.1:port", ":"}) {
    plan.url = url;
    EXPECT_FALSE(generate_load(plan)) << url;
  }
  plan.url = "http://127.0.0.1:1";
  EXPECT_EQ(generate_load(plan).error().code, error_code::unavailable);
  plan.concurrency = 0;
  EXPECT_EQ(generate_load(plan).error().code, error_code::bad_request);
}

}  // namespace
}  // namespace troupe::app
