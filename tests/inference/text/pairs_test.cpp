// Two texts in one row: how files frame them, how they are cut, and what is refused.

#include "inference/text/tokenizer.hpp"

#include <algorithm>
#include <chrono>

#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

using ids = std::vector<std::int32_t>;
using types = std::vector<std::uint8_t>;
using tokenizer_ptr = std::shared_ptr<const tokenizer>;

// [CLS] is 1, [SEP] 2, "a" to "h" are 3 to 10.
constexpr const char* vocabulary =
    R"({"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"b":4,"c":5,"d":6,"e":7,"f":8,"g":9,"h":10})";

std::string special(const std::string& name, int type = 0) {
  return R"({"SpecialToken":{"id":")" + name + R"(","type_id":)" + std::to_string(type) + "}}";
}
std::string sequence(const std::string& name, int type = 0) {
  return R"({"Sequence":{"id":")" + name + R"(","type_id":)" + std::to_string(type) + "}}";
}
std::string list_of(const std::vector<std::string>& pieces) {
  std::string all;
  for (const auto& piece : pieces) all += (all.empty() ? "" : ",") + piece;
  return '[' + all + ']';
}
// A TemplateProcessing; `pair` is its JSON, empty: none.
std::string template_of(const std::string& pair) {
  return R"({"type":"TemplateProcessing","single":)" + list_of({special("[CLS]"), sequence("A"), special("[SEP]")}) +
         (pair.empty() ? "" : ",\"pair\":" + pair) +
         R"(,"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},)"
         R"("[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}})";
}
std::string file_with(const std::string& post_processor, const std::string& more = {}) {
  return R"({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":)" +
         post_processor + R"(,"model":{"type":"WordPiece","unk_token":"[UNK]","vocab":)" + vocabulary + "}" + more +
         "}";
}
result<tokenizer_ptr> load_file(const std::string& tokenizer_json, const std::string& config_json = {}) {
  scratch_folder scratch;
  write_file(scratch.path() / "tokenizer.json", tokenizer_json);
  if (!config_json.empty()) write_file(scratch.path() / "tokenizer_config.json", config_json);
  return tokenizer::load(scratch.path());
}
tokenizer_ptr loaded(const std::string& tokenizer_json, const std::string& config_json = {}) {
  auto t = load_file(tokenizer_json, config_json);
  if (!t) throw std::runtime_error(t.error().message + " / " + t.error().detail);
  return *t;
}
const std::string& bert_pair() {
  static const auto pieces =
      list_of({special("[CLS]"), sequence("A"), special("[SEP]"), sequence("B", 1), special("[SEP]", 1)});
  return pieces;
}

void expect_row(const result<encoding>& given, const ids& wanted, const types& wanted_types, bool truncated = false) {
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_EQ(given->ids, wanted);
  EXPECT_EQ(given->types, wanted_types);
  EXPECT_EQ(given->truncated, truncated);
}

// ---- frames ----

TEST(pairs, of_a_vocabulary_have_bert_s_frame) {
  scratch_folder scratch;
  write_file(scratch.path() / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n");
  const auto t = tokenizer::load(scratch.path());
  ASSERT_TRUE(t) << t.error().message;
  expect_row((*t)->encode_pair("a b", "c", 100), {2, 5, 6, 3, 7, 3}, {0, 0, 0, 0, 1, 1});
  const auto lone = (*t)->encode("a b", 100);
  EXPECT_EQ(lone->ids, (ids{2, 5, 6, 3}));
  EXPECT_TRUE(lone->types.empty()) << "of a lone text all are 0";
}

TEST(pairs, of_bert_processing_too) {
  const auto t = loaded(file_with(R"({"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]})"));
  expect_row(t->encode_pair("a b", "c", 100), {1, 3, 4, 2, 5, 2}, {0, 0, 0, 0, 1, 1});
}

TEST(pairs, follow_their_template) {
  expect_row(loaded(file_with(template_of(bert_pair())))->encode_pair("a b", "c", 100), {1, 3, 4, 2, 5, 2},
             {0, 0, 0, 0, 1, 1});
  // Types of a template without any: both texts are 0.
  const auto plain =
      list_of({special("[CLS]"), sequence("A"), special("[SEP]"), special("[SEP]"), sequence("B"), special("[SEP]")});
  expect_row(loaded(file_with(template_of(plain)))->encode_pair("a b", "c", 100), {1, 3, 4, 2, 2, 5, 2},
             {0, 0, 0, 0, 0, 0, 0});
  // The second may come first, and frames may be anything.
  const auto turned = list_of({sequence("B", 3), special("[SEP]", 255), sequence("A", 2)});
  const auto t = loaded(file_with(template_of(turned)));
  expect_row(t->encode_pair("a b", "c", 100), {5, 2, 3, 4}, {3, 255, 2, 2});
  EXPECT_EQ(t->encode("a b", 100)->ids, (ids{1, 3, 4, 2})) << "a lone text has its own";
  EXPECT_EQ(t->special_count(), 2U);
}

