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

precision_question open_question(std::vector<precision> candidates, bool vectors = true) {
  return {precision::automatic, std::move(candidates), 0.02, true, vectors, "a CPU"};
}
precision_choice choice_of(precision chosen, bool vectors = true, std::string cpu = "another CPU") {
  return {chosen, std::move(cpu), false, {fp32, {"bf16", 180, 0, vectors}, {"int8", 170, 0, vectors}}, vectors};
}
std::vector<precision> loads(const precision_question& asked, const std::optional<precision_choice>& kept) {
  const auto plan = plan_precisions(asked, kept);
  return plan ? plan->to_load : std::vector<precision>{};
}
using several = std::vector<precision>;

TEST(plan_precisions, vectors_stay_in_what_was_chosen_for_them) {
  for (const auto& here : {several{}, several{precision::bf16}, several{precision::int8}})
    for (const auto chosen : {precision::fp32, precision::bf16, precision::int8}) {
      const auto plan = plan_precisions(open_question(here), choice_of(chosen));
      ASSERT_TRUE(plan);
      EXPECT_EQ(plan->to_load, several{chosen});
      EXPECT_EQ(plan->measured.size(), 3U) << "they are told";
      EXPECT_FALSE(plan->to_keep);
    }
  auto uncompared = open_question({precision::bf16});
  uncompared.tolerance = 0;
  EXPECT_EQ(loads(uncompared, choice_of(precision::fp32)), several{precision::fp32});
}

TEST(plan_precisions, what_was_chosen_for_vectors_and_is_not_computed_here_is_refused) {
  auto asked = open_question({});
  asked.int8_computed = false;
  const auto refused = plan_precisions(asked, choice_of(precision::int8));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, error_code::unprocessable);
  EXPECT_NE(refused.error().message.find("int8"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().detail.find("settings name"), std::string::npos) << refused.error().detail;
  asked.asked = precision::fp32;
  EXPECT_EQ(loads(asked, choice_of(precision::int8)), several{precision::fp32}) << "a named one is taken";
  asked.asked = precision::int8;
  EXPECT_FALSE(plan_precisions(asked, std::nullopt));
}

TEST(plan_precisions, vectors_stay_also_where_there_was_nothing_to_choose_from) {
  const auto first = plan_precisions(open_question({}), std::nullopt);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->to_load, several{precision::fp32});
  EXPECT_TRUE(first->to_keep);
  const precision_choice kept{precision::fp32, "a CPU", false, {}, true};
  EXPECT_EQ(loads(open_question({precision::bf16}), kept), several{precision::fp32});
  EXPECT_FALSE(plan_precisions(open_question({}, false), std::nullopt)->to_keep) << "answers that nobody stores";
}

TEST(plan_precisions, what_is_no_vector_follows_the_cpu) {
  EXPECT_EQ(loads(open_question({}, false), choice_of(precision::bf16, false)), several{precision::fp32});
  EXPECT_EQ(loads(open_question({precision::bf16}, false), choice_of(precision::bf16, false)),
            (several{precision::fp32, precision::bf16}))
      << "measured on another CPU";
  EXPECT_EQ(loads(open_question({precision::bf16}, false), choice_of(precision::fp32, false, "a CPU")),
            several{precision::bf16})
      << "by the figures, not by the choice";
}

TEST(plan_precisions, one_that_is_named_says_nothing_of_what_is_open) {
  auto named = choice_of(precision::int8);
  named.named = true;
  EXPECT_EQ(loads(open_question({precision::bf16}), named), (several{precision::fp32, precision::bf16}));
  EXPECT_TRUE(plan_precisions(open_question({}), named)->to_keep);
}

TEST(plan_precisions, what_figures_of_a_named_one_say_of_vectors_is_kept) {
  auto named = choice_of(precision::int8, true, "a CPU");
  named.named = true;
  const auto plan = plan_precisions(open_question({precision::int8}), named);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->to_load.size(), 1U);
  EXPECT_EQ(plan->measured.size(), named.measured.size());
  EXPECT_TRUE(plan->to_keep) << "else another CPU would choose anew";
  named.vectors = false;
  EXPECT_FALSE(plan_precisions(open_question({precision::int8}, false), named)->to_keep);
}

TEST(plan_precisions, without_a_tolerance_nothing_is_compared) {
  auto asked = open_question({precision::bf16, precision::int8});
  asked.tolerance = 0;
  EXPECT_EQ(loads(asked, std::nullopt), several{precision::bf16});
  asked.candidates = {precision::int8};
  EXPECT_EQ(loads(asked, std::nullopt), several{precision::fp32}) << "int8 is not taken unseen";
  asked.asked = precision::int8;
  EXPECT_EQ(loads(asked, std::nullopt), several{precision::int8}) << "unless it is named";
  asked.int8_computed = false;
  EXPECT_FALSE(plan_precisions(asked, std::nullopt));
}

TEST(plan_precisions, one_that_is_named_is_measured_once) {
  auto asked = open_question({});
  asked.asked = precision::int8;
  EXPECT_EQ(loads(asked, std::nullopt), (several{precision::fp32, precision::int8}));
  auto kept = choice_of(precision::fp32, true, "a CPU");
  EXPECT_EQ(loads(asked, kept), several{precision::int8});
  kept.measured.back().difference = 0.5;
  const auto refused = plan_precisions(asked, kept);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("differs by 0.5"), std::string::npos) << refused.error().detail;
}

TEST(choice_after, a_named_precision_does_not_take_the_place_of_what_vectors_were_in) {
  precision_choice made{precision::int8, "a CPU", true, {fp32, {"int8", 180, 0, true}}, true};
  auto kept = choice_after(choice_of(precision::bf16), made);
  EXPECT_EQ(kept.chosen, precision::bf16);
  EXPECT_FALSE(kept.named);
  EXPECT_EQ(kept.measured.size(), 2U);
  EXPECT_TRUE(choice_after(std::nullopt, made).named);
  made.named = false;
  EXPECT_EQ(choice_after(choice_of(precision::bf16), made).chosen, precision::int8);
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
  EXPECT_FALSE(kept->vectors);
  keep_choice(file, {precision::fp32, "a CPU", false, {}, true});
  EXPECT_TRUE(read_choice(file)->vectors);
  EXPECT_TRUE(read_choice(file)->measured.empty());
  EXPECT_TRUE(covers(*kept, {precision::int8}));
  EXPECT_FALSE(covers(*kept, {precision::bf16}));
}

TEST(kept_choice, of_vectors_is_told_by_its_figures_in_an_older_note) {
  const scratch_folder scratch;
  const auto file = scratch.path() / "a.json";
  for (const bool vectors : {false, true}) {
    write_file(file, R"({"chosen": "int8", "measured": [{"precision": "int8", "texts_per_s": 1, "difference": 0, )"
                     R"("vectors": )" +
                         std::string(vectors ? "true" : "false") + "}]}");
    EXPECT_EQ(read_choice(file)->vectors, vectors);
  }
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
