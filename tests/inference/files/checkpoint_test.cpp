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

// Fingerprints go by it, and what was chosen for an artifact is kept under its fingerprint.
TEST(checkpoint, the_order_of_an_artifacts_files_stays) {
  scratch_folder scratch;
  const std::vector<std::string> order{"model.safetensors",
                                       "config.json",
                                       "tokenizer.json",
                                       "tokenizer_config.json",
                                       "vocab.txt",
                                       "vocab.json",
                                       "merges.txt",
                                       "sentencepiece.bpe.model",
                                       "spiece.model",
                                       "spm.model",
                                       "tokenizer.model",
                                       "added_tokens.json",
                                       "special_tokens_map.json",
                                       "modules.json",
                                       "sentence_bert_config.json",
                                       "config_sentence_transformers.json"};
  for (const auto& name : order) write_file(scratch.path() / name, "{}");
  const auto files = artifact_files(scratch.path(), scratch.path());
  ASSERT_TRUE(files);
  std::vector<std::string> names;
  for (const auto& file : *files) names.push_back(file.filename());
  EXPECT_EQ(names, order);
}

// In transformers' order; the file that comes first is read, whatever lies beside it.
TEST(checkpoint, pickled_weights_come_after_safetensors) {
  const auto pickled = fixtures() / "inference" / "torch_files";
  scratch_folder scratch;
  const auto& folder = scratch.path();
  const auto names = [&] {
    std::vector<std::string> out;
    const auto files = artifact_files(folder, folder);
    EXPECT_TRUE(files) << files.error().message;
    for (const auto& file : *files) out.push_back(file.filename());
    return out;
  };
  EXPECT_NE(checkpoint::open(folder, 0).error().message.find("has no model.safetensors and no pytorch_model.bin"),
            std::string::npos);
  copy_folder(pickled / "sharded", folder / "x");
  for (const auto& file : fs::directory_iterator(folder / "x")) fs::rename(file, folder / file.path().filename());
  auto c = checkpoint::open(folder, 0);
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_NE(c->find("classifier.bias").tensor, nullptr);
  EXPECT_GT(c->size_bytes(), fs::file_size(folder / "pytorch_model-00001-of-00002.bin"));
  EXPECT_EQ(names(), (std::vector<std::string>{"pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin",
                                               "pytorch_model-00002-of-00002.bin"}));
  EXPECT_EQ(checkpoint::open(folder, 3000).error().code, error_code::payload_too_large);

  fs::copy(pickled / "zip_tied.bin", folder / "pytorch_model.bin");
  c = checkpoint::open(folder, 0);
  ASSERT_TRUE(c) << c.error().message;
  EXPECT_NE(c->find("decoder.weight").tensor, nullptr);
  EXPECT_EQ(c->find("classifier.bias").tensor, nullptr);
  EXPECT_EQ(names(), std::vector<std::string>{"pytorch_model.bin"});

  write_file(folder / "s.safetensors", bytes_file({{"a", 'a'}}));
  write_file(folder / "model.safetensors.index.json", R"({"weight_map":{"a":"s.safetensors"}})");
  EXPECT_EQ(value_of(*checkpoint::open(folder, 0), "a"), 'a');
  EXPECT_EQ(names(), (std::vector<std::string>{"model.safetensors.index.json", "s.safetensors"}));
  write_file(folder / "model.safetensors", bytes_file({{"b", 'b'}}));
  EXPECT_EQ(value_of(*checkpoint::open(folder, 0), "b"), 'b');
  EXPECT_EQ(names(), std::vector<std::string>{"model.safetensors"});
}

TEST(checkpoint, an_index_of_pickled_weights_names_pickled_files) {
  for (const char* name : {"../x.bin", "/etc/passwd", "x.safetensors", "x.bin/..", ""}) {
    scratch_folder scratch;
    write_file(scratch.path() / "pytorch_model.bin.index.json", std::string(R"({"weight_map":{"w":")") + name + "\"}}");
    const auto c = checkpoint::open(scratch.path(), 0);
    ASSERT_FALSE(c) << name;
    EXPECT_EQ(c.error().code, error_code::unprocessable) << name;
    EXPECT_EQ(c.error().detail, "the name of a .bin file in the same folder") << name;
  }
}

TEST(checkpoint, a_pointer_in_the_place_of_pickled_weights_is_told) {
  scratch_folder scratch;
  write_file(scratch.path() / "pytorch_model.bin",
             "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  EXPECT_NE(checkpoint::open(scratch.path(), 0).error().message.find("is a Git LFS pointer"), std::string::npos);
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
