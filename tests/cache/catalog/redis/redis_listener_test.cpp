#include <gtest/gtest.h>

#include "cache/catalog/redis/redis_client.hpp"
#include "tests/cache/catalog/redis/asking.hpp"
#include "tests/cache/catalog/redis/fake_redis.hpp"
#include "tests/cache/catalog/redis/redis_server.hpp"

namespace troupe::cache {
namespace {

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
  auto options = patient(server.address());
  options.timeout_ms = 20;
  options.silence_ms_max = 100;
  listening news(options);
  ASSERT_TRUE(news.subscribed.wait());
  server.pause();
  for (const auto until = std::chrono::steady_clock::now() + patience; news->listening();)
    ASSERT_LT(std::chrono::steady_clock::now(), until);
  EXPECT_NE(news->last_error().find("no word"), std::string::npos) << news->last_error();
  server.proceed();
  ASSERT_TRUE(news.subscribed.wait(2));
}

TEST(redis_listener, stays_on_a_quiet_channel) {
  const redis_server server;
  auto options = patient(server.address());
  options.timeout_ms = 200;
  options.silence_ms_max = 400;
  listening news(options);
  asking_client client(patient(server.address()));
  ASSERT_TRUE(news.subscribed.wait() && client.ready.wait());
  happening later;
  client->after(std::chrono::milliseconds(1000), [&] { later.happen(); });
  ASSERT_TRUE(later.wait());
  EXPECT_EQ(news.subscribed.times(), 1);
  client.ask({"PUBLISH", "news", "still here"}).get();
  ASSERT_TRUE(news.message.wait());
}

TEST(redis_listener, says_why_it_may_not) {
  const redis_server server({"--user", "default", "on", "nopass", "~*", "+@all", "resetchannels"});
  listening news(patient(server.address()));
  for (const auto until = std::chrono::steady_clock::now() + patience;
       news->last_error().find("NOPERM") == std::string::npos;)
    ASSERT_LT(std::chrono::steady_clock::now(), until) << news->last_error();
  EXPECT_FALSE(news->listening());
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
