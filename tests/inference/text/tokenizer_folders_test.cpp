// Folders whose files say things of their tokenizer in many places: the ids of transformers' AutoTokenizer
// (tests/parity/make_tokenizer_folders.py), and what is refused.

#include "inference/files/model_json.hpp"
#include "inference/text/tokenizer.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

namespace dom = simdjson::dom;

const model_json& reference() {
  static const auto file = model_json::read(fixtures() / "inference" / "tokenizer_folders.json", 16U << 20U);
  if (!file) throw std::runtime_error(file.error().message);
  return *file;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// The vocabulary of all cases: as a vocab.txt, and as JSON.
std::vector<std::string> words() {
  std::vector<std::string> out;
  for (const auto word : dom::array(reference().root()["words"])) out.emplace_back(std::string_view(word));
  return out;
}
std::string vocabulary_txt() {
  std::string out;
  for (const auto& word : words()) out += word + '\n';
  return out;
}
std::string vocabulary_json() {
  std::string out = "{";
  for (int id = 0; const auto& word : words())
    out += (id == 0 ? "" : ",") + json_string(word) + ':' + std::to_string(id), ++id;
  return out + '}';
}

std::vector<dom::element> cases() {
  std::vector<dom::element> out;
  for (const auto one : dom::array(reference().root()["cases"])) out.push_back(one);
  return out;
}

TEST(tokenizer_folders, give_the_ids_of_the_reference) {
  const auto txt = vocabulary_txt(), json = vocabulary_json();
  ASSERT_GT(cases().size(), 80U);
  for (const auto one : cases()) {
    const std::string_view name = one["name"];
    SCOPED_TRACE(std::string(name));
    scratch_folder scratch;
    for (const auto [file, content] : dom::object(one["files"])) {
      std::string text{std::string_view(content)};
      replace_all(text, "\"VOCABULARY\"", json);
      if (text == "VOCABULARY") text = txt;
      write_file(scratch.path() / file, text);
    }
    const auto t = tokenizer::load(scratch.path());
    ASSERT_TRUE(t) << t.error().message;
    const auto length = static_cast<std::uint32_t>(std::uint64_t(one["length"]));
    EXPECT_EQ((*t)->length_max(), length);
    for (std::size_t i = 0; const auto text : dom::array(reference().root()["texts"])) {
      const auto got = (*t)->encode(std::string_view(text), length == 0 ? 64 : length);
      ASSERT_TRUE(got) << got.error().message;
      std::vector<std::int32_t> want;
      for (const auto id : dom::array(dom::array(one["ids"]).at(i++)))
        want.push_back(static_cast<std::int32_t>(std::int64_t(id)));
      EXPECT_EQ(got->ids, want) << std::string_view(text);
    }
  }
}

// A folder with a vocabulary and whatever else is written into it.
class other_files : public testing::Test {
 protected:
  other_files() { write("vocab.txt", vocabulary_txt()); }
  void write(const std::string& name, const std::string& text) { write_file(scratch_.path() / name, text); }
  void whole() {
    fs::remove(scratch_.path() / "vocab.txt");
    write("tokenizer.json", R"({"added_tokens": [], "normalizer": {"type": "BertNormalizer", "lowercase": true},
      "pre_tokenizer": {"type": "BertPreTokenizer"}, "truncation": null,
      "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
      "model": {"type": "WordPiece", "vocab": )" +
                                vocabulary_json() + "}}");
  }
  // "": it was loaded.
  std::string refusal(std::int64_t embeddings = INT32_MAX) const {
    const auto t = tokenizer::load(scratch_.path(), embeddings);
    if (t) return {};
    EXPECT_EQ(t.error().code, error_code::unprocessable);
    EXPECT_EQ(t.error().message.find('\n'), std::string::npos);
    return t.error().message + " / " + t.error().detail;
  }
  static testing::AssertionResult says(const std::string& message, std::initializer_list<const char*> parts) {
    for (const char* part : parts)
      if (message.find(part) == message.npos) return testing::AssertionFailure() << "no " << part << " in: " << message;
    return testing::AssertionSuccess();
  }
  const fs::path& folder() const { return scratch_.path(); }

 private:
  scratch_folder scratch_;
};

TEST_F(other_files, an_added_token_beyond_the_embeddings_is_named) {
  const auto size = static_cast<std::int64_t>(words().size());
  write("added_tokens.json", "{\n  \"<new>\": " + std::to_string(size) + "\n}");
  EXPECT_EQ(refusal(size + 1), "");
  EXPECT_TRUE(says(refusal(size), {"added_tokens.json:2:12", "'<new>'", "embeddings"}));
  fs::remove(folder() / "added_tokens.json");
  write("tokenizer_config.json", R"({"additional_special_tokens": ["[MASK]", "<new>"]})");
  EXPECT_TRUE(says(refusal(size), {"tokenizer_config.json:1:42", "'<new>'", "embeddings"}));
}

TEST_F(other_files, a_default_that_has_no_place_is_left_out) {
  write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n[\n]\nmask\n");
  EXPECT_EQ(refusal(7), "");
  EXPECT_EQ((*tokenizer::load(folder(), 7))->encode("a [MASK]", 64)->ids,
            (std::vector<std::int32_t>{1, 3, 4, 6, 5, 2}));
  // One that a file names is not.
  write("tokenizer_config.json", R"({"mask_token": "[MASK]"})");
  EXPECT_TRUE(says(refusal(7), {"'mask_token'", "'[MASK]'"}));
}

TEST_F(other_files, ids_that_conflict_are_refused_by_name) {
  const auto size = words().size();
  const auto number = [](std::size_t n) { return std::to_string(n); };
  write("added_tokens.json", "{\"<new>\": " + number(size + 5) + "}");
  EXPECT_TRUE(says(refusal(), {"'<new>'", number(size + 5).c_str(), number(size).c_str()}));
  write("added_tokens.json", R"({"hello": 3})");
  EXPECT_TRUE(says(refusal(), {"'hello'", "the id 3", "vocabulary"}));
  write("added_tokens.json", R"({"<a>": 300, "<b>": 300})");
  EXPECT_TRUE(says(refusal(), {"'<b>'", "'<a>'"}));
  fs::remove(folder() / "added_tokens.json");
  write("tokenizer_config.json", R"({"added_tokens_decoder": {"7": {"content": "[MASK]"}}})");
  EXPECT_TRUE(says(refusal(), {"added_tokens_decoder.7", "[MASK]"}));
}

TEST_F(other_files, malformed_tokens_are_named_with_file_and_line) {
  for (const auto& [file, text, key] :
       {std::tuple{"tokenizer_config.json", "{\n\"mask_token\": 7}", ":2:15: 'mask_token'"},
        {"tokenizer_config.json", R"({"mask_token": {"lstrip": true}})", "'mask_token'"},
        {"tokenizer_config.json", R"({"extra_special_tokens": 3})", "'extra_special_tokens'"},
        {"tokenizer_config.json", R"({"extra_special_tokens": ["a", 3]})", "'extra_special_tokens[1]'"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "a"}}})", "decoder.x'"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"5": "a"}})", "decoder.5'"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": []})", "'added_tokens_decoder'"},
        {"tokenizer_config.json", "{\n\n \"do_lower_case\": \"no\"}", ":3:19: 'do_lower_case'"},
        {"tokenizer_config.json", R"({"strip_accents": 1})", "'strip_accents'"},
        {"tokenizer_config.json", R"({"truncation_side": "middle"})", "'truncation_side'"},
        {"tokenizer_config.json", R"({"model_max_length": 0})", "'model_max_length'"},
        {"tokenizer_config.json", R"({"model_max_length": "512"})", "'model_max_length'"},
        {"tokenizer_config.json", R"({"model_max_length": NaN})", "'model_max_length'"},
        {"tokenizer_config.json", R"({"model_max_length": -Infinity})", "'model_max_length'"},
        {"tokenizer_config.json", R"({"model_max_length": -99999999999999999999999})", "'model_max_length'"},
        {"tokenizer_config.json", R"({"do_basic_tokenize": false})", "'do_basic_tokenize'"},
        {"tokenizer_config.json", "{\n\"a\": 1,\n}", ":3:1"},
        {"added_tokens.json", R"({"<a>": "7"})", "'<a>'"},
        {"added_tokens.json", R"({"<a>": 99999999999999999999999})", "'<a>'"},
        {"special_tokens_map.json", R"({"cls_token": ["[CLS]"]})", "'cls_token'"}}) {
    write(file, text);
    EXPECT_TRUE(says(refusal(), {file, key})) << text;
    fs::remove(folder() / file);
  }
  EXPECT_EQ(refusal(), "");
}

