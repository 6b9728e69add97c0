#include "cache/artifacts/transfer/web_url.hpp"

#include <gtest/gtest.h>

#include "cache/artifacts/transfer/redirect.hpp"

namespace troupe::cache {
namespace {

web_url url(const std::string& text) {
  auto u = parse_web_url(text);
  EXPECT_TRUE(u) << text << ": " << (u ? "" : u.error().message);
  return u.value_or(web_url{});
}

TEST(WebUrl, IsTakenApart) {
  const auto plain = url("http://Example.COM/a/b?c=d#e");
  EXPECT_EQ(plain.text, "http://example.com/a/b?c=d");
  EXPECT_EQ(plain.scheme, "http");
  EXPECT_EQ(plain.host, "example.com");
  EXPECT_EQ(plain.port, 80);
  EXPECT_EQ(url("HTTPS://a.b./x").host, "a.b");
  EXPECT_EQ(url("HTTPS://a.b/x").port, 443);
  EXPECT_EQ(url("http://a.b:8080").text, "http://a.b:8080/");
  EXPECT_EQ(url("http://[::1]:8/").host, "::1");
  EXPECT_EQ(url("http://a/b c").text, "http://a/b%20c");
}

TEST(WebUrl, OddWaysToWriteAnAddressAreSeenThrough) {
  for (const char* text : {"http://2130706433/", "http://0x7f.1/", "http://017700000001/", "http://127.1/",
                           "http://%31%32%37.0.0.1/", "http://127.0.0.1./"}) {
    EXPECT_EQ(url(text).host, "127.0.0.1") << text;
  }
}

TEST(WebUrl, WhatIsRefusedSaysWhyAndKeepsSecrets) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "no URL"},
      {"example.com/x", "no URL"},
      {"ftp://a/b?secret", "only http and https"},
      {"file:///etc/passwd", "only http and https"},
      {"gopher2://a/b", "only http and https"},
      {"http://user:secret@a/b", "user name or password"},
      {"http://secret@a/b", "user name or password"},
      {"http://", "no URL"},
      {"http://a:99999/", "no URL"},
      {"http://a:0/", "its port"},
      {"http://a\r\nX: y/", "control character"},
      {"http://b\xc3\xbc\x63her.de/", "punycode"},
      {"http://[fe80::1%25eth0]/", "network interface"},
      {"http://a b/", "no URL"},
      {"http://a/\x01?secret", "control character"},
  };
  for (const auto& [text, why] : rows) {
    const auto u = parse_web_url(text);
    ASSERT_FALSE(u) << text;
    EXPECT_EQ(u.error().code, error_code::bad_request);
    EXPECT_NE(u.error().message.find(why), std::string::npos) << text << ": " << u.error().message;
    EXPECT_EQ(u.error().message.find("secret"), std::string::npos) << u.error().message;
    EXPECT_EQ(u.error().message.find('\n'), std::string::npos);
  }
  EXPECT_FALSE(parse_web_url("http://a/" + std::string(20000, 'x')));
  EXPECT_FALSE(parse_web_url(std::string("http://a/\0b", 11)));
}

TEST(ShownUrl, HasNoSecrets) {
  EXPECT_EQ(shown_url("https://a.b/c?X-Amz-Signature=1#f"), "https://a.b/c");
  EXPECT_EQ(shown_url("https://u:p@a.b/c"), "https://a.b/c");
  EXPECT_EQ(shown_url("https://u:p@q@a.b/c@d"), "https://a.b/c@d");
  EXPECT_EQ(shown_url("u:p@a.b/c"), "a.b/c");
  EXPECT_EQ(shown_url("https://a/\n\x7f"), "https://a/??");
  EXPECT_LT(shown_url("https://a/" + std::string(5000, 'x')).size(), 400U);
}

TEST(Redirect, LeadsToRelativeAndAbsolutePlaces) {
  const auto from = url("https://a.b:8443/c/d?e=f");
  const auto to = [&](const char* location) { return next_hop(from, location, 1).value_or(web_url{}).text; };
  EXPECT_EQ(to("g"), "https://a.b:8443/c/g");
  EXPECT_EQ(to("/g?h"), "https://a.b:8443/g?h");
  EXPECT_EQ(to("../x"), "https://a.b:8443/x");
  EXPECT_EQ(to("?q"), "https://a.b:8443/c/d?q");
  EXPECT_EQ(to("//c.d/e"), "https://c.d/e");
  EXPECT_EQ(to("https://z/y#frag"), "https://z/y");
  EXPECT_EQ(to("/a b"), "https://a.b:8443/a%20b");
  EXPECT_EQ(next_hop(url("http://a/b"), "https://a/b", redirects_max)->text, "https://a/b");
}

TEST(Redirect, RefusesWhatIsNotFollowed) {
  const auto from = url("https://a.b/c?token=secret");
  const auto why = [&](const char* location, unsigned hop = 1) {
    const auto to = next_hop(from, location, hop);
    EXPECT_FALSE(to) << location;
    if (to) return std::string();
    EXPECT_EQ(to.error().code, error_code::unavailable);
    EXPECT_EQ(to.error().message.find("secret"), std::string::npos) << to.error().message;
    return to.error().message;
  };
  EXPECT_EQ(why("http://a.b/c?sig=secret"), "https://a.b/c redirects from https to http: http://a.b/c");
  EXPECT_NE(why("file:///etc/passwd").find("only http and https"), std::string::npos);
  EXPECT_NE(why("ftp://a/b?secret").find("only http and https"), std::string::npos);
}

TEST(Redirect, HasItsLimits) {
  const auto from = url("https://a.b/c");
  EXPECT_TRUE(next_hop(from, "/d", 10));
  EXPECT_EQ(next_hop(from, "/d", 11).error().message, "https://a.b/c redirects more than 10 times");
  EXPECT_EQ(next_hop(from, "", 1).error().message, "https://a.b/c redirects to nowhere");
  EXPECT_TRUE(is_redirect(302));
  for (const unsigned status : {200U, 300U, 304U, 305U, 404U}) EXPECT_FALSE(is_redirect(status)) << status;
}

TEST(Redirect, AuthorizationStaysWithTheFirstOrigin) {
  const auto first = url("https://a.b/c");
  EXPECT_TRUE(same_origin(first, url("https://A.B:443/d")));
  for (const char* other : {"http://a.b/c", "https://a.b:444/c", "https://b/c", "https://a.b.c/"})
    EXPECT_FALSE(same_origin(first, url(other))) << other;
  EXPECT_TRUE(keeps_authorization(true, true));
  EXPECT_FALSE(keeps_authorization(true, false));
  EXPECT_FALSE(keeps_authorization(false, true)) << "not again after another was in between";
}

}  // namespace
}  // namespace troupe::cache
