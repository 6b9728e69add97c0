// Exactly the ids of the `tokenizers` library, on the corpus of tests/parity/make_tokenizer.py.

#include <zlib.h>

#include <chrono>
#include <cstring>

#include "inference/text/tokenizer.hpp"
#include "inference/text/unicode.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

const fs::path& folder() {
  static const auto path = fixtures() / "inference" / "tokenizer";
  return path;
}

std::string inflated(const fs::path& path) {
  const auto packed = read_file(path);
  z_stream z{};
  inflateInit(&z);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  int state = Z_OK;
  while (state == Z_OK) {
    char chunk[65536];
    z.next_out = reinterpret_cast<Bytef*>(chunk);
    z.avail_out = sizeof chunk;
    state = inflate(&z, Z_NO_FLUSH);
    out.append(chunk, sizeof chunk - z.avail_out);
  }
  inflateEnd(&z);
  if (state != Z_STREAM_END) throw std::runtime_error("bad fixture " + path.string());
  return out;
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) {
  std::uint32_t n = 0;
  std::memcpy(&n, bytes.data() + at, 4);
  return n;
}
std::vector<std::string> records(const fs::path& path) {
  const auto bytes = inflated(path);
  std::vector<std::string> out(number_at(bytes, 0));
  std::size_t at = 4;
  for (auto& r : out) {
    const auto size = number_at(bytes, at);
    r = bytes.substr(at + 4, size);
    at += 4 + size;
  }
  return out;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// The variant's tokenizer.json with the common vocabulary put in.
void write_tokenizer(const fs::path& to, const std::string& variant) {
  auto document = read_file(folder() / (variant + ".json"));
  std::string vocabulary;
  std::istringstream lines(inflated(folder() / "vocabulary.z"));
  std::string line;
  for (int id = 0; std::getline(lines, line); ++id)
    vocabulary += std::string(id > 0 ? "," : "") + json_string(line) + ':' + std::to_string(id);
  const auto at = document.find("\"vocab\": {}");
  ASSERT_NE(at, document.npos);
  document.replace(at, 11, "\"vocab\": {" + vocabulary + '}');
  write_file(to / "tokenizer.json", document);
}

class parity : public testing::TestWithParam<std::string> {};

TEST_P(parity, gives_the_ids_of_the_reference) {
  scratch_folder scratch;
  write_tokenizer(scratch.path(), GetParam());
  const auto t = tokenizer::load(scratch.path());
  ASSERT_TRUE(t) << t.error().message;
  const auto texts = records(folder() / "texts.z"), ids = records(folder() / (GetParam() + ".ids.z"));
  ASSERT_EQ(texts.size(), ids.size());
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto whole = (*t)->encode(texts[i], 1'000'000);
    ASSERT_TRUE(whole) << whole.error().message;
    std::vector<std::int32_t> expected(ids[i].size() / 4);
    std::memcpy(expected.data(), ids[i].data(), ids[i].size());
    if (whole->ids != expected && ++wrong < 10)
      ADD_FAILURE() << "text " << i << ": " << testing::PrintToString(texts[i]) << "\n ours "
                    << testing::PrintToString(whole->ids) << "\n want " << testing::PrintToString(expected);
    // Cut at any length: the same ids as far as they go, and [SEP].
    const auto length = static_cast<std::uint32_t>(2 + i % 9);
    const auto cut = (*t)->encode(texts[i], length);
    if (expected.size() > length) {
      EXPECT_TRUE(cut && cut->truncated && cut->ids.size() == length) << i;
      EXPECT_TRUE(std::equal(cut->ids.begin(), cut->ids.end() - (*t)->special_count() / 2, expected.begin())) << i;
    } else {
      EXPECT_TRUE(cut && !cut->truncated && cut->ids == expected) << i;
    }
  }
  EXPECT_EQ(wrong, 0U) << "of " << texts.size();
}

INSTANTIATE_TEST_SUITE_P(variants, parity,
                         testing::Values("uncased", "cased", "accents_kept", "unclean", "added", "sequence",
                                         "whitespace", "whitespace_split"),
                         [](const auto& i) { return i.param; });

std::string minimal(const std::string& field = {}, const std::string& value = {}) {
  const auto pick = [&](const std::string& name, const std::string& otherwise) {
    return '"' + name + "\":" + (field == name ? value : otherwise);
  };
  return "{" + pick("added_tokens", "[]") + ',' + pick("normalizer", R"({"type":"BertNormalizer","lowercase":true})") +
         ',' + pick("pre_tokenizer", R"({"type":"BertPreTokenizer"})") + ',' +
         pick("post_processor", R"({"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]})") + ',' +
         pick(
             "model",
             R"({"type":"WordPiece","unk_token":"[UNK]","vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"##a":4,"e":5}})") +
         '}';
}
result<std::shared_ptr<const tokenizer>> load_text(const std::string& json) {
  scratch_folder scratch;
  write_file(scratch.path() / "tokenizer.json", json);
  return tokenizer::load(scratch.path());
}

