// Against a peer that misbehaves, and none at all.

#include <gtest/gtest.h>

#include <thread>

#include "cache/catalog/redis/redis_client.hpp"
#include "tests/cache/catalog/loopback.hpp"
#include "tests/cache/catalog/redis/asking.hpp"
#include "tests/cache/catalog/redis/fake_redis.hpp"
#include "tests/cache/catalog/redis/redis_server.hpp"

namespace troupe::cache {
namespace {

using namespace std::chrono_literals;

// What an ask comes to when the peer, asked, says `what` and no more.
result<redis_reply> asked_of_one_that_says(std::string what, std::string* why_down = nullptr) {
  fake_redis fake([what = std::move(what)](fake_redis::peer& peer, int) {
    if (!peer.greet() || !peer.expect("GET")) return;
    peer.say(what);
    peer.until_closed();
  });
  auto options = patient(fake.address());
  options.reply_bytes_max = 1 << 20;
  asking_client client(options);
  EXPECT_TRUE(client.ready.wait());
  auto out = client.ask({"GET", "a"}).get();
  EXPECT_TRUE(client.down.wait());
  EXPECT_TRUE(client.ready.wait(2));  // it is tried again
  if (why_down != nullptr) *why_down = out ? "" : out.error().message;
  return out;
}

TEST(redis_faults, garbage_ends_the_connection) {
  for (const char* garbage : {"HTTP/1.1 400 Bad Request\r\n\r\n", "?\r\n", "$-7\r\n", "*1\r\n*1\r\n*x\r\n"})
    EXPECT_EQ(code_of(asked_of_one_that_says(garbage)), error_code::unavailable) << garbage;
}

TEST(redis_faults, a_reply_that_nobody_asked_for_ends_the_connection) {
  EXPECT_EQ(text_of(asked_of_one_that_says("+one\r\n+two\r\n")), "+one");
}

TEST(redis_faults, a_reply_that_is_too_large_ends_the_connection) {
  for (const auto& large : {"$1100000\r\n" + std::string(1'100'000, 'x') + "\r\n", std::string("$99999999999\r\n"),
                            std::string("*2000000000\r\n$1\r\n")})
    EXPECT_EQ(code_of(asked_of_one_that_says(large)), error_code::payload_too_large);
}

TEST(redis_faults, deep_nesting_ends_the_connection) {
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "*1\r\n";
  EXPECT_EQ(code_of(asked_of_one_that_says(deep)), error_code::unavailable);
}

TEST(redis_faults, only_who_asked_for_what_is_too_large_is_told_so) {
  fake_redis fake([](fake_redis::peer& peer, int) {
    if (!peer.greet() || !peer.expect("third")) return;
    peer.say("$1\r\na\r\n$99999999\r\n");
    peer.until_closed();
  });
  asking_client client(patient(fake.address()));
  ASSERT_TRUE(client.ready.wait());
  auto first = client.ask({"GET", "first"}), second = client.ask({"GET", "second"}),
       third = client.ask({"GET", "third"});
  EXPECT_EQ(text_of(first.get()), "$a");
  EXPECT_EQ(code_of(second.get()), error_code::payload_too_large);
  EXPECT_EQ(code_of(third.get()), error_code::unavailable);
}

TEST(redis_faults, who_accepts_and_says_nothing_is_not_ready) {
  fake_redis fake([](fake_redis::peer& peer, int) { peer.until_closed(); });
  auto options = patient(fake.address());
  options.connect_timeout_ms = 50;
  asking_client client(options);
  ASSERT_TRUE(client.down.wait());
  EXPECT_NE(client->last_error().find("not connected within 50 ms"), std::string::npos) << client->last_error();
  EXPECT_EQ(client.ready.times(), 0);
}

TEST(redis_faults, who_loads_its_data_yet_is_not_ready) {
  fake_redis fake([](fake_redis::peer& peer, int n) {
    if (!peer.expect("PING\r\n")) return;
    peer.say(n < 3 ? "-LOADING Redis is loading the dataset in memory\r\n" : "+PONG\r\n");
    peer.until_closed();
  });
  asking_client client(patient(fake.address()));
  ASSERT_TRUE(client.ready.wait());
  EXPECT_EQ(fake.connections(), 4);
  EXPECT_EQ(client.down.times(), 1);  // told once
}

TEST(redis_faults, who_falls_silent_is_left) {
  fake_redis fake([](fake_redis::peer& peer, int) {
    if (peer.greet()) peer.until_closed();
  });
  auto options = patient(fake.address());
  options.timeout_ms = 40;
  options.silence_ms_max = 200;
  asking_client client(options);
  ASSERT_TRUE(client.ready.wait());
  EXPECT_EQ(code_of(client.ask({"GET", "a"}).get()), error_code::deadline_exceeded);
  ASSERT_TRUE(client.down.wait());
  ASSERT_TRUE(client.ready.wait(2));
}

TEST(redis_faults, who_dribbles_is_heard_to_the_end) {
  fake_redis fake([](fake_redis::peer& peer, int) {
    if (!peer.greet() || !peer.expect("GET")) return;
    for (const char c : std::string_view("*2\r\n$3\r\nabc\r\n:5\r\n")) {
      peer.say({&c, 1});
      std::this_thread::sleep_for(1ms);
    }
    peer.until_closed();
  });
  asking_client client(patient(fake.address()));
  ASSERT_TRUE(client.ready.wait());
  EXPECT_EQ(text_of(client.ask({"GET", "a"}).get()), "*2");
}

TEST(redis_faults, a_late_reply_is_dropped_in_its_turn) {
  happening is_late;
  fake_redis fake([&](fake_redis::peer& peer, int) {
    if (!peer.greet() || !peer.expect("slow") || !is_late.wait()) return;
    if (!peer.expect("quick")) return;
    peer.say("$4\r\nslow\r\n$5\r\nquick\r\n");
    peer.until_closed();
  });
  auto options = patient(fake.address());
  options.timeout_ms = 1000;
  options.silence_ms_max = 60'000;
  asking_client client(options);
  ASSERT_TRUE(client.ready.wait());
  EXPECT_EQ(code_of(client.ask({"GET", "slow"}).get()), error_code::deadline_exceeded);
  is_late.happen();
  EXPECT_EQ(text_of(client.ask({"GET", "quick"}).get()), "$quick");
  EXPECT_EQ(fake.connections(), 1);
}

TEST(redis_faults, nobody_there) {
  redis_address nowhere;
  nowhere.port = free_port();
  asking_client client(patient(nowhere));
  EXPECT_EQ(code_of(client.ask({"PING"}).get()), error_code::unavailable);
  ASSERT_TRUE(client.down.wait());
  EXPECT_NE(client->last_error().find("refused"), std::string::npos) << client->last_error();
  redis_address no_socket;
  no_socket.unix_path = "/nowhere/redis.sock";
  asking_client other(patient(no_socket));
  ASSERT_TRUE(other.down.wait());
  EXPECT_NE(other->last_error().find("No such file"), std::string::npos) << other->last_error();
}

TEST(redis_faults, a_name_without_an_address) {
  auto options = patient({});
  options.address.host = "redis.test";
  options.resolve = [](const std::string& host) -> result<std::vector<std::string>> {
    return fail(error_code::unavailable, "cannot resolve " + host);
  };
  asking_client client(options);
  ASSERT_TRUE(client.down.wait());
  EXPECT_NE(client->last_error().find("cannot resolve redis.test"), std::string::npos) << client->last_error();
}

TEST(redis_faults, the_next_address_of_a_name_is_tried) {
  const redis_server server;
  auto options = patient(server.address());
  options.address.host = "redis.test";
  options.resolve = [](const std::string&) -> result<std::vector<std::string>> {
    return std::vector<std::string>{"127.0.0.2", "127.0.0.1"};  // it listens to the second only
  };
  asking_client client(options);
  ASSERT_TRUE(client.ready.wait());
}

TEST(redis_faults, a_resolver_that_hangs_holds_up_nobody) {
  auto release = std::make_shared<std::promise<void>>();
  auto hung = std::make_shared<std::shared_future<void>>(release->get_future().share());
  auto calls = std::make_shared<std::atomic<int>>(0);
  auto gone = std::make_shared<happening>();
  auto options = patient({});
  options.address.host = "redis.test";
  options.connect_timeout_ms = 20;
  options.resolve = [hung, calls, gone](const std::string&) -> result<std::vector<std::string>> {
    ++*calls;
    hung->wait();
    gone->happen();
    return fail(error_code::unavailable, "too late");
  };
  asking_client client(options);
  ASSERT_TRUE(client.down.wait());
  happening later;
  client->after(200ms, [&] { later.happen(); });  // some attempts later ..
  EXPECT_TRUE(later.wait());
  EXPECT_EQ(*calls, 1);  // .. still one thread
  client.end();          // does not wait for it
  release->set_value();
  EXPECT_TRUE(gone->wait());
}

}  // namespace
}  // namespace troupe::cache
