// Against ITU-T G.711's own formulas.
#include "inference/audio/g711.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "inference/audio/sample_formats.hpp"

namespace troupe::inference::tests {
namespace {

// 14 and 13 bits, as the recommendation's tables have them, in 16.
int mu_law(unsigned byte) {
  const unsigned u = ~byte & 0xffU;
  const int magnitude = static_cast<int>((((u & 0x0fU) << 3U) + 0x84U) << ((u & 0x70U) >> 4U)) - 0x84;
  return (u & 0x80U) != 0 ? -magnitude : magnitude;
}
int a_law(unsigned byte) {
  const unsigned a = byte ^ 0x55U, segment = (a & 0x70U) >> 4U;
  unsigned magnitude = ((a & 0x0fU) << 4U) + 8U;
  if (segment > 0) magnitude = (magnitude + 0x100U) << (segment - 1U);
  return (a & 0x80U) != 0 ? static_cast<int>(magnitude) : -static_cast<int>(magnitude);
}

TEST(g711, every_byte_is_what_the_recommendation_says) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(g711_samples(g711_law::mu)[byte], static_cast<float>(mu_law(byte)) / 32768.0F) << byte;
    EXPECT_EQ(g711_samples(g711_law::a)[byte], static_cast<float>(a_law(byte)) / 32768.0F) << byte;
  }
}

TEST(g711, a_stream_of_it) {
  const std::array<std::byte, 4> bytes{std::byte{0x00}, std::byte{0x80}, std::byte{0xff}, std::byte{0x52}};
  std::vector<float> mu, a;
  sample_reader mu_reader(sample_format::mu_law), a_reader(sample_format::a_law);
  for (const auto& b : bytes) {
    ASSERT_TRUE(mu_reader.accept({&b, 1}, mu));
    ASSERT_TRUE(a_reader.accept({&b, 1}, a));
  }
  ASSERT_TRUE(mu_reader.finish(mu));
  ASSERT_TRUE(a_reader.finish(a));
  ASSERT_EQ(mu.size(), 4U);
  ASSERT_EQ(a.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto byte = std::to_integer<unsigned>(bytes[i]);
    EXPECT_EQ(mu[i], static_cast<float>(mu_law(byte)) / 32768.0F);
    EXPECT_EQ(a[i], static_cast<float>(a_law(byte)) / 32768.0F);
  }
}

}  // namespace
}  // namespace troupe::inference::tests