TEST(pairs, one_text_may_be_empty_and_both_may_not) {
  const auto t = loaded(file_with(template_of(bert_pair())));
  expect_row(t->encode_pair("", "c", 100), {1, 2, 5, 2}, {0, 0, 1, 1});
  expect_row(t->encode_pair("a", "", 100), {1, 3, 2, 2}, {0, 0, 0, 1});
  EXPECT_EQ(t->encode_pair("", "", 100).error().code, error_code::unprocessable);
  for (const auto& [first, second] : {std::pair{"a", "\xff"}, {"\xc3", "a"}}) {
    const auto bad = t->encode_pair(first, second, 100);
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.error().message.find("UTF-8"), std::string::npos) << bad.error().message;
  }
}

TEST(pairs, are_refused_where_the_files_describe_none) {
  for (const auto& pair : {std::string(), std::string("null")}) {
    const auto t = loaded(file_with(template_of(pair)));
    const auto refused = t->encode_pair("a", "b", 100);
    ASSERT_FALSE(refused) << pair;
    EXPECT_EQ(refused.error().code, error_code::unprocessable);
    EXPECT_EQ(refused.error().message, "this model's tokenizer describes no pairs of texts");
    EXPECT_EQ(t->encode("a", 100)->ids, (ids{1, 3, 2})) << "lone texts are served";
  }
  EXPECT_FALSE(loaded(file_with("null"))->encode_pair("a", "b", 100)) << "no frame at all";
}

// A BertTokenizer frames by itself; a file that says otherwise is told of, one that says nothing is not.
TEST(pairs, of_a_class_are_its_own) {
  const std::string config = R"({"tokenizer_class":"BertTokenizer","do_lower_case":true})";
  const auto notes = [&](const std::string& pair) {
    const auto t = loaded(file_with(template_of(pair)), config);
    expect_row(t->encode_pair("a b", "c", 100), {1, 3, 4, 2, 5, 2}, {0, 0, 0, 0, 1, 1});
    return t->notes();
  };
  EXPECT_EQ(notes(bert_pair()), "");
  EXPECT_EQ(notes(""), "");
  EXPECT_NE(notes(list_of({sequence("A"), sequence("B", 1)})).find("post_processor"), std::string::npos);
  EXPECT_NE(notes(list_of({sequence("A"), sequence("A")})).find("post_processor"), std::string::npos)
      << "nor a broken one";
}

// ---- hostile templates ----

TEST(pairs, templates_that_are_none_are_refused_with_their_place) {
  const auto refused = [](const std::string& pair, const std::string& words) {
    const auto t = load_file(file_with(template_of(pair)));
    ASSERT_FALSE(t) << pair;
    EXPECT_EQ(t.error().code, error_code::unprocessable);
    EXPECT_NE(t.error().message.find("'post_processor"), std::string::npos) << t.error().message;
    EXPECT_NE(t.error().message.find(words), std::string::npos) << t.error().message;
  };
  const auto a = sequence("A"), b = sequence("B", 1);
  refused(list_of({a}), "'post_processor.pair' must hold $A and $B once");
  refused(list_of({b}), "must hold $A and $B once");
  refused(list_of({a, a}), "must hold $A and $B once");
  refused(list_of({a, b, b}), "must hold $A and $B once");
  refused(list_of({a, b, sequence("C")}), "must hold $A and $B once");
  refused("[]", "must hold $A and $B once");
  refused(list_of({a, sequence("B", 256)}), "'post_processor.pair[1]' has a type_id above 255");
  refused(list_of({a, b, special("[SEP]", 300)}), "'post_processor.pair[2]' has a type_id above 255");
  refused(list_of({a, b, special("[BOS]")}), "lacks '[BOS]'");
  refused(list_of({a, b, "{}"}), "holds neither Sequence nor SpecialToken");
  refused(list_of({a, b, sequence("")}), "names no sequence");
  refused("3", "must be a list");
  refused("{}", "must be a list");
}

TEST(pairs, templates_have_a_bound) {
  std::vector<std::string> pieces{sequence("A"), sequence("B", 1)};
  while (pieces.size() < 64) pieces.push_back(special("[SEP]"));
  const auto t = loaded(file_with(template_of(list_of(pieces))));
  EXPECT_EQ(t->encode_pair("a", "b", 100)->ids.size(), 64U);
  while (pieces.size() < 100) pieces.push_back(special("[SEP]"));
  const auto many = load_file(file_with(template_of(list_of(pieces))));
  ASSERT_FALSE(many);
  EXPECT_NE(many.error().message.find("more than 64 pieces"), std::string::npos) << many.error().message;
  // Few pieces of many ids are no way around it, in neither template.
  std::string some = "2";
  for (int i = 1; i < 40; ++i) some += ",2";
  const auto with_many_ids = [&](std::string file) {
    file.replace(file.find("\"ids\":[2]"), 9, "\"ids\":[" + some + "]");
    return load_file(file);
  };
  EXPECT_TRUE(with_many_ids(file_with(template_of("")))) << "40 and one";
  auto twice = file_with(template_of(""));
  twice.insert(twice.find("\"single\":[") + 10, special("[SEP]") + ',');
  for (const auto& file : {twice, file_with(template_of(bert_pair()))}) {
    const auto large = with_many_ids(file);
    ASSERT_FALSE(large) << file;
    EXPECT_NE(large.error().message.find("adds more than 64 tokens"), std::string::npos) << large.error().message;
  }
}

