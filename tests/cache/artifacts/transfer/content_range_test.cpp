#include "cache/artifacts/transfer/content_range.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

TEST(ContentRange, WhatAnswersHave) {
  EXPECT_EQ(parse_content_range("bytes 0-0/1"), (content_range{0, 1, 1}));
  EXPECT_EQ(parse_content_range("bytes 100-199/1000"), (content_range{100, 200, 1000}));
  EXPECT_EQ(parse_content_range("Bytes 5-9/*"), (content_range{5, 10, std::nullopt}));
  EXPECT_EQ(parse_content_range("bytes 0-18446744073709551613/18446744073709551615"),
            (content_range{0, 18446744073709551614U, 18446744073709551615U}));
}

TEST(ContentRange, WhatContradictsItselfIsNone) {
  for (const char* text : {"",
                           "bytes",
                           "bytes ",
                           "bytes */10",
                           "bytes 0-9",
                           "bytes 9-0/10",
                           "bytes 0-10/10",
                           "bytes 0-9/9",
                           "bytes -5/10",
                           "bytes 5-/10",
                           "bytes 0-9/",
                           "bytes 0-9/x",
                           "bytes 0-9/10 ",
                           "bytes +0-9/10",
                           "bytes 0x0-9/10",
                           "bytes 0--9/10",
                           "bytes=0-9/10",
                           "items 0-9/10",
                           "bytes 0-18446744073709551615/*",
                           "bytes 0-99999999999999999999/*",
                           "bytes 0/1-2"}) {
    EXPECT_FALSE(parse_content_range(text)) << text;
  }
}

TEST(ByteCount, DigitsOnly) {
  EXPECT_EQ(parse_byte_count("0"), 0U);
  EXPECT_EQ(parse_byte_count("18446744073709551615"), UINT64_MAX);
  for (const char* text : {"", " 1", "1 ", "-1", "+1", "1e3", "18446744073709551616"})
    EXPECT_FALSE(parse_byte_count(text)) << text;
}

}  // namespace
}  // namespace troupe::cache
