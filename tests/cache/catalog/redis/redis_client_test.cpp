// Against a real redis-server.

#include "cache/catalog/redis/redis_client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/cache/catalog/redis/asking.hpp"
#include "tests/cache/catalog/redis/redis_server.hpp"

namespace troupe::cache {
namespace {

using namespace std::chrono_literals;

TEST(redis_client, asks_and_is_answered) {
  const redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  EXPECT_EQ(client->state(), redis_state::ready);
  EXPECT_EQ(client->last_error(), "");
  const std::string key("k\0\r\n\xff", 5), value("\0\r\n$5\r\n\xfe", 8);
  EXPECT_EQ(text_of(client.ask({"SET", key, value}).get()), "+OK");
  EXPECT_EQ(text_of(client.ask({"GET", key}).get()), '$' + value);
  EXPECT_EQ(text_of(client.ask({"GET", "none"}).get()), "nil");
  EXPECT_EQ(text_of(client.ask({"INCR", "n"}).get()), ":1");
  EXPECT_EQ(text_of(client.ask({"INCR", key}).get()), "-ERR value is not an integer or out of range");
  auto list = client.ask({"MGET", key, "none"}).get();
  ASSERT_EQ(text_of(list), "*2");
  EXPECT_EQ(*(*list->items())[0].text(), value);
  EXPECT_TRUE((*list->items())[1].is_nil());
  EXPECT_EQ(text_of(client.ask({"SET", "empty", ""}).get()), "+OK");
  EXPECT_EQ(text_of(client.ask({"GET", "empty"}).get()), "$");
}

TEST(redis_client, takes_large_values) {
  const redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  const std::string large(20'000'000, 'x');
  auto set = client.ask({"SET", "large", large});
  auto ping = client.ask({"PING"});
  EXPECT_EQ(text_of(set.get()), "+OK");
  EXPECT_EQ(text_of(ping.get()), "+PONG");
  EXPECT_EQ(*client.ask({"GET", "large"}).get()->text(), large);
}

TEST(redis_client, asks_several_as_one) {
  const redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  auto all = client.ask_all({{"SET", "a", "1"}, {"INCR", "a"}, {"HGET", "a", "b"}, {"GET", "a"}}).get();
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 4u);
  EXPECT_EQ(text_of((*all)[1]), ":2");
  EXPECT_TRUE((*all)[2].failed()->text.starts_with("WRONGTYPE"));
  EXPECT_EQ(text_of((*all)[3]), "$2");
  EXPECT_TRUE(client.ask_all({}).get()->empty());
}

TEST(redis_client, refuses_what_is_no_command) {
  const redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  auto none = client.ask({});
  EXPECT_TRUE(none.is_there());
  EXPECT_EQ(code_of(none.get()), error_code::bad_request);
  EXPECT_EQ(code_of(client.ask_all({{"PING"}, {}}).get()), error_code::bad_request);
  EXPECT_EQ(text_of(client.ask({"PING"}).get()), "+PONG");
}

TEST(redis_client, keeps_the_order_of_each_of_many_threads) {
  const redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  constexpr int threads = 4, each = 500;
  std::atomic<int> in_order = 0, answered = 0;
  happening all;
  std::vector<std::thread> callers;
  for (int t = 0; t < threads; ++t)
    callers.emplace_back([&, key = "n" + std::to_string(t)] {
      for (int i = 1; i <= each; ++i)
        client->ask({"INCR", key}, [&, i](const result<redis_reply>& r) {
          if (text_of(r) == ':' + std::to_string(i)) ++in_order;
          if (++answered == threads * each) all.happen();
        });
    });
  for (auto& c : callers) c.join();
  EXPECT_TRUE(all.wait());
  EXPECT_EQ(in_order, threads * each);
}

TEST(redis_client, may_be_asked_from_an_answer) {
  const redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  happening done;
  int left = 200;
  std::function<void(const result<redis_reply>&)> again = [&](const result<redis_reply>&) {
    if (--left == 0) return done.happen();
    client->ask({"PING"}, again);
  };
  client->ask({"PING"}, again);
  EXPECT_TRUE(done.wait());
  client.end();
}

TEST(redis_client, what_an_answer_throws_stays_there) {
  const redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  client->ask({"PING"}, [](const result<redis_reply>&) { throw std::runtime_error("of the test"); });
  EXPECT_EQ(text_of(client.ask({"PING"}).get()), "+PONG");
}

TEST(redis_client, uses_a_unix_socket_and_a_database) {
  const redis_server server({}, redis_server::place::unix_socket);
  auto address = server.address();
  asking_client first(patient(address));
  address = *parse_redis_url("unix://" + address.unix_path + "?db=3");
  asking_client third(patient(address));
  ASSERT_TRUE(first.ready.wait() && third.ready.wait());
  third.ask({"SET", "a", "1"}).get();
  EXPECT_EQ(text_of(first.ask({"GET", "a"}).get()), "nil");
  EXPECT_EQ(text_of(first.ask({"SELECT", "3"}).get()), "+OK");
  EXPECT_EQ(text_of(first.ask({"GET", "a"}).get()), "$1");
}

TEST(redis_client, says_why_a_database_is_refused) {
  const redis_server server;
  auto options = patient(server.address());
  options.address.database = 999;
  asking_client client(options);
  ASSERT_TRUE(client.down.wait());
  EXPECT_NE(client->last_error().find("SELECT: ERR DB index is out of range"), std::string::npos)
      << client->last_error();
}

TEST(redis_client, gives_user_and_password) {
  const redis_server server({"--user", "default", "off", "--user", "we:b@x", "on", ">p@ss/w%rd:", "~*", "+@all"});
  const auto at = "@127.0.0.1:" + server.port();
  asking_client good(patient(*parse_redis_url("redis://we%3Ab%40x:p%40ss%2Fw%25rd%3A" + at)));
  EXPECT_TRUE(good.ready.wait());
  EXPECT_EQ(text_of(good.ask({"ACL", "WHOAMI"}).get()), "$we:b@x");

  for (const auto& user : {"we%3Ab%40x:hunter2", ":hunter2"}) {
    asking_client bad(patient(*parse_redis_url("redis://" + (user + at))));
    ASSERT_TRUE(bad.down.wait());
    EXPECT_NE(bad->last_error().find("WRONGPASS"), std::string::npos) << bad->last_error();
    EXPECT_EQ(bad->last_error().find("hunter2"), std::string::npos);
    EXPECT_EQ(code_of(bad.ask({"PING"}).get()), error_code::unavailable);
  }
  asking_client nobody(patient(server.address()));
  ASSERT_TRUE(nobody.down.wait());
  EXPECT_NE(nobody->last_error().find("NOAUTH"), std::string::npos) << nobody->last_error();
}

TEST(redis_client, needs_no_right_to_ping) {
  const redis_server server({"--user", "default", "on", "nopass", "~*", "-@all", "+get"});
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  EXPECT_EQ(text_of(client.ask({"GET", "a"}).get()), "nil");
  EXPECT_TRUE(client.ask({"SET", "a", "1"}).get()->failed()->text.starts_with("NOPERM"));
}

TEST(redis_client, a_full_redis_is_no_fault_of_the_connection) {
  const redis_server server({"--maxmemory", "2mb", "--maxmemory-policy", "noeviction"});
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  std::string last;
  for (int i = 0; i < 100 && !last.starts_with("-OOM"); ++i)
    last = text_of(client.ask({"SET", std::to_string(i), std::string(100'000, 'x')}).get());
  EXPECT_TRUE(last.starts_with("-OOM")) << last;
  EXPECT_EQ(text_of(client.ask({"GET", "none"}).get()), "nil");
  EXPECT_EQ(client->state(), redis_state::ready);
}

TEST(redis_client, comes_back_when_redis_does) {
  redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  client.ask({"SET", "a", "1"}).get();
  for (int i = 1; i <= 2; ++i) {
    server.stop();
    ASSERT_TRUE(client.down.wait(i));
    EXPECT_EQ(client->state(), redis_state::down);
    EXPECT_NE(client->last_error(), "");
    auto refused = client.ask({"PING"});
    EXPECT_TRUE(refused.is_there());
    EXPECT_EQ(code_of(refused.get()), error_code::unavailable);
    server.start();
    ASSERT_TRUE(client.ready.wait(i + 1));
    EXPECT_EQ(text_of(client.ask({"GET", "a"}).get()), "nil");  // it lost all
  }
}

TEST(redis_client, answers_what_waits_when_redis_is_killed) {
  redis_server server;
  asking_client client(patient(server.address()));
  ASSERT_TRUE(client.ready.wait());
  server.pause();
  std::vector<pending<redis_reply>> asked;
  for (int i = 0; i < 100; ++i) asked.push_back(client.ask({"PING"}));
  auto several = client.ask_all({{"PING"}, {"PING"}});
  server.stop();
  for (auto& one : asked) EXPECT_EQ(code_of(one.get()), error_code::unavailable);
  EXPECT_EQ(code_of(several.get()), error_code::unavailable);
}

TEST(redis_client, never_gives_a_late_reply_to_another) {
  redis_server server;
  auto options = patient(server.address());
  options.timeout_ms = 200;
  options.silence_ms_max = 60'000;
  asking_client client(options);
  ASSERT_TRUE(client.ready.wait());
  server.pause();
  std::vector<pending<redis_reply>> late;
  for (int i = 0; i < 20; ++i) late.push_back(client.ask({"ECHO", "late"}));
  auto several = client.ask_all({{"ECHO", "late"}, {"ECHO", "late"}});
  for (auto& one : late) EXPECT_EQ(code_of(one.get()), error_code::deadline_exceeded);
  EXPECT_EQ(code_of(several.get()), error_code::deadline_exceeded);
  std::vector<pending<redis_reply>> next;
  for (int i = 0; i < 20; ++i) next.push_back(client.ask({"ECHO", std::to_string(i)}));
  server.proceed();
  // The machine may be slow once more: an answer in time is the right one, and one comes in the end.
  const auto is_right = [](const result<redis_reply>& r, const std::string& text) {
    return r ? text_of(r) == text : r.error().code == error_code::deadline_exceeded;
  };
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(is_right(next[i].get(), '$' + std::to_string(i)));
  for (bool is_answered = false; !is_answered;) {
    const auto r = client.ask({"ECHO", "now"}).get();
    ASSERT_TRUE(is_right(r, "$now")) << text_of(r);
    is_answered = r.has_value();
  }
  EXPECT_EQ(client.down.times(), 0);  // the same connection
}

TEST(redis_client, makes_a_silent_connection_anew) {
  redis_server server;
  asking_client client(wary(server.address(), 100));
  ASSERT_TRUE(client.ready.wait());
  server.pause();  // it is asked for a sign of life
  ASSERT_TRUE(client.down.wait());
  EXPECT_NE(client->last_error().find("no word for 100 ms"), std::string::npos) << client->last_error();
  server.proceed();
  ASSERT_TRUE(client.ready.wait(2));
}

TEST(redis_client, a_quiet_connection_is_kept) {
  const redis_server server;
  asking_client client(wary(server.address(), 500));
  ASSERT_TRUE(client.ready.wait());
  ASSERT_TRUE(let_pass(client, 1200ms));
  asking_client other(patient(server.address()));
  ASSERT_TRUE(other.ready.wait());
  EXPECT_NE(text_of(other.ask({"INFO", "commandstats"}).get()).find("cmdstat_ping:calls="), std::string::npos);
  EXPECT_EQ(client.down.times(), 0);
}

TEST(redis_client, what_waits_has_limits) {
  redis_server server;
  auto options = patient(server.address());
  options.waiting_max = 3;
  options.waiting_bytes_max = 1000;
  asking_client client(options);
  ASSERT_TRUE(client.ready.wait());
  server.pause();
  auto one = client.ask({"PING"});
  auto two = client.ask_all({{"PING"}, {"PING"}});
  EXPECT_EQ(code_of(client.ask({"PING"}).get()), error_code::too_many_requests);
  server.proceed();
  EXPECT_EQ(text_of(one.get()), "+PONG");
  EXPECT_TRUE(two.get());
  EXPECT_EQ(text_of(client.ask({"PING"}).get()), "+PONG");
  EXPECT_EQ(code_of(client.ask({"ECHO", std::string(1000, 'x')}).get()), error_code::too_many_requests);
  EXPECT_EQ(code_of(client.ask_all({{"PING"}, {"PING"}, {"PING"}, {"PING"}}).get()), error_code::too_many_requests);
  EXPECT_EQ(text_of(client.ask({"ECHO", std::string(900, 'x')}).get()).size(), 901u);
}

// Others ask all the time; what on_state(ready) asks is nevertheless each connection's first.
TEST(redis_client, what_ready_asks_goes_first) {
  redis_server server;
  std::promise<redis_client*> made;
  const auto self = made.get_future().share();
  std::atomic<int> asked = 0;
  std::atomic<bool> stop = false;
  std::mutex mutex;
  std::vector<std::string> firsts;
  happening replayed;
  const auto client = redis_client::make(patient(server.address()), [&](redis_state s) {
    if (s != redis_state::ready) return;
    auto& c = *self.get();
    for (const int before = asked; asked < before + 3;) std::this_thread::yield();  // the others are at it
    c.ask({"INCR", "order"}, [&](const result<redis_reply>& r) {
      const std::lock_guard held(mutex);
      firsts.push_back(text_of(r));
      replayed.happen();
    });
  });
  made.set_value(client.get());
  std::thread others([&] {
    while (!stop) {
      client->ask({"INCR", "order"}, [](const result<redis_reply>&) {});
      ++asked;
    }
  });
  for (int i = 1; i <= 3; ++i) {
    EXPECT_TRUE(replayed.wait(i));
    if (i < 3) server.restart();
  }
  stop = true;
  others.join();
  const std::lock_guard held(mutex);
  EXPECT_EQ(firsts, std::vector<std::string>(3, ":1"));
}

TEST(redis_client, ends_with_commands_in_flight) {
  redis_server server;
  for (int i = 0; i < 20; ++i) {
    asking_client client(patient(server.address()));
    ASSERT_TRUE(client.ready.wait());
    if (i == 19) server.pause();
    std::vector<pending<redis_reply>> asked;
    for (int k = 0; k < 50; ++k) asked.push_back(client.ask({"PING"}));
    client->after(1h, [] { FAIL(); });
    client.end();
    for (auto& one : asked) {
      ASSERT_TRUE(one.is_there());
      const auto r = one.get();
      EXPECT_TRUE(r || r.error().code == error_code::unavailable);
      EXPECT_FALSE(r && i == 19);
    }
  }
}

TEST(redis_client, does_later_what_it_is_told) {
  asking_client client(patient({}));
  happening first, second;
  client->after(20ms, [&] { second.happen(); });
  client->after(0ms, [&] {
    EXPECT_EQ(second.times(), 0);
    first.happen();
  });
  EXPECT_TRUE(first.wait() && second.wait());
}

}  // namespace
}  // namespace troupe::cache
