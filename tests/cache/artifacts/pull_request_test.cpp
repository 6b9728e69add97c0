#include "cache/artifacts/pull_request.hpp"

#include <gtest/gtest.h>

namespace troupe::cache {
namespace {

TEST(PullRequest, SourcesAreWrittenAsClientsWriteThem) {
  using enum source_kind;
  EXPECT_EQ(to_string(pytorch_hub), "pytorch_hub");
  EXPECT_EQ(to_string(torchvision), "torchvision");
  EXPECT_EQ(to_string(huggingface), "huggingface");
  EXPECT_EQ(to_string(url), "url");
  EXPECT_EQ(to_string(tts_auto), "tts_auto");
  EXPECT_EQ(to_string(torchaudio), "torchaudio");
  EXPECT_EQ(to_string(s3), "s3");
  EXPECT_EQ(to_string(local), "local");
  for (const auto s : {pytorch_hub, torchvision, huggingface, url, tts_auto, torchaudio, s3, local})
    EXPECT_EQ(parse_source(to_string(s)), s);
  for (const auto* other : {"", "HuggingFace", "hugging", "invalid_source"}) EXPECT_FALSE(parse_source(other)) << other;
}

TEST(public_id, proves_nothing) {
  EXPECT_EQ(public_id("org/name"), "org/name");
  EXPECT_EQ(public_id("resnet50"), "resnet50");
  EXPECT_EQ(public_id("https://user:word@host.test:8/a/m.pt?signature=x#y"), "https://host.test:8/a/m.pt");
  EXPECT_EQ(public_id("https://host.test?x"), "https://host.test");
  EXPECT_EQ(public_id("https://host.test/@a/m.pt"), "https://host.test/@a/m.pt");
  EXPECT_EQ(public_id("s3://bucket/key"), "s3://bucket/key");
  EXPECT_EQ(public_id("://"), "://");
}

}  // namespace
}  // namespace troupe::cache
