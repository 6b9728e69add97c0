#include "cache/artifacts/sources/hub_names.hpp"

#include <gmock/gmock.h>

namespace troupe::cache {
namespace {

using ::testing::HasSubstr;

TEST(HubNames, IdsByTheHubsRule) {
  for (const auto* id : {"gpt2", "google-bert/bert-base-uncased", "a/b", "a_b/c.d-e_1", "_a/_b"})
    EXPECT_TRUE(check_hub_id(id)) << id;
  EXPECT_TRUE(check_hub_id(std::string(96, 'a')));
  for (const std::string id : {"", "/", "a/", "/a", "a/b/c", "-a", "a-", "a/.b", "a/b.", "a--b", "a..b", "a b", "a%2fb",
                               "é/b", "a\nb", "a/b.git", "../b", "a?b"}) {
    const auto ok = check_hub_id(id);
    ASSERT_FALSE(ok) << id;
    EXPECT_EQ(ok.error().code, error_code::bad_request);
  }
  EXPECT_FALSE(check_hub_id(std::string(97, 'a')));
  EXPECT_FALSE(check_hub_id(std::string_view("a\0b", 3)));
  EXPECT_THAT(check_hub_id("datasets/a/b").error().message, HasSubstr("data sets are not models"));
  EXPECT_THAT(check_hub_id("datasets/squad").error().message, HasSubstr("data sets are not models"));
  EXPECT_THAT(check_hub_id("spaces/a/b").error().message, HasSubstr("spaces are programs"));
  EXPECT_THAT(check_hub_id("https://huggingface.co/a/b").error().message, HasSubstr("it is a URL"));
}

TEST(HubNames, Revisions) {
  for (const auto* r : {"main", "v1.0", "refs/pr/1", "a-b_c", "0123456789abcdef0123456789abcdef01234567"})
    EXPECT_TRUE(check_hub_revision(r)) << r;
  for (const auto* r : {"", "..", "a..b", "/a", "a/", "a//b", ".a", "a/.b", "a b", "a?b", "a%2f", "a\nb", "a#b"})
    EXPECT_FALSE(check_hub_revision(r)) << r;
  EXPECT_FALSE(check_hub_revision(std::string(201, 'a')));
}

TEST(HubNames, Commits) {
  EXPECT_TRUE(is_commit(std::string(40, 'a')));
  for (const auto& other : {std::string(39, 'a'), std::string(41, 'a'), std::string(40, 'A'), std::string(40, 'g')})
    EXPECT_FALSE(is_commit(other));
}

}  // namespace
}  // namespace troupe::cache
