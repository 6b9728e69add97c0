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

TEST(base64, reads_what_it_writes) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(from_base64(encoded(bytes)), bytes);
    bytes.push_back(static_cast<char>(i * 7));
  }
  EXPECT_EQ(from_base64("Zm9vYg"), "foob") << "padding may be missing";
  EXPECT_EQ(from_base64("Zm9vYmE"), "fooba");
}

TEST(base64, refuses_what_is_none) {
  for (const char* bad : {"Z", "Zg=", "Zm9v=", "=", "====", "Zm9vYg===", "Zm9v Yg==", "Zm9v\n", "Zm9-", "Zm=v",
                          "Zh==", "Zm9=", "\xff\xff\xff\xff"})
    EXPECT_FALSE(from_base64(bad)) << bad;
}

}  // namespace
}  // namespace troupe::http
