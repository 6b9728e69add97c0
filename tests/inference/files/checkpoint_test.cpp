#include "inference/files/checkpoint.hpp"

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

fs::path sharded() { return fixtures() / "inference" / "bert" / "legacy_shards"; }

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
  for (const char* name : {"../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".", "", "x.bin"}) {
    scratch_folder scratch;
    write_file(scratch.path() / "model.safetensors.index.json", std::string(R"({"weight_map":{"w":")") + name + "\"}}");
    const auto c = checkpoint::open(scratch.path(), 0);
    ASSERT_FALSE(c) << name;
    EXPECT_EQ(c.error().code, error_code::unprocessable) << name;
    EXPECT_NE(c.error().message.find(":1:20: 'weight_map.w' is \"" + std::string(name) + '"'), std::string::npos)
        << c.error().message;
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

// A safetensors file of one-byte tensors.
std::string bytes_file(const std::vector<std::pair<std::string, char>>& tensors) {
  std::vector<stored_tensor> layout;
  for (const auto& [name, value] : tensors) layout.push_back({name, "U8", {1}, 0, 0});
  auto file = make_safetensors_head(layout, {});
  file.resize(layout.back().end, '\0');
  for (std::size_t i = 0; i < tensors.size(); ++i) file[layout[i].begin] = tensors[i].second;
  return file;
}
char value_of(const checkpoint& c, const char* name) {
  const auto at = c.find(name);
  std::byte value{};
  EXPECT_TRUE(at.tensor != nullptr && read_exactly(at.file->fd.get(), at.tensor->begin, {&value, 1}, *at.path));
  return static_cast<char>(value);
}

TEST(checkpoint, the_index_decides_which_shard_holds_a_tensor) {
  scratch_folder scratch;
  write_file(scratch.path() / "1.safetensors", bytes_file({{"a", 'a'}, {"both", 'o'}, {"spare", 's'}, {"twice", '1'}}));
  write_file(scratch.path() / "2.safetensors", bytes_file({{"a", 'o'}, {"both", 'b'}, {"twice", '2'}}));
  const auto index = [&](const std::string& a, const std::string& both) {
    write_file(scratch.path() / "model.safetensors.index.json",
               R"({"metadata":{},"weight_map":{"a":")" + a + R"(","both":")" + both + "\"}}");
    return checkpoint::open(scratch.path(), 0);
  };
  const auto c = index("1.safetensors", "2.safetensors");
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_EQ(value_of(*c, "a"), 'a');
  EXPECT_EQ(value_of(*c, "both"), 'b');
  // What the index does not name, transformers reads too, one shard after another.
  EXPECT_EQ(value_of(*c, "spare"), 's');
  EXPECT_EQ(value_of(*c, "twice"), '2');
  const auto other = index("2.safetensors", "1.safetensors");
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(value_of(*other, "a"), 'o');
  EXPECT_EQ(value_of(*other, "both"), 'o');
}

TEST(checkpoint, a_tensor_that_its_shard_lacks_is_named) {
  scratch_folder scratch;
  write_file(scratch.path() / "1.safetensors", bytes_file({{"a", 'a'}, {"b", 'b'}}));
  write_file(scratch.path() / "2.safetensors", bytes_file({{"c", 'c'}}));
  write_file(scratch.path() / "model.safetensors.index.json",
             R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"2.safetensors"}})");
  const auto c = checkpoint::open(scratch.path(), 0);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code, error_code::unprocessable);
  EXPECT_NE(c.error().message.find("2.safetensors lacks tensor 'b'"), std::string::npos) << c.error().message;
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
