// Tokenizers of all kinds against what transformers' AutoTokenizer gives (tests/parity/make_tokenizer_library.py), in
// both forms of their files; and what is refused.

#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <set>
#include <thread>
#include <tuple>

#include <zlib.h>

#include "inference/files/model_json.hpp"
#include "inference/text/library_checks.hpp"
#include "inference/text/sentencepiece.hpp"
#include "inference/text/tokenizer.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

namespace dom = simdjson::dom;
using tokenizer_ptr = std::shared_ptr<const tokenizer>;
using ids = std::vector<std::int32_t>;

const model_json& reference() {
  static const auto file = [] {
    const auto packed = read_file(fixtures() / "inference" / "tokenizers.z");
    std::string text(64U << 20U, '\0');
    auto size = static_cast<uLongf>(text.size());
    if (uncompress(reinterpret_cast<Bytef*>(text.data()), &size, reinterpret_cast<const Bytef*>(packed.data()),
                   static_cast<uLong>(packed.size())) != Z_OK)
      throw std::runtime_error("tokenizers.z is broken");
    text.resize(size);
    return model_json::parse(std::move(text), "tokenizers.z");
  }();
  if (!file) throw std::runtime_error(file.error().message);
  return *file;
}
std::vector<dom::element> list(dom::element of, const char* key) {
  std::vector<dom::element> out;
  for (const auto one : dom::array(of[key])) out.push_back(one);
  return out;
}
std::vector<std::string> texts() {
  std::vector<std::string> out;
  for (const auto one : list(reference().root(), "texts")) out.emplace_back(std::string_view(one));
  return out;
}
std::uint32_t setting(const char* key) { return static_cast<std::uint32_t>(std::uint64_t(reference().root()[key])); }
template <class Number = std::int32_t>
std::vector<Number> numbers(dom::element of) {
  std::vector<Number> out;
  for (const auto one : dom::array(of)) out.push_back(static_cast<Number>(std::int64_t(one)));
  return out;
}
std::string string_of(dom::element of) { return std::string(std::string_view(of)); }

void write_form(const fs::path& folder, dom::element form) {
  for (const auto [name, content] : dom::object(form["files"])) {
    std::string_view text;
    if (content.get(text)) {
      const auto bytes = decode_base64(std::string_view(content["base64"]));
      if (!bytes) throw std::runtime_error("no base64");
      write_file(folder / name, *bytes);
    } else {
      write_file(folder / name, std::string(text));
    }
  }
}

void expect_row(const encoding& row, dom::element want, bool pair = false) {
  EXPECT_EQ(row.ids, numbers(want["ids"]));
  auto types = row.types;
  if (!pair && types.empty()) types.resize(row.ids.size());
  EXPECT_EQ(types, numbers<std::uint8_t>(want["types"]));
}
void expect_details(const encoding& row, dom::element want) {
  expect_row(row, want);
  std::vector<std::int32_t> places;
  for (const auto& place : row.places) {
    places.push_back(static_cast<std::int32_t>(place.begin));
    places.push_back(static_cast<std::int32_t>(place.end));
  }
  EXPECT_EQ(places, numbers(want["places"]));
  EXPECT_EQ(row.words, numbers(want["words"]));
  EXPECT_EQ(row.special, numbers<std::uint8_t>(want["special"]));
}

class reference_tokenizers : public testing::TestWithParam<std::size_t> {};

