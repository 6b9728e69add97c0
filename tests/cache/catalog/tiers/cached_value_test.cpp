#include "cache/catalog/tiers/cached_value.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

TEST(cached_value, the_tag_is_the_bodys) {
  EXPECT_EQ(cached_value("[1]").etag, cached_value("[1]").etag);
  EXPECT_NE(cached_value("[1]").etag, cached_value("[2]").etag);
  EXPECT_EQ(cached_value("[1]").etag.size(), 34u);
}

TEST(cached_value, a_page_comes_back_as_it_went) {
  const cached_value page(R"({"data":[1,2,3]})");
  const auto back = read_headed(with_head(page));
  ASSERT_NE(back, nullptr);
  EXPECT_EQ(back->body, page.body);
  EXPECT_EQ(back->etag, page.etag);
}

TEST(cached_value, what_is_no_page_is_none) {
  const auto stored = with_head(cached_value(R"({"data":[1,2,3]})"));
  for (std::size_t n = 0; n < stored.size(); ++n) EXPECT_EQ(read_headed(stored.substr(0, n)), nullptr) << n;
  for (std::size_t at = 0; at < stored.size(); ++at) {
    auto altered = stored;
    altered[at] = static_cast<char>(altered[at] ^ 1);
    EXPECT_EQ(read_headed(altered), nullptr) << at;
  }
  EXPECT_EQ(read_headed("[]"), nullptr);
  EXPECT_EQ(read_headed(""), nullptr);
}

TEST(cached_value, a_head_says_whether_it_is_the_one_that_is_known) {
  const cached_value page(std::string(1000, 'x'));
  const auto stored = with_head(page);
  ASSERT_LT(stored.find('\n'), head_bytes_max);
  EXPECT_TRUE(is_head_of(stored.substr(0, head_bytes_max), page));
  EXPECT_FALSE(is_head_of(stored.substr(0, head_bytes_max), cached_value("other")));
  EXPECT_FALSE(is_head_of(stored.substr(0, 40), page));
}

TEST(cached_value, plain_is_json_or_nothing) {
  EXPECT_NE(read_plain(R"({"a":1})"), nullptr);
  EXPECT_NE(read_plain("[]"), nullptr);
  for (const auto* bad : {"", "1", "\"x\"", "{", "[1,]", "<html>", "\xff\xfe{}"})
    EXPECT_EQ(read_plain(bad), nullptr) << bad;
}

TEST(cached_value, forms_are_made_once_and_bounded) {
  const cached_value v(std::string(100, 'x'));
  int made = 0;
  const auto small = [&](const std::string&) { return ++made, std::optional<std::string>(std::string(40, 'y')); };
  EXPECT_EQ(*v.encoded(1, small), std::string(40, 'y'));
  EXPECT_EQ(*v.encoded(1, small), std::string(40, 'y'));
  EXPECT_EQ(made, 1);
  const auto large = [&](const std::string&) { return ++made, std::optional<std::string>(std::string(70, 'z')); };
  EXPECT_EQ(v.encoded(2, large)->size(), 70u);
  EXPECT_EQ(v.encoded(2, large)->size(), 70u);
  EXPECT_EQ(made, 3) << "with the first it would be larger than the body: it is not kept";
  EXPECT_EQ(v.encoded(0, [](const std::string&) { return std::optional<std::string>(); }), nullptr);
}

}  // namespace
}  // namespace troupe::cache