TEST_F(other_files, other_classes_are_refused_by_name) {
  for (const char* name : {"BertJapaneseTokenizer", "KoBertTokenizer", "RobertaTokenizer", "FunnelTokenizerFast",
                           "PreTrainedTokenizerFast", "MecabBertTokenizer", "BertTokenizerX"}) {
    const auto named = std::string(R"({"tokenizer_class": ")") + name + "\"}";
    write("tokenizer_config.json", named);
    EXPECT_TRUE(says(refusal(), {"tokenizer_config.json:1:21", name})) << name;
    write("tokenizer_config.json", "{}");
    write("config.json", named);
    EXPECT_TRUE(says(refusal(), {"config.json:1:21", name})) << name;
    // tokenizer_config.json is asked first.
    write("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizerFast"})");
    EXPECT_EQ(refusal(), "") << name;
    fs::remove(folder() / "config.json");
  }
}

TEST_F(other_files, words_of_other_classes_are_refused_by_name) {
  write("tokenizer_config.json",
        R"({"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab",
            "subword_tokenizer_type": "character"})");
  EXPECT_TRUE(says(refusal(), {"BertJapaneseTokenizer", "mecab", "character"}));
  write("tokenizer_config.json", R"({"word_tokenizer_type": "mecab"})");
  EXPECT_TRUE(says(refusal(), {"'word_tokenizer_type'"}));
  for (const char* map : {R"(["tok.A", null])", R"({"AutoTokenizer": ["tok.A", "tok.B"]})"}) {
    write("tokenizer_config.json", std::string(R"({"tokenizer_class": "BertTokenizer", "auto_map": )") + map + '}');
    EXPECT_TRUE(says(refusal(), {"'auto_map'"})) << map;
  }
  write("tokenizer_config.json", R"({"auto_map": {"AutoModel": "model.A"}})");
  EXPECT_EQ(refusal(), "");
}