void compare(const tokenizer& t, dom::element answers) {
  const auto all = texts();
  const auto of_texts = list(answers, "texts");
  for (std::size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(testing::PrintToString(all[i]));
    if (dom::array(of_texts[i]["ids"]).size() == 0) {
      EXPECT_FALSE(t.encode(all[i], encode_options{}));
      continue;
    }
    const auto plain = t.encode(all[i], encode_options{});
    ASSERT_TRUE(plain) << plain.error().message;
    expect_row(*plain, of_texts[i]);
    EXPECT_FALSE(plain->truncated);
    const auto detailed = t.encode(all[i], encode_options{.details = true});
    ASSERT_TRUE(detailed) << detailed.error().message;
    expect_details(*detailed, of_texts[i]);
    const auto decoded = t.decode(plain->ids, i % 2 == 1, true);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(*decoded, string_of(list(answers, "decoded")[i]));
    if (i < list(answers, "joined").size()) {
      EXPECT_EQ(*t.join(plain->ids), string_of(list(answers, "joined")[i]));
    }
    for (const auto id : plain->ids) {
      const auto token = t.token_of(id);
      ASSERT_TRUE(token) << id;
      if (i == 0) {
        EXPECT_TRUE(t.id_of(*token)) << *token;
      }
    }
  }
  const bool left = bool(answers["left"]);
  const auto length = setting("length");
  for (const bool cut_left : {false, true})
    for (std::size_t i = 0; const auto want : list(answers, cut_left ? "cut left" : "cut right")) {
      if (dom::array(want).size() == 0) {
        ++i;
        continue;
      }
      const auto row = t.encode(all[i], encode_options{.length_max = length, .cut_left = cut_left});
      ASSERT_TRUE(row) << row.error().message;
      EXPECT_EQ(row->ids, numbers(want)) << all[i];
      EXPECT_EQ(row->truncated, numbers(of_texts[i]["ids"]).size() > length);
      if (cut_left == left) {
        EXPECT_EQ(t.encode(all[i], length)->ids, row->ids);
      }
      ++i;
    }
  dom::array pairs;
  const bool has_pairs = !answers["pairs"].get(pairs);
  EXPECT_EQ(t.pair_special_count() > 0, has_pairs);
  for (std::size_t i = 0; const auto want : has_pairs ? list(answers, "pairs") : std::vector<dom::element>{}) {
    const auto row =
        t.encode_pair(all[i], all[i + 1], encode_options{.length_max = setting("pair"), .cut_left = false});
    ASSERT_TRUE(row) << row.error().message;
    expect_row(*row, want, true);
    i += 2;
  }
  const auto windows = list(answers, "windows");
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const auto& text = all[all.size() - windows.size() + i];
    const auto rows =
        t.encode_windows(text, setting("stride"), encode_options{.length_max = setting("window"), .details = true});
    ASSERT_TRUE(rows) << rows.error().message;
    const dom::array wanted = windows[i];
    ASSERT_EQ(rows->size(), wanted.size()) << text;
    for (std::size_t k = 0; const auto want : wanted) expect_details((*rows)[k++], want);
  }
  const auto& s = t.specials();
  std::size_t k = 0;
  for (const auto& got : {s.unk, s.cls, s.sep, s.pad, s.mask}) {
    const dom::element want = dom::array(answers["specials"]).at(k++);
    EXPECT_EQ(got.has_value(), !want.is_null()) << k;
    if (got && !want.is_null()) {
      EXPECT_EQ(*got, std::int64_t(want)) << k;
    }
  }
}

TEST_P(reference_tokenizers, give_what_transformers_gives) {
  const auto one = list(reference().root(), "tokenizers")[GetParam()];
  for (std::size_t number = 0; const auto form : list(one, "forms")) {
    SCOPED_TRACE(string_of(one["name"]) + " form " + std::to_string(number++));
    scratch_folder scratch;
    write_form(scratch.path(), form);
    const auto t = tokenizer::load(scratch.path());
    ASSERT_TRUE(t) << t.error().message << " / " << t.error().detail;
    dom::element answers = one["answers"];
    if (dom::element own; !form["answers"].get(own)) answers = own;
    compare(**t, answers);
  }
}

INSTANTIATE_TEST_SUITE_P(all, reference_tokenizers, testing::Range<std::size_t>(0, 21),
                         [](const auto& i) { return std::to_string(i.param); });
TEST(reference_tokenizers, are_all_looked_at) { EXPECT_EQ(list(reference().root(), "tokenizers").size(), 21U); }

// ---- what is refused ----

