#include "cache/artifacts/sources/selection.hpp"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "cache/artifacts/sources/file_roles.hpp"

namespace troupe::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct chosen {
  std::vector<std::string> files;
  std::string notes;
  error fault;
};

chosen choose(const std::vector<std::string>& paths, const std::map<std::string, std::string>& contents = {}) {
  std::vector<listed_file> listing;
  for (const auto& path : paths) listing.push_back({path, {}});
  const auto out = select_files(listing, "'m'", [&](std::size_t place) -> result<std::string> {
    const auto found = contents.find(paths[place]);
    if (found == contents.end()) return fail(error_code::internal, "read " + paths[place]);
    return found->second;
  });
  if (!out) return {{}, {}, out.error()};
  chosen c;
  for (const auto place : out->files) c.files.push_back(paths[place]);
  for (const auto& note : out->notes) c.notes += note + '\n';
  return c;
}

std::string index_of(const std::vector<std::string>& shards) {
  std::string out = R"({"metadata":{"total_size":1},"weight_map":{)";
  for (std::size_t i = 0; i < shards.size(); ++i)
    out += (i == 0 ? "\"t" : ",\"t") + std::to_string(i) + "\":\"" + shards[i] + '"';
  return out + "}}";
}

TEST(Selection, TakesSettingsTokenizerAndOneCopyOfTheWeights) {
  const auto c = choose({"README.md",
                         ".gitattributes",
                         "config.json",
                         "tokenizer.json",
                         "tokenizer_config.json",
                         "vocab.txt",
                         "model.safetensors",
                         "pytorch_model.bin",
                         "tf_model.h5",
                         "flax_model.msgpack",
                         "rust_model.ot",
                         "onnx/model.onnx",
                         "onnx/config.json",
                         "openvino_model.bin",
                         "openvino/openvino_model.bin",
                         "coreml/x.mlmodel",
                         "training_args.bin",
                         "optimizer.pt",
                         "rng_state_0.pth",
                         "trainer_state.json",
                         "eval_results.json",
                         "checkpoint-500/model.safetensors",
                         "image.png",
                         "model.pt",
                         "q4.gguf",
                         "chat_template.jinja",
                         "modeling.py"});
  EXPECT_THAT(c.files,
              ElementsAre("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"))
      << c.fault.message;
  EXPECT_THAT(c.notes, HasSubstr("other copies of the weights: model.pt, pytorch_model.bin"));
  EXPECT_THAT(c.notes, HasSubstr("copies for other runtimes: coreml/, flax_model.msgpack, onnx/ (2 files), openvino/, "
                                 "openvino_model.bin and 3 more"));
  EXPECT_THAT(c.notes, HasSubstr("of the training: checkpoint-500/, eval_results.json, optimizer.pt"));
  EXPECT_THAT(c.notes, HasSubstr("not read when serving: .gitattributes, README.md"));
}

TEST(Selection, SentencePieceAndMergesAreOfTheTokenizer) {
  EXPECT_THAT(
      choose({"pytorch_model.bin", "merges.txt", "vocab.json", "spiece.model", "source.spm", "notes.txt"}).files,
      ElementsAre("merges.txt", "pytorch_model.bin", "source.spm", "spiece.model", "vocab.json"));
}

TEST(Selection, SpeechModelsHaveSettingsOfTheirOwn) {
  EXPECT_THAT(choose({"model.pt", "config.yaml", "am.mvn", "tokens.json", "seg_dict", "example/asr.wav"}).files,
              ElementsAre("am.mvn", "config.yaml", "model.pt", "seg_dict", "tokens.json"));
}

TEST(Selection, OfASingleFileAndShardsTheSingleOne) {
  EXPECT_THAT(choose({"config.json", "model.safetensors", "model.safetensors.index.json",
                      "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"})
                  .files,
              ElementsAre("config.json", "model.safetensors"));
}

TEST(Selection, ExactlyTheShardsThatTheIndexNames) {
  const auto c =
      choose({"model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
              "model-00001-of-00003.safetensors", "pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"},
             {{"model.safetensors.index.json",
               index_of({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                         "model-00001-of-00002.safetensors"})}});
  EXPECT_THAT(c.files, ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                                   "model.safetensors.index.json"))
      << c.fault.message;
}

TEST(Selection, ShardsOfBinByTheirIndex) {
  EXPECT_THAT(
      choose({"pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"},
             {{"pytorch_model.bin.index.json",
               index_of({"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"})}})
          .files,
      ElementsAre("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin",
                  "pytorch_model.bin.index.json"));
}

