#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/cache/artifacts/sources/fake_client.hpp"

namespace troupe::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Local : ::testing::Test {
  result<pull_plan> plan(const std::filesystem::path& path) {
    return plan_of(source_kind::local, path.string(), {}, client);
  }
  error fault(const std::filesystem::path& path) {
    const auto made = plan(path);
    EXPECT_FALSE(made) << path;
    return made ? error{} : made.error();
  }
  scratch_folder folder;
  fake_client client;
};

TEST_F(Local, AFolderBySameRulesAsTheHub) {
  folder.write("m/config.json", "{}");
  folder.write("m/README.md", "x");
  folder.write("m/model.safetensors.index.json", R"({"weight_map":{"t":"a.safetensors"}})");
  folder.write("m/a.safetensors", "12345");
  folder.write("m/b.safetensors", "12345");
  folder.write("m/onnx/model.onnx", "x");
  const auto made = plan(folder.path() / "m");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("a.safetensors", "config.json", "model.safetensors.index.json"));
  EXPECT_EQ(made->files[0].local, folder.path() / "m/a.safetensors");
  EXPECT_EQ(made->files[0].size_bytes, 5u);
  EXPECT_EQ(made->files[0].url, "");
  EXPECT_THAT(joined(made->notes), HasSubstr("onnx/"));
}

TEST_F(Local, OneFile) {
  folder.write("m.pt", "123");
  folder.link("m.pt", "other.pth");
  folder.write("m.zip", "x");
  const auto made = plan(folder.path() / "m.pt");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("m.pt"));
  EXPECT_EQ(made->files[0].size_bytes, 3u);
  const auto linked = plan(folder.path() / "other.pth");
  ASSERT_TRUE(linked) << linked.error().message;
  EXPECT_EQ(linked->files[0].path, "other.pth");
  EXPECT_EQ(linked->files[0].local, folder.path() / "m.pt");
  EXPECT_THAT(fault(folder.path() / "m.zip").message, HasSubstr("no file of weights"));
}

TEST_F(Local, LinksStayInTheFolder) {
  folder.write("outside.json", "{}");
  folder.write("m/model.safetensors", "x");
  folder.write("m/deep/real.json", "{}");
  folder.link("deep/real.json", "m/config.json");
  EXPECT_TRUE(plan(folder.path() / "m"));
  folder.link("../outside.json", "m/README.md");
  EXPECT_TRUE(plan(folder.path() / "m")) << "what is not taken may be anything";
  folder.link("../outside.json", "m/tokenizer.json");
  const auto why = fault(folder.path() / "m");
  EXPECT_EQ(why.code, error_code::unprocessable);
  EXPECT_THAT(why.message, HasSubstr("'tokenizer.json' is a link that leads out of"));
}

TEST_F(Local, AFolderWhoseNameBeginsTheSameIsOutside) {
  folder.write("mm/x.json", "{}");
  folder.write("m/model.safetensors", "x");
  folder.link("../mm/x.json", "m/config.json");
  EXPECT_THAT(fault(folder.path() / "m").message, HasSubstr("leads out of"));
}

TEST_F(Local, LinkedFoldersAreNotEntered) {
  folder.write("m/model.safetensors", "x");
  folder.link(".", "m/loop");
  folder.link("/", "m/all");
  const auto made = plan(folder.path() / "m");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("model.safetensors"));
}

TEST_F(Local, WhatIsNoRegularFileIsRefused) {
  folder.write("m/model.safetensors", "x");
  ASSERT_EQ(::mkfifo((folder.path() / "m/config.json").c_str(), 0600), 0);
  EXPECT_THAT(fault(folder.path() / "m").message, HasSubstr("'config.json' is no regular file"));
  EXPECT_THAT(fault(folder.path() / "m/config.json").message, HasSubstr("neither a folder nor a regular file"));
}

TEST_F(Local, PathsThatAreNone) {
  EXPECT_EQ(fault("relative/m").code, error_code::bad_request);
  EXPECT_EQ(fault(folder.path() / "nowhere").code, error_code::model_not_found);
  EXPECT_EQ(fault(std::string("/a\0b", 4)).code, error_code::bad_request);
  folder.write("empty/README.md", "x");
  EXPECT_EQ(fault(folder.path() / "empty").code, error_code::unprocessable);
  const auto made = plan_of(source_kind::local, "/tmp", {}, client, "main");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, error_code::bad_request);
}

}  // namespace
}  // namespace troupe::cache