std::string bpe_file(const std::string& field = {}, const std::string& value = {}) {
  const auto pick = [&](const std::string& name, const std::string& otherwise) {
    return '"' + name + "\":" + (field == name ? value : otherwise);
  };
  return "{" + pick("added_tokens", "[]") + ',' + pick("normalizer", "null") + ',' +
         pick("pre_tokenizer", R"({"type":"WhitespaceSplit"})") + ',' +
         pick("post_processor", R"({"type":"BertProcessing","sep":["[SEP]",1],"cls":["[CLS]",0]})") + ',' +
         pick("decoder", "null") + ',' +
         pick("model", R"({"type":"BPE","unk_token":"u","vocab":{"[CLS]":0,"[SEP]":1,"u":2,"a":3,"b":4,"ab":5},)"
                       R"("merges":["a b"]})") +
         '}';
}
result<tokenizer_ptr> load_text(const std::string& tokenizer_json, const std::string& config = {}) {
  scratch_folder scratch;
  write_file(scratch.path() / "tokenizer.json", tokenizer_json);
  if (!config.empty()) write_file(scratch.path() / "tokenizer_config.json", config);
  return tokenizer::load(scratch.path());
}
std::string refusal(const std::string& field, const std::string& value, const std::string& config = {}) {
  const auto t = load_text(bpe_file(field, value), config);
  if (t) return "loaded";
  EXPECT_EQ(t.error().code, error_code::unprocessable);
  EXPECT_EQ(t.error().message.find('\n'), std::string::npos) << t.error().message;
  return t.error().message;
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST(library_file, is_loaded) {
  const auto t = load_text(bpe_file());
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ((*t)->encode("ab ba x", 100)->ids, (ids{0, 5, 4, 3, 2, 1}));
  EXPECT_EQ((*t)->special_count(), 2U);
  EXPECT_EQ((*t)->pair_special_count(), 3U);
  EXPECT_EQ((*t)->largest_id(), 5);
  EXPECT_EQ((*t)->encode("ab ba x", encode_options{.special_tokens = false})->ids, (ids{5, 4, 3, 2}));
  EXPECT_EQ((*t)->encode("ab ba x", 2)->ids, (ids{0, 1}));
  EXPECT_GT((*t)->memory_bytes(), 1000U);
}

TEST(library_file, names_what_is_not_known) {
  for (const auto& [field, value, part] :
       {std::tuple{"normalizer", R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Rot13"}]})",
                   "'normalizer.normalizers[1]' is of type 'Rot13'"},
        {"normalizer", R"({"lowercase":true})", "'normalizer' has no type"},
        {"normalizer", R"({"type":"Precompiled","precompiled_charsmap":"AAAA"})", "charsmap"},
        {"normalizer", R"({"type":"Precompiled","precompiled_charsmap":"/////w=="})", "charsmap"},
        {"normalizer", R"({"type":"Precompiled","precompiled_charsmap":"?"})", "base64"},
        {"normalizer", R"({"type":"Sequence"})", "'normalizer.normalizers' must be a list"},
        {"normalizer", R"({"type":"Replace","pattern":{"Regex":"x*"},"content":"0123456789012345678901234567890123"})",
         "'normalizer.content'"},
        {"normalizer", R"({"type":"Replace","pattern":{"Regex":"("},"content":""})", "'normalizer'"},
        {"pre_tokenizer", R"({"type":"Sequence","pretokenizers":[{"type":"Mecab"}]})",
         "'pre_tokenizer.pretokenizers[0]' is of type 'Mecab'"},
        {"pre_tokenizer", R"({"type":"FixedLength","length":0})", "length"},
        {"pre_tokenizer", R"({"type":"ByteLevel"})", "'pre_tokenizer'"},
        {"post_processor", R"({"type":"RobertaProcessing"})", "'post_processor.cls'"},
        {"post_processor", R"({"type":"Other"})", "is of type 'Other'"},
        {"decoder", R"({"type":"Morse"})", "is of type 'Morse'"},
        {"model", R"({"type":"GPE"})", "'GPE'"},
        {"model", "3", "object"},
        {"model", R"({"type":"BPE","vocab":{"a":-1},"merges":[]})", "ids"},
        {"model", R"({"type":"BPE","vocab":{"a":1},"merges":["a b"]})", "'model'"},
        {"model", R"({"type":"BPE","vocab":{"a":1},"merges":[["a","b","c"]]})", "'model'"},
        {"model", R"({"type":"BPE","vocab":{"a":1}})", "merges"},
        {"model", R"({"type":"BPE","dropout":0.1,"vocab":{"a":1},"merges":[]})", "dropout"},
        {"model", R"({"type":"Unigram","unk_id":3,"vocab":[["a",0]]})", "'model'"},
        {"model", R"({"type":"Unigram","unk_id":0,"vocab":[["a"]]})", "'model.vocab[0]'"},
        {"model", R"({"type":"Unigram","unk_id":0,"vocab":[]})", "'model'"},
        {"added_tokens", R"([{"id":99,"content":"<x>"}])", "'<x>'"},
        {"added_tokens", R"([{"content":"<x>"}])", "'added_tokens[0].id'"}})
    EXPECT_TRUE(has(refusal(field, value), part)) << value << ": " << refusal(field, value);
}

TEST(library_file, has_bounds) {
  std::string deep = R"({"type":"NFC"})";
  for (int i = 0; i < 200; ++i) deep = R"({"type":"Sequence","normalizers":[)" + deep + "]}";
  EXPECT_TRUE(has(refusal("normalizer", deep), "deep"));
  std::string many = R"({"type":"NFC"})";
  for (int i = 0; i < 100; ++i) many += R"(,{"type":"NFC"})";
  EXPECT_TRUE(has(refusal("normalizer", R"({"type":"Sequence","normalizers":[)" + many + "]}"), "64 parts"));
  std::string doubled;
  for (int i = 0; i < 10; ++i)
    doubled += (i == 0 ? "" : ",") + std::string(R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})");
  EXPECT_TRUE(has(refusal("normalizer", R"({"type":"Sequence","normalizers":[)" + doubled + "]}"), "32 times"));
  EXPECT_TRUE(has(refusal("pre_tokenizer", R"({"type":"Split","pattern":{"Regex":")" + std::string(5000, 'a') +
                                               R"("},"behavior":"Isolated","invert":false})"),
                  "4096"));
  // The parser of patterns goes down a level with each parenthesis.
  EXPECT_TRUE(has(refusal("pre_tokenizer", R"({"type":"Split","pattern":{"Regex":")" + std::string(2000, '(') + "a" +
                                               std::string(2000, ')') + R"("},"behavior":"Isolated","invert":false})"),
                  "'pre_tokenizer'"));
}

