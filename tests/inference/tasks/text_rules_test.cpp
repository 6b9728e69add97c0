#include "inference/tasks/text_rules.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

TEST(text_rules, lower_case_as_sentence_transformers) {
  text_rules rules;
  EXPECT_EQ(rules.applied("Q: ", "ABC"), "Q: ABC");
  rules.lower_case = true;
  rules.kept = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  EXPECT_EQ(rules.applied("Q: ", "ABC"), "q: abc");
  const auto json = reference("lower_case.json");
  for (const auto one : dom::array(json.root()["cases"]))
    EXPECT_EQ(rules.applied({}, string_of(one, "text")), string_of(one, "lower"));
  EXPECT_EQ(rules.applied({}, "A\xFF"), "A\xFF") << "for the tokenizer to refuse";
  rules.kept = {"A", "AB"};
  EXPECT_EQ(rules.applied({}, "xABC"), "xABc") << "the longest that stands there";
}

}  // namespace
}  // namespace troupe::inference::tests
