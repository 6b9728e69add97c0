#include "inference/tasks/token_classification.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

recorded_tokenizer::decoder decoder_of(const std::string& name) {
  using decoder = recorded_tokenizer::decoder;
  return name == "wordpiece" ? decoder::wordpiece : name == "metaspace" ? decoder::metaspace : decoder::bytelevel;
}

encoding encoding_of(dom::element row) {
  encoding made;
  made.ids = ids_of(row["ids"]);
  for (const auto place : dom::array(row["places"])) {
    const auto ends = ids_of(place);
    made.places.push_back({static_cast<std::uint32_t>(ends[0]), static_cast<std::uint32_t>(ends[1])});
  }
  for (const auto special : ids_of(row["special"])) made.special.push_back(static_cast<std::uint8_t>(special));
  made.words.assign(made.ids.size(), 0);
  return made;
}

head_kit tagger(const names& labels) {
  head_kit kit;
  kit.spec.labels = labels;
  kit.plan.logits = static_cast<std::int64_t>(labels.size());
  return kit;
}

// A case of the reference: a head, an item that it read, and what the network said of it.
struct asked_case {
  head_kit kit;
  head_ptr head;
  std::string text;
  bool windows = false;
  std::vector<std::vector<float>> logits;

  asked_case(const model_json& json, dom::element one) : kit(tagger(strings_of(json.root()["labels"]))) {
    const auto name = string_of(one, "tokenizer");
    *kit.tokens = recorded_tokenizer(json.root()["tokenizers"][name], decoder_of(name));
    text = string_of(one, "text");
    std::vector<encoding> rows;
    for (const auto row : dom::array(one["rows"])) {
      rows.push_back(encoding_of(row));
      logits.push_back(lines_of(row["logits"]));
    }
    windows = rows.size() > 1;
    kit.tokens->texts[text] = rows.front();
    kit.tokens->windows[text] = std::move(rows);
    head = made(kit, token_classification());
  }
  spans answer(task_parameters given) const {
    if (windows) given.stride = 4;
    const auto read = kit.read(*head, text, given);
    if (!read) throw std::runtime_error(read.error().message);
    network_answer said;
    said.width = kit.plan.logits;
    for (const auto& row : logits) said.rows.emplace_back(row);
    return std::get<spans>(head->make(*read, said));
  }
};

void expect_spans(const spans& got, dom::element wanted, const std::string& what) {
  const dom::array list(wanted);
  ASSERT_EQ(got.found.size(), list.size()) << what;
  for (std::size_t i = 0; const auto one : list) {
    const auto& span = got.found[i++];
    const auto where = what + ": " + std::to_string(i);
    EXPECT_EQ(span.label, string_of(one, got.tokens ? "entity" : "entity_group")) << where;
    const auto word = string_of(one, "word");
    // Of bytes the pipeline decodes words twice, which breaks letters that are no ASCII; so far nobody wants that.
    if (word.find("\uFFFD") == word.npos) {
      EXPECT_EQ(span.word, word) << where;
    }
    EXPECT_EQ(span.begin, std::uint64_t(one["start"])) << where;
    EXPECT_EQ(span.end, std::uint64_t(one["end"])) << where;
    EXPECT_TRUE(near(span.score, one["score"].is_null() ? NAN : double(one["score"]))) << where << ' ' << span.score;
    if (got.tokens) {
      EXPECT_EQ(span.index, std::uint64_t(one["index"])) << where;
    }
  }
}

TEST(token_classification, gives_the_entities_of_transformers) {
  const auto json = reference("entities.json");
  std::size_t found = 0;
  for (const auto one : dom::array(json.root()["cases"])) {
    const asked_case asked(json, one);
    const auto name = string_of(one, "tokenizer") + " '" + asked.text + "' ";
    for (const auto [strategy, wanted] : dom::object(one["expected"])) {
      task_parameters given;
      given.aggregation_strategy = parse_aggregation(strategy);
      const auto got = asked.answer(given);
      EXPECT_EQ(got.tokens, strategy == "none");
      expect_spans(got, wanted, name + std::string(strategy));
      found += got.found.size();
    }
    task_parameters given;
    given.ignore_labels = names{"PER", "B-LOC", "MISC"};
    expect_spans(asked.answer(given), one["ignoring"], name + "ignoring");
    expect_spans(asked.answer({}), one["expected"]["simple"], name + "default");
  }
  EXPECT_GT(found, 1000U);
}

TEST(token_classification, is_a_row_of_the_table) {
  const auto kit = tagger({"O", "B-X"});
  const auto head = made(kit, token_classification());
  EXPECT_EQ(token_classification().what, task::token_classification);
  EXPECT_EQ(head->wants(), network_output::token_logits);
  EXPECT_EQ(head->labels(), (names{"O", "B-X"}));
  EXPECT_TRUE(made(tagger({"X", "X"}), token_classification())) << "spans may share a label";
  EXPECT_NE(problem_of(kit.read(*head, text_pair{}), error_code::unprocessable).find("takes a text, not a pair"),
            std::string::npos);
  EXPECT_NE(problem_of(kit.read(*head, token_ids{{1}}), error_code::unprocessable).find("takes a text"),
            std::string::npos);
}

TEST(token_classification, a_stride_needs_entities_and_room) {
  auto kit = tagger({"O", "B-X"});
  kit.length_max = 10;
  kit.tokens->windows["a"].resize(1);
  const auto head = made(kit, token_classification());
  task_parameters given;
  given.stride = 7;
  EXPECT_TRUE(kit.read(*head, std::string("a"), given));
  EXPECT_TRUE(kit.tokens->last_options.details);
  given.stride = 8;  // two special tokens
  EXPECT_EQ(problem_of(kit.read(*head, std::string("a"), given), error_code::bad_request),
            "'stride' is 8, which leaves no room for text | less than 8");
  given.stride = 0;
  given.aggregation_strategy = aggregation::none;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'stride' needs entities"), std::string::npos);
  given = {};
  given.top_k = 1;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'top_k'"), std::string::npos);
}

TEST(token_classification, what_no_text_was_read_for_has_no_entities) {
  const auto kit = tagger({"O", "B-X"});
  const auto head = made(kit, token_classification());
  prepared_text in;
  in.rows.resize(1);
  in.rows.front().tokens.ids.assign(3, 0);  // a warm-up's
  const std::vector<float> lines(6, 1.0F);
  EXPECT_TRUE(std::get<spans>(head->make(in, {{lines}, 2})).found.empty());
}

}  // namespace
}  // namespace troupe::inference::tests