// ---- cutting ----

// `n` different tokens, from `first` on.
std::string words(std::size_t n, std::size_t first = 0) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) out += std::string(1, static_cast<char>('a' + (first + i) % 8)) + ' ';
  return out;
}

// As the library says it does: token by token from the longer one. Where they are as long, from the one that was
// shorter; the second keeps the odd one.
std::pair<std::size_t, std::size_t> cut_one_by_one(std::size_t a, std::size_t b, std::size_t room) {
  const bool first_was_longer = a > b;
  while (a + b > room) (a > b || (a == b && !first_was_longer) ? a : b)--;
  return {a, b};
}

TEST(pairs, the_longer_one_is_cut_first) {
  const auto t = loaded(file_with(template_of(bert_pair())));
  constexpr std::uint32_t specials = 3;
  for (std::size_t a = 0; a <= 13; ++a)
    for (std::size_t b = a == 0 ? 1 : 0; b <= 13; ++b)
      for (std::uint32_t room = 2; room <= 28; ++room) {
        const auto row = t->encode_pair(words(a), words(b), room + specials);
        ASSERT_TRUE(row) << row.error().message;
        const auto [kept_a, kept_b] = cut_one_by_one(a, b, room);
        const auto second = std::count(row->types.begin(), row->types.end(), 1);
        ASSERT_EQ(row->ids.size(), kept_a + kept_b + specials) << a << ' ' << b << ' ' << room;
        ASSERT_EQ(static_cast<std::size_t>(second), kept_b + 1) << a << ' ' << b << ' ' << room;
        ASSERT_EQ(row->types.size(), row->ids.size());
        ASSERT_EQ(row->truncated, a + b > room) << a << ' ' << b << ' ' << room;
      }
}

TEST(pairs, the_odd_token_is_the_second_s_or_the_longer_one_s) {
  const auto t = loaded(file_with(template_of(bert_pair())));
  expect_row(t->encode_pair("a b c d", "e f g h", 8), {1, 3, 4, 2, 7, 8, 9, 2}, {0, 0, 0, 0, 1, 1, 1, 1}, true);
  expect_row(t->encode_pair("a b c d", "e f g h", 7), {1, 3, 4, 2, 7, 8, 2}, {0, 0, 0, 0, 1, 1, 1}, true);
  expect_row(t->encode_pair("a b c d e", "e f g h", 8), {1, 3, 4, 5, 2, 7, 8, 2}, {0, 0, 0, 0, 0, 1, 1, 1}, true);
  expect_row(t->encode_pair("a", "e f g h", 6), {1, 3, 2, 7, 8, 2}, {0, 0, 0, 1, 1, 1}, true);
  expect_row(t->encode_pair("a b c d", "e", 6), {1, 3, 4, 2, 7, 2}, {0, 0, 0, 0, 1, 1}, true);
}

TEST(pairs, are_cut_at_the_side_that_the_files_name) {
  const auto left = loaded(file_with(template_of(bert_pair()), R"(,"truncation":{"direction":"Left","max_length":512,)"
                                                               R"("strategy":"LongestFirst","stride":0})"));
  expect_row(left->encode_pair("a b c d", "e f g h", 8), {1, 5, 6, 2, 8, 9, 10, 2}, {0, 0, 0, 0, 1, 1, 1, 1}, true);
  expect_row(left->encode_pair("a b", "e f", 8), {1, 3, 4, 2, 7, 8, 2}, {0, 0, 0, 0, 1, 1, 1});
}

TEST(pairs, need_room_for_a_token_of_each) {
  const auto t = loaded(file_with(template_of(bert_pair())));
  expect_row(t->encode_pair("a b", "c d", 5), {1, 3, 2, 5, 2}, {0, 0, 0, 1, 1}, true);
  for (const std::uint32_t length : {0U, 1U, 3U, 4U}) {
    const auto refused = t->encode_pair("a", "b", length);
    ASSERT_FALSE(refused) << length;
    EXPECT_EQ(refused.error().message, "a length of " + std::to_string(length) + " leaves no room for two texts");
  }
}

TEST(pairs, long_ones_take_linear_time) {
  const auto t = loaded(file_with(template_of(bert_pair())));
  const auto text = words(500'000);
  const auto start = std::chrono::steady_clock::now();
  const auto row = t->encode_pair(text, text, 512);
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 3.0);
  EXPECT_EQ(row->ids.size(), 512U);
}

}  // namespace
}  // namespace troupe::inference::tests
