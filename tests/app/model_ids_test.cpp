#include "app/model_ids.hpp"

#include <gtest/gtest.h>

namespace troupe::app {
namespace {

using cache::source_kind;

struct expected_pull {
  const char* id;
  source_kind source;
  const char *model_id, *name;
};

TEST(model_ids, an_id_tells_source_and_name) {
  for (const auto& e : {
           expected_pull{"org/model", source_kind::huggingface, "org/model", "org/model"},
           {"gpt2", source_kind::huggingface, "gpt2", "gpt2"},
           {"huggingface:org/model", source_kind::huggingface, "org/model", "org/model"},
           {"https://huggingface.co/org/model", source_kind::huggingface, "org/model", "org/model"},
           {"https://huggingface.co/org/model/", source_kind::huggingface, "org/model", "org/model"},
           {"https://huggingface.co/org/model/resolve/main/x.safetensors", source_kind::url,
            "https://huggingface.co/org/model/resolve/main/x.safetensors", "x"},
           {"torchvision:resnet50", source_kind::torchvision, "resnet50", "resnet50"},
           {"pytorch_hub:pytorch/vision:resnet18", source_kind::pytorch_hub, "pytorch/vision:resnet18", "resnet18"},
           {"tts_auto:microsoft/speecht5_tts", source_kind::tts_auto, "microsoft/speecht5_tts",
            "microsoft/speecht5_tts"},
           {"https://example.com/a/net-1.2.pt?x=/y.z#/f", source_kind::url,
            "https://example.com/a/net-1.2.pt?x=/y.z#/f", "net-1.2"},
           {"http://example.com/a%20b.safetensors", source_kind::url, "http://example.com/a%20b.safetensors", "a-b"},
           {"s3://bucket/models/bert/", source_kind::s3, "s3://bucket/models/bert/", "bert"},
           {"./folder", source_kind::local, "/here/folder", "folder"},
           {"../bert-v1.5/", source_kind::local, "/bert-v1.5/", "bert-v1.5"},
           {"/models/.hidden.tar.gz", source_kind::local, "/models/.hidden.tar.gz", "hidden"},
           {"file:///models/net.pt", source_kind::local, "/models/net.pt", "net"},
       }) {
    const auto read = read_wanted({.id = e.id}, "/here");
    ASSERT_TRUE(read) << e.id << ": " << read.error().message;
    EXPECT_EQ(read->source, e.source) << e.id;
    EXPECT_EQ(read->model_id, e.model_id) << e.id;
    EXPECT_EQ(read->name, e.name) << e.id;
  }
}

TEST(model_ids, what_is_given_wins) {
  const auto read = read_wanted(
      {.id = "resnet50", .source = "torchvision", .name = "net", .revision = "r1", .task = "image-classification"},
      "/");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->source, source_kind::torchvision);
  EXPECT_EQ(read->name, "net");
  EXPECT_EQ(read->revision, "r1");
  EXPECT_EQ(read->task, "image-classification");
  EXPECT_EQ(read_wanted({.id = "torchvision:resnet50", .source = "torchvision"}, "/")->model_id, "resnet50");
  // Of a page, the revision that it shows; of the command line, the other.
  EXPECT_EQ(read_wanted({.id = "https://hf.co/org/model/tree/v2"}, "/")->revision, "v2");
  EXPECT_EQ(read_wanted({.id = "https://hf.co/org/model/tree/v2", .revision = "v1"}, "/")->revision, "v1");
}

TEST(model_ids, what_gives_no_name_asks_for_one) {
  for (const char* id :
       {"", "..", "/", "https://example.com/..", "https://example.com/?x=a", "torchvision:", "s3://"}) {
    const auto read = read_wanted({.id = id}, "/");
    ASSERT_FALSE(read) << id;
    EXPECT_EQ(read.error().code, error_code::bad_request);
  }
  EXPECT_TRUE(read_wanted({.id = "/", .name = "all"}, "/"));
  EXPECT_FALSE(read_wanted({.id = "org/model", .name = "../x"}, "/"));
  const auto unknown = read_wanted({.id = "org/model", .source = "ftp\x1B"}, "/");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().detail.find("huggingface"), std::string::npos);
  EXPECT_EQ(unknown.error().message.find('\x1B'), std::string::npos);
}

}  // namespace
}  // namespace troupe::app
