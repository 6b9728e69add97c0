#include "inference/tasks/labels.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

// Of a classifier with `logits` rows.
result<label_names> read_from(const std::string& config, std::int64_t logits, const names& registered = {}) {
  head_kit kit;
  kit.config = parsed(config);
  kit.spec.labels = registered;
  kit.plan.logits = logits;
  return read_labels(kit.source());
}
names labels(const std::string& config, std::int64_t logits, const names& registered = {}) {
  const auto read = read_from(config, logits, registered);
  return read ? read->names : names{"refused: " + read.error().message};
}
error refusal(const std::string& config, std::int64_t logits, const names& registered = {}) {
  const auto read = read_from(config, logits, registered);
  EXPECT_FALSE(read) << config;
  auto problem = read ? error{} : read.error();
  EXPECT_TRUE(read || problem.code == error_code::unprocessable) << problem.message;
  return problem;
}

TEST(labels, labels_are_in_the_order_of_their_numbers) {
  EXPECT_EQ(labels(R"({"id2label": {"2": "c", "0": "a", "1": "b"}})", 3), (names{"a", "b", "c"}));
  EXPECT_EQ(labels(R"({"id2label": {"10": "k", "9": "j", "0": "a", "1": "b", "2": "c", "3": "d", "4": "e", "5": "f",
                       "6": "g", "7": "h", "8": "i"}})",
                   11)
                .back(),
            "k");
  EXPECT_EQ(labels(R"({"label2id": {"yes": 1, "no": 0}})", 2), (names{"no", "yes"}));
  EXPECT_EQ(labels(R"({"id2label": {"0": "a", "1": "b"}, "label2id": {"x": 0, "y": 1}})", 2), (names{"a", "b"}));
  EXPECT_EQ(labels("{}", 3), (names{"LABEL_0", "LABEL_1", "LABEL_2"}));
  EXPECT_EQ(labels(R"({"id2label": null})", 1), (names{"LABEL_0"}));
}

TEST(labels, a_label_is_what_python_would_write) {
  EXPECT_EQ(labels(R"({"id2label": {"0": 1.50, "1": true, "2": null, "3": 100000000000000000000000}})", 4),
            (names{"1.50", "True", "None", "100000000000000000000000"}));
  const auto problem = refusal(R"({"id2label": {"0": ["a"]}})", 1);
  EXPECT_NE(problem.message.find("config.json:1:20: 'id2label.0'"), std::string::npos) << problem.message;
}

TEST(labels, the_registry_s_labels_win) {
  EXPECT_EQ(labels(R"({"id2label": {"0": "a", "1": "b"}})", 2, {"x", "y"}), (names{"x", "y"}));
  EXPECT_EQ(labels(R"({"id2label": {"7": "a"}})", 2, {"x", "y"}), (names{"x", "y"})) << "what is wrong is not needed";
  EXPECT_EQ(refusal(R"({"id2label": {"0": "a", "1": "b"}})", 2, {"x"}).message,
            "'labels' in the registry names 1 labels, the classifier has 2");
}

TEST(labels, labels_that_do_not_fit_are_refused_with_their_place) {
  const auto few = refusal("{\n  \"id2label\": {\"0\": \"a\"}}", 2);
  EXPECT_EQ(few.message.substr(0, 18), "config.json:2:15: ") << few.message;
  EXPECT_NE(few.message.find("'id2label' names 1 labels, the classifier has 2"), std::string::npos) << few.message;
  EXPECT_NE(refusal(R"({"label2id": {"a": 0}})", 2).message.find("'label2id' names 1"), std::string::npos);
  EXPECT_NE(refusal(R"({"id2label": {"0": "a", "2": "b"}})", 2).message.find("1 has no name"), std::string::npos);
  EXPECT_NE(refusal(R"({"id2label": {"x": "a"}})", 1).message.find("no label number"), std::string::npos);
  EXPECT_NE(refusal(R"({"id2label": ["a"]})", 1).message.find("an object"), std::string::npos);
  EXPECT_NE(refusal(R"({"label2id": {"a": "b"}})", 1).message.find("a label number"), std::string::npos);
  const auto twice = check_told_apart({"y", "same", "x", "same"});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().message, "two labels are named 'same'");
  EXPECT_TRUE(check_told_apart({"x", "y"}));
}

TEST(labels, a_num_labels_that_differs_from_the_names_wins) {
  const auto read = read_from(R"({"num_labels": 3, "id2label": {"0": "a", "1": "b"}})", 3);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->names, (names{"LABEL_0", "LABEL_1", "LABEL_2"}));
  EXPECT_NE(read->notes.find("num_labels is 3"), std::string::npos) << read->notes;
  const auto same = read_from(R"({"num_labels": 2, "id2label": {"0": "a", "1": "b"}})", 2);
  EXPECT_EQ(same->names, (names{"a", "b"}));
  EXPECT_EQ(same->notes, "");
  EXPECT_NE(refusal(R"({"num_labels": 0, "id2label": {"0": "a"}})", 1).message.find("'num_labels' must be"),
            std::string::npos);
}

}  // namespace
}  // namespace troupe::inference::tests
