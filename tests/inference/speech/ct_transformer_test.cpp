#include "inference/speech/ct_transformer.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/inference/speech/fixtures.hpp"

namespace troupe::inference {
namespace {

using tests::punctuation_fixtures;
using tests::text_at;

result<std::unique_ptr<const model>> load_folder(const tests::fs::path& path, precision what = precision::fp32) {
  const auto config = model_yaml::read(path / "config.yaml", 1 << 20);
  if (!config) return tl::unexpected(config.error());
  return load_ct_transformer({tests::spec_of(path, what), {}, "1", *config});
}

std::shared_ptr<const model> load(const std::string& name, precision what = precision::fp32) {
  auto made = load_folder(punctuation_fixtures() / name, what);
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(*made);
}

struct asked_text {
  std::string text;
  state* session = nullptr;  // null: a state of its own
};

// All at once: a step of each that is not done, until all are.
std::vector<std::string> answers(const model& m, const std::vector<asked_text>& asked) {
  const auto instance = m.make_instance();
  std::vector<prepared_ptr> in;
  std::vector<std::unique_ptr<state>> own;
  std::vector<row> rows;
  for (const auto& a : asked) {
    in.push_back(m.prepare(a.text).value());
    own.push_back(m.open_state(*in.back()));
    row r;
    r.in = in.back().get();
    r.st = a.session != nullptr ? a.session : own.back().get();
    r.again = true;
    rows.push_back(std::move(r));
  }
  while (std::any_of(rows.begin(), rows.end(), [](const row& r) { return r.again; })) {
    std::vector<row> batch;
    for (const auto& r : rows)
      if (r.again) batch.push_back({r.in, r.st, {}, false, {}});
    instance->step(batch);
    auto done = batch.begin();
    for (auto& r : rows)
      if (r.again) r = std::move(*done++);
  }
  std::vector<std::string> out;
  for (const auto& r : rows) {
    EXPECT_EQ(r.problem, "");
    out.push_back(std::get<transcript>(r.out).text);
  }
  return out;
}

struct cases {
  std::vector<asked_text> asked;
  std::vector<std::string> expected;
};
cases cases_of(const std::string& name) {
  tests::json_file file(punctuation_fixtures() / name / "cases.json");
  cases all;
  for (const auto one : file.root().get_array()) {
    all.asked.push_back({text_at(one, 0)});
    all.expected.push_back(text_at(one, 1));
  }
  EXPECT_GT(all.asked.size(), 30U);
  return all;
}

class offline_punctuation : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(both, offline_punctuation, testing::Values("offline", "segmented"));

TEST_P(offline_punctuation, alone_as_the_reference) {
  const auto m = load(GetParam());
  const auto all = cases_of(GetParam());
  for (std::size_t i = 0; i < all.asked.size(); ++i)
    EXPECT_EQ(answers(*m, {all.asked[i]}).front(), all.expected[i]) << all.asked[i].text;
}

TEST_P(offline_punctuation, together_as_the_reference) {
  EXPECT_EQ(answers(*load(GetParam()), cases_of(GetParam()).asked), cases_of(GetParam()).expected);
}

TEST_P(offline_punctuation, a_text_of_no_words_is_empty) {
  EXPECT_EQ(answers(*load(GetParam()), {{""}, {" \t\u3000\n"}, {"我"}}),
            (std::vector<std::string>{"", "", answers(*load(GetParam()), {{"我"}}).front()}));
}

// Other products round otherwise; the words stay, and most of the marks.
TEST_P(offline_punctuation, in_other_precisions) {
  const auto all = cases_of(GetParam());
  for (const auto what : {precision::bf16, precision::int8}) {
    const auto m = load(GetParam(), what);
    EXPECT_EQ(m->info().precision, to_string(what));
    const auto made = answers(*m, all.asked);
    std::size_t same = 0;
    for (std::size_t i = 0; i < made.size(); ++i) same += made[i] == all.expected[i] ? 1 : 0;
    EXPECT_GT(same, made.size() / 3) << to_string(what);
  }
}

struct stream {
  std::vector<std::string> texts, expected;
};
std::vector<stream> streams() {
  tests::json_file file(punctuation_fixtures() / "streaming" / "cases.json");
  std::vector<stream> all;
  for (const auto one : file.root().get_array()) {
    auto& s = all.emplace_back();
    for (const auto part : one.get_array()) {
      s.texts.push_back(text_at(part, 0));
      s.expected.push_back(text_at(part, 1));
    }
  }
  EXPECT_GT(all.size(), 30U);
  return all;
}

TEST(streaming_punctuation, alone_as_the_reference) {
  const auto m = load("streaming");
  for (const auto& s : streams()) {
    const auto session = open_increments(*m);
    for (std::size_t i = 0; i < s.texts.size(); ++i)
      EXPECT_EQ(answers(*m, {{s.texts[i], session.get()}}).front(), s.expected[i]) << s.texts[i];
  }
}

TEST(streaming_punctuation, tells_the_mark_that_would_end_the_text) {
  const auto m = load("streaming");
  for (const auto& s : streams()) {
    const auto session = open_increments(*m);
    EXPECT_EQ(end_mark(*session), "");
    for (const auto& text : s.texts) {
      answers(*m, {{text, session.get()}});
      EXPECT_TRUE(end_mark(*session) == "。" || end_mark(*session) == "？") << end_mark(*session);
    }
  }
}

// Words that wait for their sentence's end are private memory of the model, until their session has gone.
TEST(streaming_punctuation, what_is_pending_is_charged) {
  const auto m = load("streaming");
  answers(*m, {{"我们"}});
  const auto before = m->memory().private_bytes;
  auto session = open_increments(*m);
  answers(*m, {{"我 antidisestablishmentarianism", session.get()}});
  EXPECT_GT(m->memory().private_bytes, before + std::string("antidisestablishmentarianism").size());
  session.reset();
  EXPECT_EQ(m->memory().private_bytes, before);
}

// Sessions of every age share batches; an empty text between changes nothing.
TEST(streaming_punctuation, together_as_the_reference) {
  const auto m = load("streaming");
  const auto all = streams();
  std::vector<std::unique_ptr<state>> sessions;
  for (std::size_t i = 0; i < all.size(); ++i) sessions.push_back(open_increments(*m));
  for (std::size_t part = 0;; ++part) {
    std::vector<asked_text> asked;
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto late = i % 3;
      if (part < late || part - late >= all[i].texts.size()) continue;
      asked.push_back({all[i].texts[part - late], sessions[i].get()});
      expected.push_back(all[i].expected[part - late]);
    }
    if (asked.empty() && part > 3) break;
    EXPECT_EQ(answers(*m, asked), expected);
    if (!asked.empty()) {
      EXPECT_EQ(answers(*m, {{"", asked.front().session}}).front(), "");
    }
  }
}

// A request's text is whole: it ends with a mark, and one text leaves nothing for the next.
TEST(streaming_punctuation, of_whole_texts) {
  const auto m = load("streaming");
  EXPECT_EQ(open_increments(*load("offline")), nullptr);
  for (const auto& s : streams()) {
    std::string text;
    for (const auto& part : s.texts) text += part;
    const auto made = answers(*m, {{text}}).front();
    std::string last;
    for (const auto* mark : {"。", "？", ".", "?", "！", "!"})
      if (made.ends_with(mark)) last = mark;
    EXPECT_FALSE(last.empty()) << made;
    // But for marks, spaces and capitals, it is the text.
    const auto bare = [](std::string t) {
      for (const auto* mark : {"，", "。", "？", "、", ",", ".", "?", " ", "<unk>"})
        for (auto at = t.find(mark); at != std::string::npos; at = t.find(mark)) t.erase(at, std::string(mark).size());
      for (auto& c : t) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
      return t;
    };
    EXPECT_EQ(bare(made), bare(text));
    EXPECT_EQ(answers(*m, {{text}, {"我"}, {text}}).back(), made);
  }
}

TEST(ct_transformer, tells_what_it_is) {
  const auto m = load("segmented");
  EXPECT_EQ(m->info().architecture, "CTTransformer");
  EXPECT_EQ(m->info().tasks, std::vector{task::punctuation_restoration});
  EXPECT_TRUE(m->info().stateful);
  const auto config = model_yaml::read(punctuation_fixtures() / "segmented" / "config.yaml", 1 << 20).value();
  const auto estimate =
      estimate_ct_transformer({tests::spec_of(punctuation_fixtures() / "segmented"), {}, "1", config});
  ASSERT_TRUE(estimate);
  EXPECT_GE(estimate->total_bytes(), m->memory().total_bytes());
  for (const auto& bucket : m->warm_buckets(8, 1000)) {
    const auto in = m->warm_input(bucket);
    const auto st = m->open_state(*in);
    std::vector<row> rows{{in.get(), st.get(), {}, false, {}}};
    m->make_instance()->step(rows);
  }
}

// The second load maps what the first one laid out.
TEST(ct_transformer, from_a_store) {
  const tests::scratch_folder scratch;
  const auto path = punctuation_fixtures() / "offline";
  const auto config = model_yaml::read(path / "config.yaml", 1 << 20).value();
  load_options options;
  options.store = scratch.path();
  for (int i = 0; i < 2; ++i) {
    const auto m = load_ct_transformer({tests::spec_of(path), options, "1", config});
    ASSERT_TRUE(m) << m.error().message;
    EXPECT_EQ((*m)->memory().mappings.size(), 1U);
    EXPECT_EQ(answers(**m, cases_of("offline").asked), cases_of("offline").expected);
  }
}

TEST(ct_transformer, refuses_other_inputs) {
  const auto m = load("offline");
  EXPECT_EQ(m->prepare(token_ids{{1, 2}}).error().code, error_code::unprocessable);
  EXPECT_EQ(m->prepare(std::string("\xE6\x88")).error().code, error_code::unprocessable);
  question other;
  other.task = task::fill_mask;
  EXPECT_FALSE(m->prepare(std::string("我"), other));
  question more;
  more.parameters.top_k = 3;
  EXPECT_NE(m->prepare(std::string("我"), more).error().message.find("top_k"), std::string::npos);
}

// A copy of a fixture with one text in one file replaced.
error refusal(const std::string& name, const std::string& file, const std::string& from, const std::string& to) {
  const tests::scratch_folder scratch;
  tests::copy_folder(punctuation_fixtures() / name, scratch.path() / "m");
  const auto path = scratch.path() / "m" / file;
  auto text = tests::read_file(path);
  if (from.empty()) {
    tests::fs::remove(path);
  } else {
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    tests::write_file(path, text.replace(at, from.size(), to));
  }
  const auto made = load_folder(scratch.path() / "m");
  if (made) {
    ADD_FAILURE() << "loaded with " << to;
    return {};
  }
  return made.error();
}

TEST(ct_transformer, refuses_by_name_what_it_does_not_know) {
  const auto says = [](const error& e, std::string_view what) {
    EXPECT_NE(e.message.find(what), std::string::npos) << e.message;
  };
  says(refusal("offline", "config.yaml", "model: CTTransformer", "model: CTTransformerNext"), "CTTransformerNext");
  says(refusal("offline", "config.yaml", "encoder: SANMEncoder", "encoder: Conformer"), "encoder");
  says(refusal("offline", "config.yaml", "tokenizer: CharTokenizer", "tokenizer: SentencepiecesTokenizer"),
       "tokenizer");
  says(refusal("offline", "config.yaml", "att_unit: ", "att_unit: 2"), "att_unit");
  says(refusal("offline", "config.yaml", "input_layer: pe", "input_layer: conv2d"), "input_layer");
  says(refusal("offline", "config.yaml", "ignore_id: 0", "with_numbers: 0"), "with_numbers");
  says(refusal("offline", "config.yaml", "sentence_end_id: 3", "sentence_end_id: 6"), "sentence_end_id");
  says(refusal("offline", "tokens.json", "<unk>", "<other>"), "<unk>");
  says(refusal("offline", "tokens.json", "[\"", "[\"one more\", \""), "embed.weight");
  says(refusal("offline", "tokens.json", "", ""), "tokens.json");
  says(refusal("segmented", "dict.txt", "", ""), "base dictionary");
  EXPECT_NE(refusal("segmented", "dict.txt", "", "").detail.find("dict.txt"), std::string::npos);
}

TEST(ct_transformer, cuts_with_the_publishers_base_dictionary_where_there_is_no_other) {
  const tests::scratch_folder scratch;
  tests::copy_folder(punctuation_fixtures() / "segmented", scratch.path() / "m");
  tests::fs::rename(scratch.path() / "m" / "dict.txt", scratch.path() / "m" / "jieba.c.dict");
  const auto made = load_folder(scratch.path() / "m");
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_NE((*made)->info().notes.find("jieba.c.dict"), std::string::npos);
  EXPECT_EQ(answers(**made, cases_of("segmented").asked), cases_of("segmented").expected);
}

}  // namespace
}  // namespace troupe::inference
