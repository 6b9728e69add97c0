#include <gmock/gmock.h>

#include "cache/artifacts/sources/s3_listing.hpp"
#include "tests/cache/artifacts/sources/fake_client.hpp"

namespace troupe::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string object(const std::string& key, const std::string& size = "5", const std::string& etag = "&quot;e&quot;") {
  return "<Contents><Key>" + key + "</Key><LastModified>2020</LastModified><ETag>" + etag + "</ETag><Size>" + size +
         "</Size><Owner><ID>x</ID></Owner></Contents>";
}
std::string page(const std::string& objects, const std::string& next = {}) {
  return R"(<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><IsTruncated>)" +
         std::string(next.empty() ? "false" : "true") + "</IsTruncated>" +
         (next.empty() ? "" : "<NextContinuationToken>" + next + "</NextContinuationToken>") + objects +
         "</ListBucketResult>";
}

TEST(S3Listing, Pages) {
  const auto read = parse_s3_page(page(object("a&amp;b/é.json", "12") + object("c"), "t&#43;/="), "'x'");
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->objects.size(), 2u);
  EXPECT_EQ(read->objects[0].key, "a&b/é.json");
  EXPECT_EQ(read->objects[0].size_bytes, 12u);
  EXPECT_EQ(read->objects[0].etag, "e");
  EXPECT_EQ(read->next, "t+/=");
  EXPECT_EQ(parse_s3_page(page(object("c")), "'x'")->next, "");
}

TEST(S3Listing, WhatIsWrongIsNamed) {
  const auto fault = [](const std::string& xml) {
    const auto read = parse_s3_page(xml, "'x'");
    if (read) return std::string("was taken");
    EXPECT_EQ(read.error().code, error_code::unprocessable);
    return read.error().message;
  };
  EXPECT_THAT(fault(""), HasSubstr("'x': the listing is not usable"));
  EXPECT_THAT(fault("<html>"), HasSubstr("in line 1"));
  EXPECT_THAT(fault("<html></html>"), HasSubstr("no ListBucketResult"));
  EXPECT_THAT(fault(page(object("a", "-1"))), HasSubstr("has no Size: 'a'"));
  EXPECT_THAT(fault(page(object("a", "1x"))), HasSubstr("has no Size: 'a'"));
  EXPECT_THAT(fault(page("<Contents><Size>1</Size></Contents>")), HasSubstr("has no Key"));
  EXPECT_THAT(fault("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
              HasSubstr("NextContinuationToken"));
  EXPECT_THAT(fault(R"(<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ListBucketResult>&b;</ListBucketResult>)"),
              HasSubstr("document type"));
  EXPECT_THAT(fault(R"(<!DOCTYPE x SYSTEM "file:///etc/passwd"><ListBucketResult/>)"), HasSubstr("document type"));
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<a>";
  EXPECT_THAT(fault(deep), HasSubstr("nested too deeply"));
  EXPECT_THAT(fault(page(object(std::string(9000, 'k')))), HasSubstr("more than 8192 bytes"));
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += object("k");
  EXPECT_THAT(fault(page(many)), HasSubstr("more than 10000 objects"));
}

TEST(S3Listing, Errors) {
  EXPECT_EQ(s3_error_code("<Error><Code>NoSuchBucket</Code><Message>x</Message></Error>"), "NoSuchBucket");
  for (const auto* none : {"", "<html/>", "<Error><Code>NoSuch"}) EXPECT_EQ(s3_error_code(none), "") << none;
}

const std::string host = "https://s3.us-east-1.amazonaws.com";
const std::string list_folder_url = "GET " + host + "/bucket?list-type=2&prefix=models%2Fm%2F";

struct S3 : ::testing::Test {
  result<pull_plan> plan(const std::string& id) { return plan_of(source_kind::s3, id, settings, client); }
  error fault(const std::string& id = "s3://bucket/models/m") {
    const auto made = plan(id);
    EXPECT_FALSE(made) << id;
    return made ? error{} : made.error();
  }
  source_settings settings;
  fake_client client;
};

TEST_F(S3, AFolder) {
  client.answers(list_folder_url, 200,
                 page(object("models/m/") + object("models/m/config.json") + object("models/m/model.safetensors", "7") +
                      object("models/m/onnx/m.onnx")));
  const auto made = plan("s3://bucket/models/m/");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("config.json", "model.safetensors"));
  EXPECT_EQ(made->files[1].url, host + "/bucket/models/m/model.safetensors");
  EXPECT_EQ(made->files[1].size_bytes, 7u);
  EXPECT_EQ(made->files[1].identity, "e 7");
  EXPECT_EQ(made->may_reach, reach::outside);
  EXPECT_FALSE(made->authorize) << "anonymous";
  EXPECT_FALSE(client.seen[0].follow);
}

TEST_F(S3, ListingsOfSeveralPages) {
  client.answers(list_folder_url, 200, page(object("models/m/config.json"), "a+/="));
  client.answers(list_folder_url + "&continuation-token=a%2B%2F%3D", 200, page(object("models/m/model.safetensors")));
  const auto made = plan("s3://bucket/models/m");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->files.size(), 2u);
}

TEST_F(S3, AListingWithoutEnd) {
  client.answers(list_folder_url, 200, page(object("models/m/a"), "t"));
  client.answers(list_folder_url + "&continuation-token=t", 200, page(object("models/m/b"), "t"));
  EXPECT_THAT(fault().message, HasSubstr("does not come to an end"));
  client.answers(list_folder_url, 200, page("", "t"));
  EXPECT_THAT(fault().message, HasSubstr("does not come to an end"));
}

TEST_F(S3, OneKey) {
  client.answers("GET " + host + "/bucket?list-type=2&prefix=a%20b%2Fm.pt", 200,
                 page(object("a b/m.pt", "9") + object("a b/m.pt2")));
  const auto made = plan("s3://bucket/a b/m.pt");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("m.pt"));
  EXPECT_EQ(made->files[0].url, host + "/bucket/a%20b/m.pt");
  EXPECT_EQ(made->files[0].size_bytes, 9u);
  client.answers("GET " + host + "/bucket?list-type=2&prefix=x.pt", 200, page(object("x.pt2")));
  EXPECT_EQ(fault("s3://bucket/x.pt").code, error_code::model_not_found);
}