TEST(library_file, classes_want_their_models) {
  for (const auto& [name, wanted] : {std::pair{"XLMRobertaTokenizer", "Unigram"},
                                     {"BertTokenizer", "WordPiece"},
                                     {"AlbertTokenizer", "Unigram"},
                                     {"MPNetTokenizerFast", "WordPiece"}}) {
    const auto t = load_text(bpe_file(), std::string(R"({"tokenizer_class":")") + name + "\"}");
    ASSERT_FALSE(t) << name;
    EXPECT_TRUE(has(t.error().message, "'BPE'")) << t.error().message;
    EXPECT_TRUE(has(t.error().detail, wanted)) << t.error().detail;
  }
  for (const char* name : {"T5Tokenizer", "XLNetTokenizer", "BertJapaneseTokenizer", "FunnelTokenizerFast"})
    EXPECT_TRUE(has(refusal("", "", std::string(R"({"tokenizer_class":")") + name + "\"}"), name)) << name;
}

// ---- patterns and long texts ----

double seconds_of(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(library_text, a_pattern_that_takes_for_ever_is_cut_off) {
  const auto t = load_text(bpe_file(
      "pre_tokenizer", R"({"type":"Split","pattern":{"Regex":"(?:a|a|aa)+$"},"behavior":"Isolated","invert":false})"));
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_TRUE((*t)->encode("ab", 10));
  result<encoding> row;
  EXPECT_LT(seconds_of([&] { row = (*t)->encode(std::string(200, 'a') + 'b', 10); }), 5.0);
  ASSERT_FALSE(row);
  EXPECT_EQ(row.error().code, error_code::unprocessable);
  EXPECT_TRUE(has(row.error().message, "could not be tokenized")) << row.error().message;
  EXPECT_TRUE((*t)->encode("ab", 10)) << "and goes on";
}

TEST(library_text, is_utf8_and_not_empty) {
  const auto t = load_text(bpe_file());
  ASSERT_TRUE(t);
  EXPECT_EQ((*t)->encode("", 10).error().code, error_code::unprocessable);
  for (const char* bad : {"\xff", "\xc3", "a\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"}) {
    EXPECT_FALSE((*t)->encode(bad, 10));
    EXPECT_FALSE((*t)->encode_pair("a", bad, 10));
    EXPECT_FALSE((*t)->encode_windows(bad, 0, encode_options{.length_max = 10}));
  }
  EXPECT_FALSE((*t)->encode_windows("a", 8, encode_options{.length_max = 10}));
}

TEST(library_text, of_a_pair_only_the_first_may_be_cut) {
  const auto t = load_text(bpe_file());
  ASSERT_TRUE(t);
  const encode_options options{.length_max = 6, .cut_first_only = true};
  EXPECT_EQ((*t)->encode_pair("a a a a a a", "b b", options)->ids, (ids{0, 3, 1, 4, 4, 1}));
  const auto refused = (*t)->encode_pair("a", "b b b b", options);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(has(refused.error().message, "no room")) << refused.error().message;
}

// A megabyte of anything costs about as much as its length says.
TEST(library_text, long_texts_take_linear_time) {
  const auto all = list(reference().root(), "tokenizers");
  const auto repeat = [](std::string_view unit, std::size_t size) {
    std::string out;
    while (out.size() < size) out += unit;
    return out;
  };
  const std::set<std::string> looked_at{"roberta",    "xlm-roberta", "albert",       "deberta-v2",
                                        "modernbert", "split",       "byte-fallback"};
  for (const auto one : all) {
    const auto name = string_of(one["name"]);
    if (!looked_at.contains(name)) continue;
    SCOPED_TRACE(name);
    scratch_folder scratch;
    write_form(scratch.path(), list(one, "forms")[0]);
    const auto t = tokenizer::load(scratch.path());
    ASSERT_TRUE(t) << t.error().message;
    for (const char* unit : {"a", "the ", "e\u0301", " ", "\n", "<mask>", "[MASK]", "😀"}) {
      const auto text = repeat(unit, 200'000);
      result<encoding> row;
      const auto took = seconds_of([&] { row = (*t)->encode(text, 512); });
      EXPECT_LT(took, 4.0) << unit;  // 0.3 s at most on a machine of its own
    }
  }
}

TEST(library_text, many_threads_may_ask) {
  const auto one = list(reference().root(), "tokenizers");
  for (const std::size_t number : {0U, 3U, 7U}) {
    scratch_folder scratch;
    write_form(scratch.path(), list(one[number], "forms")[0]);
    const auto t = tokenizer::load(scratch.path());
    ASSERT_TRUE(t) << t.error().message;
    const auto all = texts();
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (std::size_t k = 0; k < 40; ++k) {
          const auto row = (*t)->encode(all[k], encode_options{.details = true});
          const auto want = numbers(list(one[number]["answers"], "texts")[k]["ids"]);
          if (row ? row->ids != want : !want.empty()) ++wrong;
        }
      });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
  }
}

