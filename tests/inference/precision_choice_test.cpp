// Which precision `auto` takes, and which named one is refused.

#include "inference/precision_choice.hpp"

#include <cmath>

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

const precision_figures fp32{"fp32", 100, 0, false};

TEST(choose_precision, takes_the_fastest_that_agrees) {
  EXPECT_EQ(choose_precision({fp32, {"int8", 180, 0.004, false}}, 0.02), precision::int8);
  EXPECT_EQ(choose_precision({fp32, {"int8", 180, 0.03, false}}, 0.02), precision::fp32);
  EXPECT_EQ(choose_precision({fp32, {"bf16", 160, 0.003, false}, {"int8", 180, 0.03, false}}, 0.02), precision::bf16);
  EXPECT_EQ(choose_precision({fp32, {"bf16", 190, 0.003, false}, {"int8", 180, 0.003, false}}, 0.02), precision::bf16);
}

TEST(choose_precision, leaves_fp32_only_for_a_gain) {
  EXPECT_EQ(choose_precision({fp32, {"int8", 104, 0, false}}, 0.02), precision::fp32);
  EXPECT_EQ(choose_precision({fp32, {"int8", 60, 0, false}}, 0.02), precision::fp32);
}

TEST(choose_precision, holds_vectors_to_a_cosine) {
  EXPECT_EQ(choose_precision({fp32, {"int8", 180, 0.0002, true}}, 0.02), precision::fp32);
  EXPECT_EQ(choose_precision({fp32, {"int8", 180, 0.00005, true}}, 0.02), precision::int8);
}

TEST(choose_precision, never_takes_what_cannot_be_compared) {
  EXPECT_EQ(choose_precision({fp32, {"int8", 180, std::nan(""), false}}, 1), precision::fp32);
}

TEST(check_precision, refuses_a_named_one_with_its_figures) {
  const std::vector<precision_figures> measured{fp32, {"int8", 180, 0.25, false}};
  EXPECT_TRUE(check_precision(precision::int8, measured, 0.3));
  const auto refused = check_precision(precision::int8, measured, 0.02);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::unprocessable);
  EXPECT_NE(refused.error().detail.find("int8: 180.0 texts/s, differs by 0.25"), std::string::npos)
      << refused.error().detail;
}

TEST(kept_choice, is_read_as_it_was_written) {
  const scratch_folder scratch;
  const auto file = scratch.path() / "a.json";
  EXPECT_FALSE(read_choice(file));
  keep_choice(file, {precision::int8, "a CPU", true, {fp32, {"int8", 181.5, std::nan(""), true}}});
  const auto kept = read_choice(file);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->chosen, precision::int8);
  EXPECT_EQ(kept->cpu_model, "a CPU");
  EXPECT_TRUE(kept->named);
  ASSERT_EQ(kept->measured.size(), 2U);
  EXPECT_EQ(kept->measured[1].precision, "int8");
  EXPECT_DOUBLE_EQ(kept->measured[1].texts_per_s, 181.5);
  EXPECT_TRUE(std::isnan(kept->measured[1].difference));
  EXPECT_TRUE(kept->measured[1].vectors);
  EXPECT_TRUE(covers(*kept, {precision::int8}));
  EXPECT_FALSE(covers(*kept, {precision::bf16}));
}

TEST(kept_choice, that_is_broken_is_none) {
  const scratch_folder scratch;
  for (const char* text : {"", "{}", "[]", R"({"chosen":"int4","measured":[]})", R"({"chosen":"int8","measured":3})",
                           R"({"chosen":"int8","measured":[{"precision":"int8"}]})"}) {
    write_file(scratch.path() / "a.json", text);
    EXPECT_FALSE(read_choice(scratch.path() / "a.json")) << text;
  }
}

}  // namespace
}  // namespace troupe::inference::tests
