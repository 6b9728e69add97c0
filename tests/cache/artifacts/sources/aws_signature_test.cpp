#include "cache/artifacts/sources/aws_signature.hpp"

#include <gmock/gmock.h>

#include "cache/artifacts/sha256.hpp"

namespace troupe::cache {
namespace {

using std::chrono::system_clock;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string empty_hash() { return sha256().hex(); }

// AWS's published test suite for Signature Version 4: GET with Host and X-Amz-Date, service "service".
std::string suite(std::string path, std::string query) {
  const auto when = system_clock::from_time_t(1440938160);  // 2015-08-30T12:36:00Z
  return aws_authorization({"GET",
                            std::move(path),
                            std::move(query),
                            {{"x-amz-date", "20150830T123600Z"}, {"host", "example.amazonaws.com"}},
                            empty_hash()},
                           {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""}, {"us-east-1", "service"},
                           when);
}

TEST(AwsSignature, ThePublishedTestSuite) {
  EXPECT_EQ(
      suite("/", ""),
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
      "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(suite("", ""), suite("/", ""));
  EXPECT_THAT(suite("/", "Param2=value2&Param1=value1"),
              EndsWith("b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"))
      << "get-vanilla-query-order-key-case";
  EXPECT_THAT(suite("/", "Param1=value1"), EndsWith("a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"))
      << "get-vanilla-empty-query-key";
  EXPECT_THAT(suite("/", "Param1=value2&Param1=Value1"),
              EndsWith("eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"))
      << "get-vanilla-query-order-key";
  EXPECT_THAT(suite("/", "Param1=value2&Param1=value1"),
              EndsWith("5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"))
      << "get-vanilla-query-order-value";
  EXPECT_THAT(suite("/%E1%88%B4", ""), EndsWith("8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"))
      << "get-utf8";
}

// Examples of the S3 documentation: "Authenticating Requests: Using the Authorization Header".
TEST(AwsSignature, TheExamplesOfS3) {
  const auto when = system_clock::from_time_t(1369353600);  // 2013-05-24T00:00:00Z
  const aws_credentials who{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
  const auto sign = [&](const char* path, const char* query, header_lines more) {
    more.insert(more.end(), {{"host", "examplebucket.s3.amazonaws.com"},
                             {"x-amz-content-sha256", empty_hash()},
                             {"x-amz-date", "20130524T000000Z"}});
    return aws_authorization({"GET", path, query, std::move(more), empty_hash()}, who, {"us-east-1", "s3"}, when);
  };
  EXPECT_THAT(sign("/test.txt", "", {{"range", "bytes=0-9"}}),
              EndsWith("f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
  EXPECT_THAT(sign("/", "lifecycle", {}), EndsWith("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
  EXPECT_THAT(sign("/", "max-keys=2&prefix=J", {}),
              EndsWith("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(AwsSignature, HeadersOfARequest) {
  const auto when = system_clock::from_time_t(1369353600);
  auto lines = s3_headers("GET", "http://127.0.0.1:9000/b/k?list-type=2", {"A", "S", ""}, "eu-west-1", when);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], (std::pair<std::string, std::string>("x-amz-content-sha256", "UNSIGNED-PAYLOAD")));
  EXPECT_EQ(lines[1], (std::pair<std::string, std::string>("x-amz-date", "20130524T000000Z")));
  EXPECT_THAT(
      lines[2].second,
      HasSubstr(
          "Credential=A/20130524/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date,"));
  lines = s3_headers("GET", "http://127.0.0.1:9000/b/k?list-type=2", {"A", "S", "T"}, "eu-west-1", when);
  EXPECT_EQ(lines[2].first, "x-amz-security-token");
  EXPECT_THAT(lines[3].second, HasSubstr(";x-amz-date;x-amz-security-token,"));
}

}  // namespace
}  // namespace troupe::cache