TEST(Selection, AnIndexThatCannotBeFollowedIsNamed) {
  const auto fault = [](const std::string& index) {
    return choose({"model.safetensors.index.json", "a.safetensors", "sub/a.safetensors"},
                  {{"model.safetensors.index.json", index}})
        .fault;
  };
  EXPECT_THAT(fault(index_of({"a.safetensors", "b.safetensors"})).message, HasSubstr("lacks 'b.safetensors'"));
  EXPECT_THAT(fault(index_of({"../a.safetensors"})).message, HasSubstr("lacks '../a.safetensors'"));
  EXPECT_THAT(fault(index_of({"sub/a.safetensors"})).message, HasSubstr("lacks 'sub/a.safetensors'"));
  EXPECT_THAT(fault(index_of({})).message, HasSubstr("names no file"));
  EXPECT_THAT(fault("{}").message, HasSubstr("without a weight_map"));
  EXPECT_THAT(fault(R"({"weight_map":{"t":1}})").message, HasSubstr("whose 't' is no name"));
  EXPECT_THAT(fault("[1]").message, HasSubstr("'model.safetensors.index.json' is not usable JSON"));
  std::vector<std::string> many;
  for (int i = 0; i < 1001; ++i) many.push_back(std::to_string(i) + ".safetensors");
  EXPECT_THAT(fault(index_of(many)).message, HasSubstr("more than 1000 files"));
  for (const auto* bad : {"{}", "[1]"}) EXPECT_EQ(fault(bad).code, error_code::unprocessable);
}

TEST(Selection, VariantsOnlyWhereNothingElseIs) {
  EXPECT_THAT(choose({"model.fp16.safetensors", "model.safetensors"}).files, ElementsAre("model.safetensors"));
  EXPECT_THAT(choose({"model.fp16.safetensors", "pytorch_model.bin"}).files, ElementsAre("pytorch_model.bin"));
  EXPECT_THAT(choose({"model.fp16.safetensors", "config.json", "model.pt"}).files,
              ElementsAre("config.json", "model.fp16.safetensors"));
  EXPECT_THAT(choose({"model.fp16.safetensors", "model.bf16.safetensors"}).files,
              ElementsAre("model.bf16.safetensors"));
  EXPECT_THAT(choose({"model.safetensors.index.fp16.json", "model.fp16-00001-of-00001.safetensors", "model.bin.fp8"},
                     {{"model.safetensors.index.fp16.json", index_of({"model.fp16-00001-of-00001.safetensors"})}})
                  .files,
              ElementsAre("model.fp16-00001-of-00001.safetensors", "model.safetensors.index.fp16.json"));
}

TEST(Selection, TorchFilesOnlyWhereThereIsNothingSafer) {
  EXPECT_THAT(choose({"model.pt2", "model.pt", "pytorch_model.bin"}).files, ElementsAre("pytorch_model.bin"));
  EXPECT_THAT(choose({"model.pt2", "model.pt"}).files, ElementsAre("model.pt2"));
  EXPECT_THAT(choose({"vallex-checkpoint.pt", "scheduler.pt"}).files, ElementsAre("vallex-checkpoint.pt"));
  const auto several = choose({"a.pth", "b.ckpt"});
  EXPECT_THAT(several.files, ElementsAre("a.pth", "b.ckpt"));
  EXPECT_THAT(several.notes, HasSubstr("2 files of weights"));
}

TEST(Selection, NamesWithDotsAreNoVariants) {
  EXPECT_THAT(choose({"Some-v1.5.safetensors", "model.fp16.safetensors"}).files, ElementsAre("Some-v1.5.safetensors"));
}

TEST(Selection, ModulesBringTheirFolders) {
  const auto c =
      choose({"modules.json", "config.json", "model.safetensors", "1_Pooling/config.json", "2_Dense/config.json",
              "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin", "3_Other/config.json"},
             {{"modules.json",
               R"([{"idx":0,"path":"","type":"T"},{"path":"1_Pooling"},{"path":"2_Dense/"},{"path":"4_Normalize"}])"}});
  EXPECT_THAT(c.files, ElementsAre("1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors",
                                   "config.json", "model.safetensors", "modules.json"))
      << c.fault.message;
  EXPECT_THAT(c.notes, HasSubstr("other folders: 3_Other/"));
}

TEST(Selection, ModulesMayHoldAllTheWeights) {
  EXPECT_THAT(choose({"modules.json", "0_Transformer/model.safetensors", "0_Transformer/config.json"},
                     {{"modules.json", R"([{"path":"0_Transformer"}])"}})
                  .files,
              ElementsAre("0_Transformer/config.json", "0_Transformer/model.safetensors", "modules.json"));
}

TEST(Selection, BadModulesAreNamed) {
  const auto fault = [](const char* modules) {
    return choose({"modules.json", "model.safetensors"}, {{"modules.json", modules}}).fault.message;
  };
  EXPECT_THAT(fault("{}"), HasSubstr("modules.json that is no JSON list"));
  EXPECT_THAT(fault("[{}]"), HasSubstr("a module without path"));
  EXPECT_THAT(fault("[3]"), HasSubstr("a module without path"));
  EXPECT_THAT(fault(R"([{"path":"../x"}])"), HasSubstr("goes out of its folder: '../x'"));
}