// ---- details of what is ours ----

TEST(wordpiece_twin, is_made_when_it_is_asked_for) {
  scratch_folder scratch;
  write_file(scratch.path() / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhe\n##llo\n,\n");
  const auto loaded = tokenizer::load(scratch.path());
  ASSERT_TRUE(loaded);
  const auto& t = **loaded;
  const auto before = t.memory_bytes();
  EXPECT_EQ(t.encode("hello", 10)->ids, (ids{2, 5, 6, 3}));
  EXPECT_EQ(t.memory_bytes(), before);
  EXPECT_EQ(t.id_of("he"), 5);
  EXPECT_EQ(t.id_of("she"), std::nullopt);
  EXPECT_EQ(t.continuing_prefix(), "##");
  ASSERT_TRUE(t.make_details());
  EXPECT_GT(t.memory_bytes(), before);
  const auto row = t.encode("hello, [MASK]", encode_options{.details = true});
  ASSERT_TRUE(row);
  EXPECT_EQ(row->ids, (ids{2, 5, 6, 7, 4, 3}));
  EXPECT_EQ(row->places, (std::vector<char_range>{{0, 0}, {0, 2}, {2, 5}, {5, 6}, {7, 13}, {0, 0}}));
  EXPECT_EQ(row->words, (std::vector<std::int32_t>{-1, 0, 0, 1, 2, -1}));
  EXPECT_EQ(row->special, (std::vector<std::uint8_t>{1, 0, 0, 0, 0, 1}));
  EXPECT_EQ(t.token_of(6), "##llo");
  EXPECT_EQ(t.token_of(-1), std::nullopt);
  EXPECT_EQ(t.token_of(99), std::nullopt);
  EXPECT_EQ(*t.join(ids{5, 6, 7}), "hello,");
  EXPECT_EQ(*t.decode(ids{2, 5, 6, -7, 99, 3}, true, false), "hello");
  EXPECT_EQ(t.specials().mask, 4);
}

// ---- hostile SentencePiece models ----

std::string spm_of(const char* name) {
  for (const auto one : list(reference().root(), "tokenizers"))
    if (string_of(one["name"]) == name) {
      const auto form = list(one, "forms")[1];
      for (const auto [file, content] : dom::object(form["files"]))
        if (file.ends_with(".model")) return *decode_base64(std::string_view(content["base64"]));
    }
  throw std::runtime_error(name);
}

TEST(sentencepiece, cut_short_anywhere_is_an_error_or_a_smaller_model) {
  const auto whole = spm_of("albert");
  ASSERT_TRUE(parse_sentencepiece(whole, "m"));
  std::size_t refused = 0;
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 400) {
    const auto read = parse_sentencepiece(std::string_view(whole).substr(0, size), "m");
    if (read) continue;
    ++refused;
    EXPECT_EQ(read.error().code, error_code::unprocessable);
    EXPECT_TRUE(read.error().message.starts_with("m ")) << read.error().message;
  }
  EXPECT_GT(refused, 100U);
}

