#include "cache/artifacts/transfer/address.hpp"

#include <gtest/gtest.h>

#include <string>

namespace troupe::cache {
namespace {

using enum address_kind;

TEST(Address, EachBlockFromItsFirstToItsLast) {
  const std::pair<const char*, address_kind> rows[] = {
      {"0.0.0.0", unspecified},
      {"0.255.255.255", unspecified},
      {"1.0.0.0", outside},
      {"9.255.255.255", outside},
      {"10.0.0.0", private_network},
      {"10.255.255.255", private_network},
      {"11.0.0.0", outside},
      {"100.63.255.255", outside},
      {"100.64.0.0", shared},
      {"100.127.255.255", shared},
      {"100.128.0.0", outside},
      {"126.255.255.255", outside},
      {"127.0.0.1", loopback},
      {"127.255.255.255", loopback},
      {"128.0.0.0", outside},
      {"169.253.255.255", outside},
      {"169.254.169.254", link_local},
      {"169.255.0.0", outside},
      {"172.15.255.255", outside},
      {"172.16.0.0", private_network},
      {"172.31.255.255", private_network},
      {"172.32.0.0", outside},
      {"192.0.0.8", reserved},
      {"192.0.1.0", outside},
      {"192.0.2.1", documentation},
      {"192.88.99.1", reserved},
      {"192.168.0.0", private_network},
      {"192.168.255.255", private_network},
      {"192.169.0.0", outside},
      {"198.18.0.1", reserved},
      {"198.19.255.255", reserved},
      {"198.20.0.0", outside},
      {"198.51.100.7", documentation},
      {"203.0.113.7", documentation},
      {"223.255.255.255", outside},
      {"224.0.0.1", multicast},
      {"239.255.255.255", multicast},
      {"240.0.0.0", reserved},
      {"255.255.255.255", reserved},
      {"93.184.216.34", outside},
      {"::", unspecified},
      {"::1", loopback},
      {"::2", unspecified},  // 0.0.0.2, written so
      {"fe80::1", link_local},
      {"febf::1", link_local},
      {"fec0::1", private_network},
      {"fc00::1", private_network},
      {"fdff::1", private_network},
      {"fe00::1", reserved},
      {"ff02::1", multicast},
      {"2001:db8::1", documentation},
      {"3fff:0fff::1", documentation},
      {"3fff:1000::1", outside},
      {"100::1", reserved},
      {"2001::1", reserved},
      {"2001:1ff::1", reserved},
      {"2001:200::1", outside},
      {"2606:2800:220:1::1", outside},
      {"4000::1", reserved},
      {"5f00::1", reserved},
      {"1::1", reserved},
  };
  for (const auto& [text, kind] : rows) EXPECT_EQ(judge_address(text), kind) << text;
}

TEST(Address, WhatIsInsideOfAnIpv6AddressIsJudged) {
  for (const std::string with : {"::ffff:", "::", "::ffff:0:", "64:ff9b::"}) {
    EXPECT_EQ(judge_address(with + "127.0.0.1"), loopback) << with;
    EXPECT_EQ(judge_address(with + "10.1.2.3"), private_network) << with;
    EXPECT_EQ(judge_address(with + "169.254.169.254"), link_local) << with;
    EXPECT_EQ(judge_address(with + "93.184.216.34"), outside) << with;
  }
  EXPECT_EQ(judge_address("::ffff:7f00:1"), loopback);
  EXPECT_EQ(judge_address("2002:7f00:0001::1"), loopback);
  EXPECT_EQ(judge_address("2002:c0a8:0101::"), private_network);
  EXPECT_EQ(judge_address("2002:5db8:d822::"), outside);
  EXPECT_EQ(judge_address("64:ff9b:1::5db8:d822"), private_network);
  EXPECT_EQ(judge_address("::ffff:1:5db8:d822"), reserved);
}

TEST(Address, WhatIsNoAddressIsNone) {
  for (const std::string text : {"", "localhost", "1.2.3", "1.2.3.4.5", "0x7f.0.0.1", "2130706433", "256.1.1.1",
                                 "[::1]", "fe80::1%eth0", "1.2.3.4 ", "::1::", "example.com"}) {
    EXPECT_EQ(judge_address(text), no_address) << text;
  }
  EXPECT_EQ(judge_address(std::string(400, '1')), no_address);
  EXPECT_EQ(judge_address(std::string("1.1.1.1\0x", 9)), no_address);
  EXPECT_EQ(to_string(link_local), "a link-local address");
}

}  // namespace
}  // namespace troupe::cache
