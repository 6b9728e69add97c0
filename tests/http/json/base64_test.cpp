#include "http/json/base64.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string_view>
#include <vector>

namespace troupe::http {
namespace {

std::string encoded(std::string_view text) { return base64(std::as_bytes(std::span(text))); }

TEST(base64, the_rfcs_own_vectors) {
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foob"), "Zm9vYg==");
  EXPECT_EQ(encoded("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encoded("\xff\xff\xfe"), "///+");
}

TEST(base64, numbers_are_little_endian) {
  // numpy: base64.b64encode(np.array([..], dtype="<f4"))
  EXPECT_EQ(base64(std::vector<float>{}), "");
  EXPECT_EQ(base64(std::vector<float>{1.0F}), "AACAPw==");
  EXPECT_EQ(base64(std::vector<float>{0.5F, -2.0F, 0.0F}), "AAAAPwAAAMAAAAAA");
  EXPECT_EQ(base64(std::vector<float>{std::numeric_limits<float>::infinity()}), "AACAfw==");
}

}  // namespace
}  // namespace troupe::http
