#include "cache/artifacts/sources/hub_listing.hpp"

#include <gmock/gmock.h>

namespace troupe::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(HubListing, WhatTheHubTells) {
  const auto read = parse_hub_listing(
      R"({"_id":"x","id":"a/b","sha":"0123456789abcdef0123456789abcdef01234567","private":false,"gated":"manual","disabled":false,
          "pipeline_tag":"fill-mask","tags":["bert","en"],"siblings":[
          {"rfilename":"config.json","size":570,"blobId":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
          {"rfilename":"model.safetensors","size":440,"blobId":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","lfs":{"sha256":")" +
          std::string(64, 'c') + R"(","size":440449768,"pointerSize":134}},
          {"rfilename":"bare","lfs":null}, {"rfilename":"x","xetHash":"ff"}]})",
      "'a/b'");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->commit, "0123456789abcdef0123456789abcdef01234567");
  EXPECT_EQ(read->task, "fill-mask");
  EXPECT_THAT(read->tags, ElementsAre("bert", "en"));
  EXPECT_TRUE(read->gated);
  EXPECT_FALSE(read->disabled);
  ASSERT_EQ(read->files.size(), 4u);
  EXPECT_EQ(read->files[0].etag(), std::string(40, 'a'));
  EXPECT_EQ(read->files[0].size_bytes, 570u);
  EXPECT_EQ(read->files[1].etag(), std::string(64, 'c'));
  EXPECT_EQ(read->files[1].size_bytes, 440449768u);
  EXPECT_FALSE(read->files[1].chunks_only);
  EXPECT_FALSE(read->files[2].size_bytes);
  EXPECT_EQ(read->files[2].etag(), "");
  EXPECT_TRUE(read->files[3].chunks_only);
  EXPECT_TRUE(parse_hub_listing(R"({"siblings":[],"gated":false,"pipeline_tag":null})", "m"));
}

TEST(HubListing, WhatIsWrongIsNamed) {
  const auto fault = [](const std::string& json) {
    const auto read = parse_hub_listing(json, "'a/b'");
    if (read) return std::string("was taken");
    EXPECT_EQ(read.error().code, error_code::unprocessable);
    EXPECT_THAT(read.error().message, HasSubstr("'a/b'"));
    return read.error().message;
  };
  EXPECT_THAT(fault(""), HasSubstr("JSON"));
  EXPECT_THAT(fault("<html>"), HasSubstr("JSON"));
  EXPECT_THAT(fault("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(fault("{}"), HasSubstr("'siblings' must be a list"));
  EXPECT_THAT(fault(R"({"siblings":{}})"), HasSubstr("'siblings' must be a list"));
  EXPECT_THAT(fault(R"({"siblings":[1]})"), HasSubstr("'siblings[0]' must be an object"));
  EXPECT_THAT(fault(R"({"siblings":[{}]})"), HasSubstr("'siblings[0].rfilename' is missing"));
  EXPECT_THAT(fault(R"({"siblings":[{"rfilename":7}]})"), HasSubstr("'siblings[0].rfilename' must be a text"));
  EXPECT_THAT(fault(R"({"siblings":[{"rfilename":"a","size":-1}]})"),
              HasSubstr("'siblings[0].size' must be a whole number"));
  EXPECT_THAT(fault(R"({"siblings":[{"rfilename":"a","size":"1"}]})"),
              HasSubstr("'siblings[0].size' must be a whole number"));
  EXPECT_THAT(fault(R"({"siblings":[{"rfilename":"a","lfs":1}]})"), HasSubstr("'siblings[0].lfs' must be an object"));
  EXPECT_THAT(fault(R"({"siblings":[{"rfilename":"a","lfs":{"sha256":"x"}}]})"), HasSubstr("64 lower-case hex digits"));
  EXPECT_THAT(fault(R"({"siblings":[{"rfilename":"a","blobId":"../x"}]})"),
              HasSubstr("'siblings[0].blobId' is no digest"));
  EXPECT_THAT(fault(R"({"siblings":[],"sha":"main"})"), HasSubstr("'sha' is no commit: 'main'"));
  EXPECT_THAT(fault(R"({"siblings":[],"sha":5})"), HasSubstr("'sha' must be a text"));
  EXPECT_THAT(fault(R"({"siblings":[],"gated":5})"), HasSubstr("'gated'"));
  EXPECT_THAT(fault(R"({"siblings":[],"tags":[5]})"), HasSubstr("'tags'"));
  EXPECT_THAT(fault(R"({"siblings":[],"tags":"x"})"), HasSubstr("'tags'"));
  EXPECT_THAT(fault(R"({"siblings":[],"disabled":"x"})"), HasSubstr("'disabled'"));
  std::string many = R"({"siblings":[{"rfilename":"a"})";
  for (int i = 0; i < 100'000; ++i) many += R"(,{"rfilename":"a"})";
  EXPECT_THAT(fault(many + "]}"), HasSubstr("'siblings' has more than 50000 files"));
}

}  // namespace
}  // namespace troupe::cache
