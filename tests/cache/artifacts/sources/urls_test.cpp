#include "cache/artifacts/sources/urls.hpp"

#include <gmock/gmock.h>

namespace troupe::cache {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Urls, AreTakenApart) {
  const auto u = parse_url("HTTPS://Example.COM/a%20b/c?x=1&y");
  ASSERT_TRUE(u) << u.error().message;
  EXPECT_EQ(u->scheme, "https");
  EXPECT_EQ(u->host, "example.com");
  EXPECT_EQ(u->port, "443");
  EXPECT_EQ(u->path, "/a%20b/c");
  EXPECT_EQ(u->query, "x=1&y");
  EXPECT_FALSE(u->credentials);
  EXPECT_EQ(u->authority(), "example.com");
  EXPECT_EQ(parse_url("http://[::1]:9000/x")->authority(), "[::1]:9000");
  EXPECT_EQ(parse_url("http://h")->path, "/");
  for (const auto* url : {"https://u:p@h/x", "https://u@h/x", "https://:p@h/x", "https://@h/x"})
    EXPECT_TRUE(parse_url(url)->credentials) << url;
  EXPECT_FALSE(parse_url("https://h/a@b")->credentials);
}

TEST(Urls, WhatIsNoneIsRefusedWithoutItsQuery) {
  for (const std::string url : {"", "x", "h/x", "ftp://h/x", "file:///etc/passwd", "//h/x", "http://",
                                "http://h:99999/", "http://h/a b", "http://h/\x01", "http://h\n/"}) {
    const auto u = parse_url(url);
    ASSERT_FALSE(u) << url;
    EXPECT_EQ(u.error().code, error_code::bad_request);
  }
  EXPECT_FALSE(parse_url(std::string("http://h/\0x", 11)));
  EXPECT_FALSE(parse_url("http://h/" + std::string(9000, 'a')));
  EXPECT_THAT(parse_url("ftp://h/x?key=secret").error().message, Not(HasSubstr("secret")));
}

TEST(Urls, OriginsAreSchemeHostAndPort) {
  EXPECT_TRUE(same_origin("https://h/a", "https://H:443/b?c"));
  EXPECT_FALSE(same_origin("https://h/a", "http://h/a"));
  EXPECT_FALSE(same_origin("https://h/a", "https://h:444/a"));
  EXPECT_FALSE(same_origin("https://h/a", "https://h.evil/a"));
  EXPECT_FALSE(same_origin("x", "x"));
}

TEST(Urls, EncodingAndBack) {
  EXPECT_EQ(encode_path("a b/c+d/é~.-_"), "a%20b/c%2Bd/%C3%A9~.-_");
  EXPECT_EQ(encode_component("a/b?c"), "a%2Fb%3Fc");
  EXPECT_EQ(decode("a%20b%2fc"), "a b/c");
  for (const auto* bad : {"%", "%4", "%zz", "a%4g"}) EXPECT_FALSE(decode(bad)) << bad;
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(decode(encode_component(all)), all);
}

TEST(Urls, ForeignTextIsShownPrintably) {
  EXPECT_EQ(shown("a\x01\x7f\nb"), "a???b");
  EXPECT_EQ(shown("é"), "é");
  EXPECT_EQ(shown("\xff\xfe"), "??");
  EXPECT_EQ(shown(std::string(119, 'a') + "é"), std::string(119, 'a') + "..") << "not in the middle of a character";
}

}  // namespace
}  // namespace troupe::cache