TEST_F(S3, SignedForTheEndpointOnly) {
  settings.s3_endpoint = "http://127.0.0.1:9000";
  settings.s3_access_key = "KEY";
  settings.s3_secret_key = "verysecret";
  settings.s3_region = "eu-west-1";
  client.answers("GET http://127.0.0.1:9000/bucket?list-type=2&prefix=m.pt", 200, page(object("m.pt")));
  const auto made = plan("s3://bucket/m.pt");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->may_reach, reach::anywhere);
  ASSERT_EQ(client.seen[0].proof.size(), 3u);
  EXPECT_THAT(client.seen[0].proof[2].second, HasSubstr("/eu-west-1/s3/aws4_request"));
  EXPECT_EQ(made->authorize("GET", made->files[0].url).size(), 3u);
  EXPECT_THAT(made->authorize("GET", "http://127.0.0.1:9001/bucket/m.pt"), IsEmpty());
  settings.s3_secret_key.clear();
  EXPECT_THAT(fault("s3://bucket/m.pt").message, HasSubstr("only one is set"));
}

TEST_F(S3, WhatItAnswersIsTold) {
  client.answers(list_folder_url, 404, "<Error><Code>NoSuchBucket</Code></Error>");
  EXPECT_EQ(fault().message, "there is no bucket 'bucket'");
  EXPECT_EQ(fault().code, error_code::model_not_found);
  client.answers(list_folder_url, 403, "<Error><Code>AccessDenied</Code></Error>");
  EXPECT_EQ(fault().code, error_code::forbidden);
  EXPECT_THAT(fault().message, HasSubstr("403 AccessDenied"));
  EXPECT_THAT(fault().detail, HasSubstr("s3_access_key"));
  client.answers(list_folder_url, 301, "<Error><Code>PermanentRedirect</Code></Error>",
                 {{"x-amz-bucket-region", "eu-west-1"}});
  EXPECT_EQ(fault().detail, "set s3_region to eu-west-1");
  client.answers(list_folder_url, 400, "<Error><Code>AuthorizationHeaderMalformed</Code></Error>",
                 {{"x-amz-bucket-region", "eu-west-1"}});
  EXPECT_EQ(fault().detail, "set s3_region to eu-west-1") << fault().message;
  client.answers(list_folder_url, 418, "short and stout");
  EXPECT_EQ(fault().code, error_code::unavailable);
  client.answers(list_folder_url, 200, page(""));
  EXPECT_EQ(fault().code, error_code::model_not_found);
  client.answers(list_folder_url, 200, page(object("models/other")));
  EXPECT_THAT(fault().message, HasSubstr("'models/other', which was not asked for"));
  client.answers(list_folder_url, 200, page(object("models/m/../../x.json") + object("models/m/model.pt")));
  EXPECT_THAT(fault().message, HasSubstr("goes out of its folder"));
}

TEST_F(S3, AddressesThatAreNone) {
  for (const auto* id :
       {"http://b/k", "s3:/b/k", "s3://", "s3://b", "s3://bucket", "s3://bucket/", "s3://Bucket/k", "s3://bu_cket/k",
        "s3://../k", "s3://a..b/k", "s3://bucket/../k", "s3://bucket/a//b", "s3://bucket/./k"})
    EXPECT_EQ(fault(id).code, error_code::bad_request) << id;
  for (const auto* region : {"", "eu/west", "evil.com#", "EU"}) {
    settings.s3_region = region;
    EXPECT_THAT(fault().message, HasSubstr("s3_region")) << region;
  }
}

}  // namespace
}  // namespace troupe::cache
