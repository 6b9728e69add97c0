#include "inference/tasks/text_reader.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

std::shared_ptr<recorded_tokenizer> recorded() {
  auto tokens = std::make_shared<recorded_tokenizer>();
  tokens->texts["a"].ids = {1, 2, 3};
  tokens->texts["long"] = {{1, 2, 3, 4}, {}, true, {}, {}, {}};
  tokens->texts["a\nb"] = {{1, 2, 3, 4}, {0, 0, 1, 1}, false, {}, {}, {}};
  return tokens;
}

TEST(text_reader, reads_what_the_model_takes) {
  const text_reader reader(recorded(), 4, 2, 100);
  EXPECT_EQ(reader.read(std::string("a"), {}, false)->ids.size(), 3U);
  EXPECT_EQ(reader.read(text_pair{"a", "b"}, {}, false)->types.size(), 4U);
  EXPECT_EQ(reader.read(token_ids{{7}}, {}, false)->ids, std::vector<std::int32_t>{7});
  EXPECT_EQ(problem_of(reader.read(media{}, {}, false), error_code::unprocessable),
            "this model takes a text, not " + std::string(kind_of(input(media{}))));
  EXPECT_FALSE(reader.ids({{}}));
  EXPECT_FALSE(reader.ids({{100}}));
  EXPECT_FALSE(reader.ids({{-1}}));
  EXPECT_FALSE(reader.ids({{1, 2, 3, 4, 5}}));
}

TEST(text_reader, truncation_is_as_it_is_asked_for) {
  const auto tokens = recorded();
  const text_reader reader(tokens, 4, 2, 100);
  task_parameters given;
  EXPECT_TRUE(reader.text("long", given, false)->truncated);
  EXPECT_FALSE(tokens->last_options.cut_left);
  given.truncate_left = true;
  EXPECT_TRUE(reader.text("long", given, true));
  EXPECT_EQ(tokens->last_options.cut_left, true);
  EXPECT_TRUE(tokens->last_options.details);
  EXPECT_EQ(tokens->last_options.length_max, 4U);
  given.truncate = false;
  EXPECT_EQ(problem_of(reader.text("long", given, false), error_code::unprocessable),
            "the text is longer than the model takes, and 'truncate' is false | at most 4 tokens");
  EXPECT_TRUE(reader.text("a", given, false));
}

TEST(text_reader, pairs_need_token_types_for_both) {
  EXPECT_NE(problem_of(text_reader(recorded(), 4, 1, 100).pair("a", "b", {}, false), error_code::unprocessable)
                .find("takes one text, not a pair"),
            std::string::npos);
  EXPECT_TRUE(text_reader(recorded(), 4, 0, 100).pair("a", "b", {}, false)->types.empty());
}

TEST(text_reader, windows_are_not_too_many) {
  const auto tokens = recorded();
  const text_reader reader(tokens, 12, 2, 100);  // ten tokens of text a window
  const std::string text(5000, 'a');
  tokens->windows[text].resize(2);
  tokens->texts[text].ids.resize(1500);
  EXPECT_EQ(reader.windows(text, 0, {})->size(), 2U);
  EXPECT_TRUE(reader.windows(text, 8, {})) << "750 windows";
  EXPECT_NE(problem_of(reader.windows(text, 9, {}), error_code::bad_request).find("'stride' makes too many windows"),
            std::string::npos);
  EXPECT_NE(problem_of(reader.windows(text, 10, {}), error_code::bad_request).find("'stride' is 10"),
            std::string::npos);
  EXPECT_TRUE(tokens->last_options.length_max == UINT32_MAX || tokens->last_options.length_max == 12);
}

}  // namespace
}  // namespace troupe::inference::tests
