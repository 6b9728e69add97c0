#include "inference/checkpoint.hpp"

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

fs::path sharded() {
  return fixtures() / "inference" / "bert" / "legacy_shards";
}

TEST(checkpoint, finds_tensors_in_all_shards) {
  const auto c = checkpoint::open(sharded(), 0);
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_NE(c->find("classifier.weight").tensor, nullptr);
  EXPECT_NE(c->find("embeddings.LayerNorm.gamma").tensor, nullptr);
  EXPECT_EQ(c->find("embeddings").tensor, nullptr);
}

TEST(checkpoint, has_a_largest_size) {
  EXPECT_EQ(checkpoint::open(sharded(), 1000).error().code, error_code::payload_too_large);
}

TEST(checkpoint, an_index_names_files_of_its_folder_only) {
  for (const char* name :
       {"../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".", "", "x.bin"}) {
    scratch_folder scratch;
    write_file(scratch.path() / "model.safetensors.index.json",
               std::string(R"({"weight_map":{"w":")") + name + "\"}}");
    const auto c = checkpoint::open(scratch.path(), 0);
    ASSERT_FALSE(c) << name;
    EXPECT_EQ(c.error().code, error_code::unprocessable) << name;
  }
}

TEST(checkpoint, a_missing_shard_is_named) {
  scratch_folder scratch;
  copy_folder(sharded(), scratch.path());
  fs::remove(scratch.path() / "model-00002-of-00002.safetensors");
  const auto c = checkpoint::open(scratch.path(), 0);
  ASSERT_FALSE(c);
  EXPECT_NE(c.error().message.find("model-00002"), std::string::npos);
}

TEST(checkpoint, a_tensor_in_two_shards_is_refused) {
  scratch_folder scratch;
  copy_folder(sharded(), scratch.path());
  fs::copy_file(scratch.path() / "model-00001-of-00002.safetensors",
                scratch.path() / "model-00002-of-00002.safetensors",
                fs::copy_options::overwrite_existing);
  const auto c = checkpoint::open(scratch.path(), 0);
  ASSERT_FALSE(c);
  EXPECT_NE(c.error().message.find("two shards"), std::string::npos);
}

TEST(checkpoint, pickled_weights_are_refused_with_advice) {
  scratch_folder scratch;
  write_file(scratch.path() / "pytorch_model.bin", "x");
  const auto c = checkpoint::open(scratch.path(), 0);
  ASSERT_FALSE(c);
  EXPECT_NE(c.error().detail.find("safe_serialization"), std::string::npos);
}

TEST(checkpoint, only_regular_files_are_read) {
  scratch_folder scratch;
  fs::create_directories(scratch.path() / "model.safetensors");
  EXPECT_FALSE(checkpoint::open(scratch.path(), 0));
}

TEST(fingerprint_of_files, changes_with_a_file) {
  scratch_folder scratch;
  const auto file = scratch.path() / "a";
  write_file(file, "one");
  const auto first = fingerprint_of({file});
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, *fingerprint_of({file}));
  write_file(file, "three");
  EXPECT_NE(*first, *fingerprint_of({file}));
  fs::remove(file);
  EXPECT_FALSE(fingerprint_of({file}));
}

}  // namespace
}  // namespace troupe::inference::tests
