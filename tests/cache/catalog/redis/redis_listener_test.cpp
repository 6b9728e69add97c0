#include <gtest/gtest.h>

#include <atomic>
#include <sstream>
#include <thread>

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "cache/catalog/redis/redis_client.hpp"
#include "tests/cache/catalog/redis/asking.hpp"
#include "tests/cache/catalog/redis/fake_redis.hpp"
#include "tests/cache/catalog/redis/redis_server.hpp"

namespace troupe::cache {
namespace {

using namespace std::chrono_literals;

class listening {
 public:
  explicit listening(redis_options options) {
    listener_ = redis_listener::make(
        std::move(options), "news",
        [this](std::string text) {
          const std::lock_guard held(mutex_);
          heard_.push_back(std::move(text));
          message.happen();
        },
        [this] { subscribed.happen(); });
  }
  std::vector<std::string> heard() {
    const std::lock_guard held(mutex_);
    return heard_;
  }
  redis_listener* operator->() { return listener_.get(); }

  happening subscribed, message;

 private:
  std::mutex mutex_;
  std::vector<std::string> heard_;
  std::unique_ptr<redis_listener> listener_;
};

TEST(redis_listener, hears_what_is_published) {
  redis_server server;
  listening news(patient(server.address()));
  asking_client client(patient(server.address()));
  ASSERT_TRUE(news.subscribed.wait() && client.ready.wait());
  EXPECT_TRUE(news->listening());
  EXPECT_EQ(news->last_error(), "");
  const std::string bytes("\0\r\n\xff", 4);
  EXPECT_EQ(text_of(client.ask({"PUBLISH", "news", bytes}).get()), ":1");
  EXPECT_EQ(text_of(client.ask({"PUBLISH", "other", "x"}).get()), ":0");
  client.ask({"PUBLISH", "news", std::string(300'000, 'y')}).get();
  ASSERT_TRUE(news.message.wait(2));
  EXPECT_EQ(news.heard(), (std::vector<std::string>{bytes, std::string(300'000, 'y')}));
}

TEST(redis_listener, listens_again_when_redis_is_back) {
  redis_server server;
  listening news(patient(server.address()));
  ASSERT_TRUE(news.subscribed.wait());
  server.restart();
  ASSERT_TRUE(news.subscribed.wait(2));
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  EXPECT_EQ(text_of(client.ask({"PUBLISH", "news", "back"}).get()), ":1");
  ASSERT_TRUE(news.message.wait());
}

TEST(redis_listener, does_not_take_a_dead_connection_for_a_quiet_channel) {
  redis_server server;
  listening news(wary(server.address(), 100));
  ASSERT_TRUE(news.subscribed.wait());
  server.pause();
  ASSERT_TRUE(eventually([&] { return !news->listening(); }));
  EXPECT_NE(news->last_error().find("no word"), std::string::npos) << news->last_error();
  server.proceed();
  ASSERT_TRUE(news.subscribed.wait(2));
}

TEST(redis_listener, stays_on_a_quiet_channel) {
  const redis_server server;
  listening news(wary(server.address(), 500));
  asking_client client(patient(server.address()));
  ASSERT_TRUE(news.subscribed.wait() && client.ready.wait());
  ASSERT_TRUE(let_pass(client, 1200ms));
  EXPECT_EQ(news.subscribed.times(), 1);
  client.ask({"PUBLISH", "news", "still here"}).get();
  ASSERT_TRUE(news.message.wait());
}

TEST(redis_listener, says_why_it_may_not) {
  const redis_server server({"--user", "default", "on", "nopass", "~*", "+@all", "resetchannels"});
  listening news(patient(server.address()));
  ASSERT_TRUE(eventually([&] { return news->last_error().find("NOPERM") != std::string::npos; }));
  EXPECT_FALSE(news->listening());
}

// What the log says, while it lives.
class overheard {
 public:
  overheard() {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("overheard", sink));
  }
  ~overheard() { spdlog::set_default_logger(std::move(before_)); }
  // When nobody logs any more.
  int times(const std::string& what) const {
    int out = 0;
    const auto all = text_.str();
    for (auto at = all.find(what); at != all.npos; at = all.find(what, at + 1)) ++out;
    return out;
  }

 private:
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream text_;
};

TEST(redis_listener, who_is_refused_asks_less_and_less_often_and_says_so_once) {
  std::atomic<bool> may_listen = false;
  fake_redis fake([&](fake_redis::peer& peer, int) {
    if (!peer.greet() || !peer.expect("news\r\n")) return;
    peer.say(may_listen ? "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n" : "-NOPERM this user may not\r\n");
    peer.until_closed();
  });
  auto options = patient(fake.address());
  options.retry_min_ms = 20;
  options.retry_max_ms = 500;
  overheard log;
  {
    listening news(options);
    std::this_thread::sleep_for(2s);
    // Pauses of 20, 40, .. 320, 500 ms, a quarter more or less; without them some sixty.
    EXPECT_GE(fake.connections(), 4);
    EXPECT_LE(fake.connections(), 12);
    EXPECT_NE(news->last_error().find("NOPERM"), std::string::npos);
    may_listen = true;
    ASSERT_TRUE(news.subscribed.wait());
    EXPECT_EQ(news->last_error(), "");
  }
  EXPECT_EQ(log.times("NOPERM"), 1);
  EXPECT_EQ(log.times("listens to news"), 1);
}

TEST(redis_listener, survives_what_is_no_message) {
  fake_redis fake([](fake_redis::peer& peer, int n) {
    if (!peer.greet() || !peer.expect("news\r\n")) return;
    peer.say("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    if (n == 0)
      peer.say("+x\r\n*0\r\n*3\r\n:1\r\n:2\r\n:3\r\n*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$-1\r\n?");
    else
      peer.say("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$2\r\nok\r\n");
    peer.until_closed();
  });
  listening news(patient(fake.address()));
  ASSERT_TRUE(news.message.wait());
  EXPECT_EQ(news.heard().front(), "ok");
  EXPECT_EQ(news.subscribed.times(), 2);
}

}  // namespace
}  // namespace troupe::cache