TEST(Selection, NothingToServeSaysWhatIsThere) {
  const auto gguf = choose({"README.md", "a.gguf", "b.gguf"}).fault;
  EXPECT_EQ(gguf.code, error_code::unprocessable);
  EXPECT_THAT(gguf.message, HasSubstr("'m' has nothing that can be served"));
  EXPECT_EQ(gguf.detail, "it has .gguf");
  EXPECT_THAT(choose({"model_index.json", "unet/model.safetensors"}).fault.detail, HasSubstr("parts in sub-folders"));
  EXPECT_EQ(choose({}).fault.detail, "0 files are listed");
}

TEST(Selection, HostileNamesAreRefusedByName) {
  const auto fault = [](std::string name) { return choose({"model.safetensors", std::move(name)}).fault; };
  EXPECT_THAT(fault("../evil.json").message, HasSubstr("'../evil.json'"));
  EXPECT_THAT(fault("a/../../b").message, HasSubstr("goes out of its folder"));
  EXPECT_THAT(fault("/etc/passwd").message, HasSubstr("is absolute: '/etc/passwd'"));
  EXPECT_THAT(fault(std::string("a\0b.json", 8)).message, HasSubstr("control character: 'a?b.json'"));
  EXPECT_THAT(fault("a\\b.json").message, HasSubstr("backslash"));
  EXPECT_THAT(fault("a//b").message, HasSubstr("an empty part"));
  EXPECT_THAT(fault("").message, HasSubstr("is empty"));
  EXPECT_THAT(fault("model.safetensors").message, HasSubstr("lists 'model.safetensors' twice"));
  EXPECT_THAT(fault(std::string(300, 'x') + ".json").message, HasSubstr("cannot be stored"));
  EXPECT_THAT(fault("@latest.json").message, HasSubstr("cannot be stored"));
  EXPECT_THAT(choose({"model.safetensors", "config.json", "Config.json"}).fault.message, HasSubstr("case"));
  for (const auto* bad : {"../x", "/x", "@latest.json"}) EXPECT_EQ(fault(bad).code, error_code::unprocessable);
  EXPECT_THAT(fault("Readme.md").message, "") << "what is not taken may be called as it likes";
}

TEST(Selection, AHundredThousandFilesAreTooMany) {
  std::vector<std::string> many;
  for (int i = 0; i < 100'000; ++i) many.push_back(std::to_string(i));
  const auto fault = choose(many).fault;
  EXPECT_EQ(fault.code, error_code::unprocessable);
  EXPECT_THAT(fault.message, HasSubstr("lists 100000 files"));
}

// Whatever is listed: what is chosen is of the listing, once each, in order, and never outside of the folder.
TEST(Selection, RandomListings) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<std::string> parts{"model",
                                       "pytorch_model",
                                       ".safetensors",
                                       ".bin",
                                       ".fp16",
                                       "-00001-of-00002",
                                       "-of-",
                                       ".index.",
                                       "json",
                                       ".index",
                                       "config",
                                       ".json",
                                       ".pt",
                                       "/",
                                       "..",
                                       "1_P",
                                       "é",
                                       "\xff"};
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> paths;
    for (auto n = random() % 8; n > 0; --n) {
      std::string path;
      for (auto k = 1 + random() % 5; k > 0; --k) path += parts[random() % parts.size()];
      paths.push_back(path);
    }
    std::map<std::string, std::string> contents;
    for (const auto& path : paths) contents[path] = index_of({paths[random() % paths.size()]});
    const auto c = choose(paths, contents);
    if (c.files.empty()) {
      EXPECT_EQ(c.fault.code, error_code::unprocessable) << c.fault.message;
      continue;
    }
    EXPECT_TRUE(std::is_sorted(c.files.begin(), c.files.end()));
    EXPECT_EQ(std::adjacent_find(c.files.begin(), c.files.end()), c.files.end());
    for (const auto& file : c.files) EXPECT_THAT('/' + file + '/', Not(HasSubstr("/../")));
  }
}

TEST(FileRoles, WeightsNamesAreTakenApart) {
  const auto parts = [](std::string_view name) {
    const auto p = parse_weights_name(name);
    return std::string(p.stem) + '|' + std::string(p.variant) + '|' + (p.shard ? "shard" : "");
  };
  EXPECT_EQ(parts("model.safetensors"), "model||");
  EXPECT_EQ(parts("model.fp16-00001-of-00002.safetensors"), "model|fp16|shard");
  EXPECT_EQ(parts("model.safetensors.index.json"), "model||");
  EXPECT_EQ(parts("model.safetensors.index.fp16.json"), "model|fp16|");
  EXPECT_EQ(parts("pytorch_model-00001-of-00002.bin"), "pytorch_model||shard");
  EXPECT_EQ(parts("model-of-5.bin"), "model-of-5||");
  EXPECT_EQ(parts("-of-1.bin"), "-of-1||");
}

TEST(FileRoles, WeightsByThemselves) {
  for (const auto* name : {"a.pt", "a.PTH", "a.bin", "a.safetensors", "a.pt2"})
    EXPECT_TRUE(is_weights_name(name)) << name;
  for (const auto* name : {"a", "a.", "a.pt.zip", "pt", "a.onnx", "a. .pt .x", ""})
    EXPECT_FALSE(is_weights_name(name)) << name;
}

}  // namespace
}  // namespace troupe::cache
