#include "cache/artifacts/transfer/proxy.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

std::string through(const proxy_settings& s, const std::string& url) { return proxy_for(s, *parse_web_url(url)); }

TEST(Proxy, EachSchemeHasItsOwn) {
  const proxy_settings both{"http://p:1", "http://q:2", "http://r:3", ""};
  EXPECT_EQ(through(both, "http://a/"), "http://p:1");
  EXPECT_EQ(through(both, "https://a/"), "http://q:2");
  EXPECT_EQ(through({"", "", "http://r:3", ""}, "https://a/"), "http://r:3");
  EXPECT_EQ(through({}, "http://a/"), "");
}

TEST(Proxy, ExceptionsAreNamesDomainsAndNetworks) {
  const auto direct = [](const char* none, const char* url) { return through({"p", "p", "", none}, url).empty(); };
  EXPECT_TRUE(direct("*", "http://a.b/"));
  EXPECT_TRUE(direct("x, a.b", "http://a.b/"));
  EXPECT_TRUE(direct("x,.B", "http://a.b/"));
  EXPECT_TRUE(direct("b", "http://a.b:8080/"));
  EXPECT_FALSE(direct("b", "http://ab/"));
  EXPECT_FALSE(direct("a.b", "http://b/"));
  EXPECT_FALSE(direct(",, ", "http://b/"));
  EXPECT_TRUE(direct("127.0.0.1", "http://127.0.0.1/"));
  EXPECT_TRUE(direct("10.0.0.0/8", "http://10.9.8.7/"));
  EXPECT_TRUE(direct("10.8.0.0/13", "http://10.15.8.7/"));
  EXPECT_FALSE(direct("10.8.0.0/13", "http://10.16.8.7/"));
  EXPECT_FALSE(direct("10.0.0.0/33", "http://10.0.0.0/"));
  EXPECT_TRUE(direct("[fd00::]", "http://[fd00::]/"));
  EXPECT_TRUE(direct("fd00::/8", "http://[fd12::1]/"));
  EXPECT_FALSE(direct("10.0.0.0/8", "http://[fd12::1]/"));
}

}  // namespace
}  // namespace troupe::cache
