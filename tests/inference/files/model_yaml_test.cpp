#include "inference/files/model_yaml.hpp"

#include <gtest/gtest.h>

namespace troupe::inference {
namespace {

model_yaml parsed(std::string_view text) {
  auto made = model_yaml::parse(text, "config.yaml");
  EXPECT_TRUE(made.has_value()) << made.error().message;
  return std::move(*made);
}
std::string refusal(std::string_view text) {
  const auto made = model_yaml::parse(text, "config.yaml");
  return made ? "" : made.error().message;
}

TEST(model_yaml, reads_what_a_publisher_writes) {
  const auto yaml = parsed(
      "# a comment\nmodel: Paraformer\nencoder_conf:\n    output_size: 512\n    eps: 1e-12\n    chunk_size:\n    - 12\n"
      "    - 15\n    normalize_before: true\n    empty:\n    word: \"512\"\npunc_list: ['<unk>', _, ，]\n");
  const auto root = yaml.root();
  EXPECT_EQ(root["model"].text().value(), "Paraformer");
  const auto encoder = root["encoder_conf"];
  EXPECT_EQ(encoder["output_size"].whole(1, 1000).value(), 512);
  EXPECT_EQ(encoder["eps"].number(0, 1).value(), 1e-12);
  EXPECT_EQ(encoder["chunk_size"].wholes(0, 100).value(), (std::vector<std::int64_t>{12, 15}));
  EXPECT_TRUE(encoder["normalize_before"].flag().value());
  EXPECT_FALSE(encoder["empty"].present());
  EXPECT_FALSE(encoder["absent"]["deeper"][std::size_t{3}].present());
  EXPECT_FALSE(encoder["word"].whole(1, 1000)) << "a quoted number is a text";
  EXPECT_EQ(root["punc_list"].texts().value(), (std::vector<std::string>{"<unk>", "_", "，"}));
  EXPECT_EQ(root.keys(), (std::vector<std::string>{"model", "encoder_conf", "punc_list"}));
}

TEST(model_yaml, says_where_and_what_is_wrong) {
  const auto yaml = parsed("model: x\nencoder_conf:\n  output_size: many\n  kinds: [1, b]\n");
  const auto encoder = yaml.root()["encoder_conf"];
  EXPECT_EQ(encoder["output_size"].whole(1, 9).error().message,
            "config.yaml:3:16: 'encoder_conf.output_size' must be a whole number from 1 to 9");
  EXPECT_EQ(encoder["heads"].whole(1, 9).error().message,
            "config.yaml:3:3: 'encoder_conf.heads' must be a whole number from 1 to 9, and is missing");
  EXPECT_EQ(encoder["kinds"].wholes(0, 9).error().message,
            "config.yaml:4:14: 'encoder_conf.kinds[1]' must be a whole number from 0 to 9");
  EXPECT_EQ(refusal("a: [1, 2\nb: 3\n").find("config.yaml:2:2: is not usable YAML: "), 0U)
      << refusal("a: [1, 2\nb: 3\n");
}

TEST(model_yaml, refuses_what_is_no_map_and_what_has_two_meanings) {
  EXPECT_NE(refusal(""), "");
  EXPECT_NE(refusal("- a\n"), "");
  EXPECT_NE(refusal("word"), "");
  EXPECT_NE(refusal("a: 1\n---\nb: 2\n"), "");
  EXPECT_NE(refusal("a: 1\na: 2\n").find("twice"), std::string::npos);
  EXPECT_NE(refusal("a: &x {b: 1}\nc:\n  <<: *x\n").find("merged"), std::string::npos);
  EXPECT_NE(refusal("? [a]\n: 1\n").find("key"), std::string::npos);
  EXPECT_NE(refusal(std::string("a: \xff\xfe\n")), "");
}

TEST(model_yaml, aliases_cost_nothing_and_cannot_go_round) {
  const auto yaml = parsed("sizes: &s [5, 10]\nagain: *s\n");
  EXPECT_EQ(yaml.root()["again"].wholes(0, 10).value(), (std::vector<std::int64_t>{5, 10}));
  EXPECT_NE(refusal("a: &x [*x]\n").find("names nothing"), std::string::npos);
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 60; ++i) {
    const auto before = "*a" + std::to_string(i - 1), own = "a" + std::to_string(i);
    bomb += own + ": &" + own + " [" + before + ", " + before + "]\n";
  }
  EXPECT_EQ(parsed(bomb).root()["a59"].size(), 2U);
}

TEST(model_yaml, is_bounded) {
  std::string deep = "a: ";
  deep += std::string(1000, '[') + std::string(1000, ']');
  EXPECT_NE(refusal(deep).find("deeper"), std::string::npos) << refusal(deep);
  std::string wide;
  for (int i = 0; i < 5000; ++i) wide += "k" + std::to_string(i) + ":\n";
  EXPECT_NE(refusal(wide).find("too many keys"), std::string::npos);
}

TEST(model_yaml, a_reader_keeps_the_first_error_and_what_was_there) {
  const auto yaml = parsed("a: 3\nb: x\nc: y\n");
  const auto root = yaml.root();
  std::int64_t a = 7, absent = 8;
  EXPECT_TRUE(yaml_reader().whole(root["a"], a, 0, 9).whole(root["absent"], absent, 0, 9).done());
  EXPECT_EQ(a, 3);
  EXPECT_EQ(absent, 8);
  const auto wrong = yaml_reader().expect(root["b"], "z").expect(root["c"], "z").done();
  EXPECT_EQ(wrong.error().message, "config.yaml:2:4: 'b' is 'x', which is not known");
  EXPECT_EQ(wrong.error().detail, "only z is");
  EXPECT_FALSE(yaml_reader().expect(root["a"], 4).done());
  EXPECT_FALSE(yaml_reader().need(root["d"]).done());
}

}  // namespace
}  // namespace troupe::inference