TEST(tokenizer_file, names_what_is_not_supported) {
  ASSERT_TRUE(load_text(minimal()));
  const auto message = [](const std::string& field, const std::string& value) {
    auto t = load_text(minimal(field, value));
    if (t) return std::string("loaded");
    EXPECT_EQ(t.error().code, error_code::unprocessable);
    return t.error().message;
  };
  EXPECT_NE(message("model", R"({"type":"GPE","vocab":{},"merges":[]})").find("'GPE'"), std::string::npos);
  EXPECT_NE(message("normalizer", R"({"type":"Rot13"})").find("'Rot13'"), std::string::npos);
  EXPECT_NE(message("pre_tokenizer", R"({"type":"Mecab"})").find("'Mecab'"), std::string::npos);
  EXPECT_NE(message("post_processor", R"({"type":"OtherProcessing"})").find("'OtherProcessing'"), std::string::npos);
  EXPECT_NE(message("model", R"({"type":"WordPiece","unk_token":"[UNK]","vocab":{"a":3}})").find("[UNK]"),
            std::string::npos);
  EXPECT_NE(message("model", R"({"type":"WordPiece","vocab":{"[UNK]":-1}})").find("ids"), std::string::npos);
  EXPECT_NE(message("model", R"({"type":"WordPiece","vocab":{"[UNK]":99999999999}})").find("ids"), std::string::npos);
  EXPECT_NE(message("model", "3").find("object"), std::string::npos);
}

TEST(tokenizer_file, refuses_what_is_no_json) {
  EXPECT_FALSE(load_text(""));
  EXPECT_FALSE(load_text("{"));
  EXPECT_FALSE(load_text("\xff"));
  EXPECT_FALSE(load_text(std::string(100'000, '[')));
  scratch_folder scratch;
  EXPECT_EQ(tokenizer::load(scratch.path()).error().code, error_code::load_failed);
}

TEST(tokenizer_file, reads_the_old_layout) {
  scratch_folder scratch;
  write_file(scratch.path() / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhe\n##llo\r\n,\nÉ\n");
  write_file(scratch.path() / "tokenizer_config.json", R"({"do_lower_case":false,"model_max_length":7})");
  const auto t = tokenizer::load(scratch.path());
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ((*t)->length_max(), 7U);
  EXPECT_EQ((*t)->encode("hello, É[MASK] He", 100)->ids, (std::vector<std::int32_t>{2, 5, 6, 7, 8, 4, 1, 3}));
}

TEST(tokenizer_text, must_be_utf8_and_not_empty) {
  const auto t = load_text(minimal());
  ASSERT_TRUE(t);
  EXPECT_EQ((*t)->encode("", 10).error().code, error_code::unprocessable);
  for (const char* bad :
       {"\xff", "\xc3", "a\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "\xe2\x82", "\xf8\x88\x80\x80\x80"})
    EXPECT_FALSE((*t)->encode(bad, 10)) << testing::PrintToString(std::string(bad));
  EXPECT_EQ((*t)->encode(" ", 10)->ids, (std::vector<std::int32_t>{1, 2}));
}

// A megabyte of anything is taken in well under a second, whatever is in it.
TEST(tokenizer_text, long_texts_take_linear_time) {
  const auto t = load_text(minimal());
  ASSERT_TRUE(t);
  const auto repeat = [](std::string_view unit) {
    std::string out;
    while (out.size() < 1'000'000) out += unit;
    return out;
  };
  for (const char* unit :
       {"a", "é", "e\u0301", "\u0301", "\u0301\u0323", "漢", "[CLS]", "[", " ", "a ", "\u3300", "😀"}) {
    const auto text = repeat(unit);
    for (const std::uint32_t length : {16U, 2'000'000U}) {
      const auto start = std::chrono::steady_clock::now();
      EXPECT_TRUE((*t)->encode(text, length)) << unit;
      const auto took = std::chrono::steady_clock::now() - start;
      EXPECT_LT(std::chrono::duration<double>(took).count(), 3.0) << unit;
    }
  }
}

TEST(unicode, decomposes_in_canonical_order) {
  EXPECT_EQ(decompose(U"\u00e9"), U"e\u0301");
  EXPECT_EQ(decompose(U"a\u0301\u0323"), U"a\u0323\u0301");
  EXPECT_EQ(decompose(U"\uac01"), U"\u1100\u1161\u11a8");
  std::u32string lower;
  append_lower(U'\u0130', lower);
  EXPECT_EQ(lower, U"i\u0307");
}

}  // namespace
}  // namespace troupe::inference::tests
