// What the reference of token_classification_test does not reach.

#include "inference/tasks/entities.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

text_span span(std::uint32_t begin, std::uint32_t end, float score, std::string label = "x") {
  text_span made;
  made.begin = begin;
  made.end = end;
  made.score = score;
  made.label = std::move(label);
  return made;
}
std::string labels_of(const std::vector<text_span>& found) {
  std::string all;
  for (const auto& one : found) all += one.label;
  return all;
}

TEST(without_overlaps, keeps_the_longest_then_the_surest) {
  EXPECT_TRUE(without_overlaps({}).empty());
  EXPECT_EQ(labels_of(without_overlaps({span(0, 3, 0.9F, "a"), span(1, 5, 0.1F, "b")})), "b");
  EXPECT_EQ(labels_of(without_overlaps({span(0, 3, 0.1F, "a"), span(1, 4, 0.9F, "b")})), "b");
  EXPECT_EQ(labels_of(without_overlaps({span(0, 3, 0.9F, "a"), span(1, 4, 0.9F, "b")})), "a");
  EXPECT_EQ(labels_of(without_overlaps({span(5, 6, 1, "b"), span(0, 3, 1, "a"), span(3, 4, 1, "c")})), "acb");
  EXPECT_EQ(labels_of(without_overlaps({span(0, 3, NAN, "a"), span(1, 4, NAN, "b")})), "a");
}

// A first one without characters overlaps nothing, itself included: transformers 5.23 gives it twice, we do not.
TEST(without_overlaps, of_no_characters_is_given_once) {
  EXPECT_EQ(labels_of(without_overlaps({span(0, 0, 1, "a"), span(0, 3, 1, "b")})), "ab");
}

TEST(word_writer, the_text_s_own_characters_stand_for_unknown_tokens) {
  recorded_tokenizer tokens;
  tokens.tokens = {"[UNK]", "a", "##b"};
  tokens.prefix = "##";
  tokens.named.unk = 0;
  const word_writer words(tokens);
  const std::vector<word_piece> pieces{{0, "[UNK]!"}, {1, ""}, {2, ""}, {0, "☂"}};
  EXPECT_EQ(words.joined(pieces), "[UNK]! ab ☂");
  EXPECT_EQ(words.token(pieces[3]), "☂");
  EXPECT_EQ(words.token(pieces[2]), "##b");
  EXPECT_EQ(words.joined({}), "");
}

}  // namespace
}  // namespace troupe::inference::tests