TEST(sentencepiece, changed_anywhere_is_no_crash) {
  const auto whole = spm_of("xlm-roberta");
  std::mt19937 random(20261127);
  scratch_folder scratch;
  write_file(scratch.path() / "config.json", R"({"model_type":"xlm-roberta"})");
  for (int round = 0; round < 300; ++round) {
    auto bytes = whole;
    for (int i = 0; i < 1 + round % 5; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    (void)parse_sentencepiece(bytes, "m");
    if (round % 10 != 0) continue;
    write_file(scratch.path() / "sentencepiece.bpe.model", bytes);
    const auto t = tokenizer::load(scratch.path());
    if (t) (void)(*t)->encode("a text, ﬁre", 20);
  }
}

TEST(sentencepiece, what_is_none_is_said) {
  for (const auto& bytes : {std::string(), std::string("{}"), std::string("\x0a\xff\xff\xff\xff\x0f"),
                            std::string(1000, '\x0a'), std::string("\x0a\x02\x0a\x00", 4) + '\x80'})
    EXPECT_FALSE(parse_sentencepiece(bytes, "m")) << testing::PrintToString(bytes);
}

TEST(older_files, that_are_missing_are_named) {
  for (const auto& [type, file, named] : {std::tuple{"roberta", "vocab.json", "merges.txt"},
                                          {"roberta", "vocab.txt", "vocab.json"},
                                          {"albert", "vocab.txt", "spiece.model"},
                                          {"bert", "spiece.model", "vocab.txt"},
                                          {"modernbert", "spm.model", "tokenizer.model"},
                                          {"deberta-v2", "vocab.txt", "spm.model"}}) {
    scratch_folder scratch;
    write_file(scratch.path() / "config.json", std::string(R"({"model_type":")") + type + "\"}");
    write_file(scratch.path() / file, "{}");
    const auto t = tokenizer::load(scratch.path());
    ASSERT_FALSE(t) << type;
    EXPECT_TRUE(has(t.error().message, named)) << t.error().message;
  }
}

TEST(older_files, merges_are_told_by_line) {
  scratch_folder scratch;
  write_file(scratch.path() / "config.json", R"({"model_type":"roberta"})");
  write_file(scratch.path() / "vocab.json", R"({"<s>":0,"</s>":1,"a":2,"b":3,"ab":4})");
  for (const auto& [text, part] : {std::pair{"#version: 0.2\na b\na\n", "merges.txt:3"},
                                   {"a b c\n", "merges.txt:1"},
                                   {"a x\n", "library"},
                                   {"\xff b\n", "UTF-8"}}) {
    write_file(scratch.path() / "merges.txt", text);
    const auto t = tokenizer::load(scratch.path());
    ASSERT_FALSE(t) << text;
    EXPECT_TRUE(has(t.error().message, part)) << t.error().message;
  }
  write_file(scratch.path() / "merges.txt", "#version: 0.2\r\na b\r\n");
  const auto t = tokenizer::load(scratch.path());
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ((*t)->encode("ab", 10)->ids, (ids{0, 4, 1}));
}

}  // namespace
}  // namespace troupe::inference::tests