TEST_F(other_files, a_tokenizer_json_of_an_unknown_class_is_taken_as_it_stands_and_told) {
  whole();
  write("tokenizer_config.json", R"({"tokenizer_class": "KoBertTokenizer", "do_lower_case": false})");
  const auto t = tokenizer::load(folder());
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_TRUE(says((*t)->notes(), {"KoBertTokenizer"}));
  EXPECT_EQ((*t)->encode("HELLO", 64)->ids, (*t)->encode("hello", 64)->ids);
  // A known one that reads it in its own way is not.
  write("tokenizer_config.json", R"({"tokenizer_class": "BertJapaneseTokenizer"})");
  EXPECT_TRUE(says(refusal(), {"BertJapaneseTokenizer"}));
}

TEST_F(other_files, a_default_that_wins_over_tokenizer_json_is_told) {
  whole();
  write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ((*tokenizer::load(folder()))->notes(), "");
  auto text = read_file(folder() / "tokenizer.json");
  replace_all(text, "\"lowercase\": true", "\"lowercase\": false");
  write("tokenizer.json", text);
  write("tokenizer_config.json", "{}");
  EXPECT_TRUE(says((*tokenizer::load(folder()))->notes(), {"do_lower_case"}));
  // Without tokenizer_config.json there is nobody to win.
  fs::remove(folder() / "tokenizer_config.json");
  EXPECT_NE((*tokenizer::load(folder()))->encode("HELLO", 64)->ids,
            (*tokenizer::load(folder()))->encode("hello", 64)->ids);
}

TEST_F(other_files, what_the_class_builds_itself_is_told_where_tokenizer_json_says_something_else) {
  whole();
  write("tokenizer_config.json", R"({"tokenizer_class": "BertTokenizer", "added_tokens_decoder": {}})");
  EXPECT_EQ((*tokenizer::load(folder()))->notes(), "");
  const auto original = read_file(folder() / "tokenizer.json");
  for (const auto& [from, to, told] :
       {std::tuple{R"("type": "BertNormalizer")", R"("type": "Replace")", "normalizer"},
        {R"("lowercase": true)", R"("lowercase": true, "clean_text": false)", "normalizer"},
        {R"("type": "BertPreTokenizer")", R"("type": "WhitespaceSplit")", "pre_tokenizer"},
        {R"("post_processor")", R"("was")", "post_processor"},
        {R"(["[SEP]", 3])", R"(["[SEP]", 7])", "post_processor"},
        {R"("WordPiece")", R"("WordPiece", "max_input_chars_per_word": 5)", "model"},
        {R"("added_tokens": [])", R"("added_tokens": [{"id": 9, "content": "hello"}])", "added_tokens"}}) {
    auto text = original;
    replace_all(text, from, to);
    write("tokenizer.json", text);
    const auto t = tokenizer::load(folder());
    ASSERT_TRUE(t) << to << ": " << t.error().message;
    EXPECT_TRUE(says((*t)->notes(), {"not followed in tokenizer.json", (std::string(": ") + told).c_str()})) << to;
    EXPECT_EQ((*t)->largest_id(), static_cast<std::int32_t>(words().size()) - 1);
  }
}

TEST_F(other_files, added_tokens_have_a_limit_that_the_defaults_of_the_class_do_not_reach) {
  std::string vocabulary = "[UNK]\n[CLS]\n[SEP]\n", tokens;
  for (int i = 0; i < 100'000; ++i) {
    vocabulary += 't' + std::to_string(i) + '\n';
    tokens += (i == 0 ? "{\"t" : ",\"t") + std::to_string(i) + "\":" + std::to_string(i + 3);
  }
  write("vocab.txt", vocabulary);
  write("added_tokens.json", tokens + "}");
  EXPECT_EQ(refusal(), "");  // [MASK] is named nowhere
  write("tokenizer_config.json", R"({"mask_token": "[MASK]"})");
  EXPECT_TRUE(says(refusal(), {"'mask_token'", "100000"}));
}

TEST_F(other_files, a_vocabulary_is_utf8) {
  write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\xff\n");
  EXPECT_TRUE(says(refusal(), {"vocab.txt:4:2"}));
}

}  // namespace
}  // namespace troupe::inference::tests
