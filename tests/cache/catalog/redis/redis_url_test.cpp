#include <gtest/gtest.h>

#include "cache/catalog/redis/redis_client.hpp"

namespace troupe::cache {
namespace {

TEST(redis_url, says_where) {
  const auto plain = *parse_redis_url("redis://");
  EXPECT_EQ(plain.host, "127.0.0.1");
  EXPECT_EQ(plain.port, "6379");
  EXPECT_EQ(plain.database, 0u);
  EXPECT_FALSE(plain.tls);

  const auto all = *parse_redis_url("rediss://reader:pass@cache.example:7000/3");
  EXPECT_EQ(all.user, "reader");
  EXPECT_EQ(all.password, "pass");
  EXPECT_EQ(all.host, "cache.example");
  EXPECT_EQ(all.port, "7000");
  EXPECT_EQ(all.database, 3u);
  EXPECT_TRUE(all.tls);

  EXPECT_EQ(parse_redis_url("redis://[::1]:7000")->host, "::1");
  EXPECT_EQ(parse_redis_url("redis://h?db=4")->database, 4u);
  EXPECT_EQ(parse_redis_url("redis://h/")->database, 0u);
  EXPECT_EQ(parse_redis_url("redis://:only@h")->password, "only");
  EXPECT_EQ(parse_redis_url("redis://:only@h")->user, "");
}

TEST(redis_url, decodes_what_is_percent_encoded) {
  const auto a = *parse_redis_url("redis://u%3Aser:p%40ss%2F%3A%25%00@h");
  EXPECT_EQ(a.user, "u:ser");
  EXPECT_EQ(a.password, std::string("p@ss/:%\0", 8));
  EXPECT_EQ(parse_redis_url("redis://u:p@ss:word@h")->password, "p@ss:word");
}

TEST(redis_url, takes_a_socket) {
  const auto a = *parse_redis_url("unix:///run/redis/s%20ocket?db=2");
  EXPECT_EQ(a.unix_path, "/run/redis/s ocket");
  EXPECT_EQ(a.database, 2u);
  EXPECT_EQ(parse_redis_url("unix://me:secret@/run/s")->password, "secret");
}

TEST(redis_url, refuses_what_is_none_and_never_says_the_password) {
  for (const char* url : {"",
                          "redis",
                          "http://h",
                          "redis://h:0",
                          "redis://h:65536",
                          "redis://h:x",
                          "redis://h:",
                          "redis://h/x",
                          "redis://h/-1",
                          "redis://h/99999999999",
                          "redis://h?x=1",
                          "redis://h#1",
                          "redis://[::1",
                          "redis://[::1]x",
                          "redis://[h]",
                          "unix://run/s",
                          "unix:///",
                          "redis://u:hunter2%4@h",
                          "redis://u:hunter2%zz@h",
                          "redis://u:hunter2@h:x",
                          "redis://u:hunter2@h%00"}) {
    const auto r = parse_redis_url(url);
    ASSERT_FALSE(r) << url;
    EXPECT_EQ(r.error().code, error_code::bad_request);
    EXPECT_EQ((r.error().message + r.error().detail).find("hunter2"), std::string::npos) << url;
  }
  EXPECT_FALSE(parse_redis_url("unix:///" + std::string(200, 'x')));
}

TEST(redis_url, is_written_without_the_password) {
  EXPECT_EQ(text_of(*parse_redis_url("rediss://me:secret@h:1/2")), "rediss://me@h:1/2");
  EXPECT_EQ(text_of(*parse_redis_url("redis://:secret@[::1]")), "redis://[::1]:6379");
  EXPECT_EQ(text_of(*parse_redis_url("unix:///run/s?db=1")), "unix:///run/s?db=1");
}

}  // namespace
}  // namespace troupe::cache
