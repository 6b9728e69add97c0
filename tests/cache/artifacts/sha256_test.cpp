#include "cache/artifacts/sha256.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

std::string digest(std::string_view text) {
  sha256 d;
  d.add(text);
  return d.hex();
}

// FIPS 180-4's examples, and the empty text.
TEST(Sha256, KnownVectors) {
  EXPECT_EQ(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesOfAnySizeAndALookInBetween) {
  const std::string text(1'000, 'x');
  for (const std::size_t piece : {1, 3, 63, 64, 65, 999}) {
    sha256 d;
    for (std::size_t i = 0; i < text.size(); i += piece) {
      EXPECT_EQ(d.hex(), digest(text.substr(0, i)));
      d.add(std::string_view(text).substr(i, piece));
    }
    auto moved = std::move(d);
    EXPECT_EQ(moved.hex(), digest(text));
    EXPECT_EQ(moved.bytes().size(), 32u);
  }
}

TEST(Sha256, WhatIsADigest) {
  EXPECT_TRUE(is_sha256_hex(digest("abc")));
  EXPECT_FALSE(is_sha256_hex(digest("abc").substr(1)));
  EXPECT_FALSE(is_sha256_hex(digest("abc") + "0"));
  EXPECT_FALSE(is_sha256_hex("B" + digest("abc").substr(1)));
  EXPECT_FALSE(is_sha256_hex("../../../../../../../../../../../../../../../../../etc/passwd....."));
}

}  // namespace
}  // namespace troupe::cache
