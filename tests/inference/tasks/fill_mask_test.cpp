#include "inference/tasks/fill_mask.hpp"

#include "tests/inference/tasks/support.hpp"

namespace troupe::inference::tests {
namespace {

head_kit masker() {
  head_kit kit;
  kit.tokens->tokens = {"[PAD]", "[UNK]", "[MASK]", "a", "b", "c"};
  kit.tokens->named.mask = 2;
  kit.tokens->named.pad = 0;
  kit.plan.logits = 6;
  kit.tokens->texts["a [MASK]"].ids = {3, 2};
  kit.tokens->texts["a"].ids = {3};
  return kit;
}
std::vector<std::int32_t> best(const head_kit& kit, const task_head& head, const std::vector<float>& logits,
                               const task_parameters& given = {}) {
  const auto read = kit.read(head, std::string("a [MASK]"), given);
  if (!read) throw std::runtime_error(read.error().message);
  const auto out = std::get<mask_candidates>(head.make(*read, {{logits}, 6}));
  std::vector<std::int32_t> ids;
  for (const auto& one : out.masks.at(0)) ids.push_back(one.token_id);
  return ids;
}

TEST(fill_mask, gives_the_candidates_of_transformers) {
  const auto json = reference("masks.json");
  for (const auto one : dom::array(json.root()["cases"])) {
    const auto name = string_of(one, "tokenizer"), text = string_of(one, "text");
    head_kit kit;
    *kit.tokens = recorded_tokenizer(json.root()["tokenizers"][name], recorded_tokenizer::decoder::wordpiece);
    kit.tokens->texts[text].ids = ids_of(one["ids"]);
    kit.plan.logits = static_cast<std::int64_t>(kit.tokens->tokens.size());
    for (const auto [target, id] : dom::object(one["first_ids"]))
      if (const auto first = std::int64_t(id); first >= 0)
        kit.tokens->bare_texts[std::string(target)].ids = {static_cast<std::int32_t>(first)};
      else
        kit.tokens->bare_texts[std::string(target)] = {};
    // What the pipeline decodes, by what it decodes.
    const auto wanted = dom::array(one["expected"]);
    const auto masks = [&] {
      std::vector<std::size_t> places;
      for (std::size_t i = 0; i < kit.tokens->texts[text].ids.size(); ++i)
        if (kit.tokens->texts[text].ids[i] == kit.tokens->named.mask) places.push_back(i);
      return places;
    }();
    for (std::size_t i = 0; const auto list : wanted) {
      for (const auto candidate : dom::array(list)) {
        auto ids = kit.tokens->texts[text].ids;
        const auto id = static_cast<std::int32_t>(std::int64_t(candidate["token"]));
        ids.at(masks.at(i)) = id;
        std::erase(ids, *kit.tokens->named.pad);
        if (masks.size() == 1) ids.insert(ids.begin(), -1);  // specials are skipped
        kit.tokens->decoded[ids] = string_of(candidate, "sequence");
        kit.tokens->decoded[{id}] = string_of(candidate, "token_str");
      }
      ++i;
    }

    const auto head = made(kit, fill_mask());
    task_parameters given;
    std::uint64_t top_k = 0;
    if (!one["top_k"].get(top_k)) given.top_k = static_cast<std::uint32_t>(top_k);
    if (!one["targets"].is_null()) given.targets = strings_of(one["targets"]);
    const auto read = kit.read(*head, text, given);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->rows.at(0).picks, std::vector<std::uint32_t>(masks.begin(), masks.end()));
    const auto lines = lines_of(one["logits"]);
    const auto out = std::get<mask_candidates>(head->make(*read, {{lines}, kit.plan.logits}));
    ASSERT_EQ(out.masks.size(), wanted.size()) << text;
    for (std::size_t i = 0; const auto list : wanted) {
      const auto& got = out.masks[i++];
      ASSERT_EQ(got.size(), dom::array(list).size()) << text;
      for (std::size_t k = 0; const auto candidate : dom::array(list)) {
        const auto& c = got[k++];
        EXPECT_EQ(c.token_id, std::int64_t(candidate["token"])) << text;
        EXPECT_TRUE(near(c.score, double(candidate["score"]))) << text;
        EXPECT_EQ(c.token, string_of(candidate, "token_str")) << text;
        EXPECT_EQ(c.sequence, string_of(candidate, "sequence")) << text;
      }
    }
  }
}

TEST(fill_mask, needs_a_mask_in_the_text) {
  const auto kit = masker();
  const auto head = made(kit, fill_mask());
  EXPECT_EQ(head->wants(), network_output::token_logits);
  EXPECT_EQ(problem_of(kit.read(*head, std::string("a")), error_code::unprocessable),
            "there is no mask in the text | the mask is [MASK]");
  EXPECT_TRUE(kit.read(*head, token_ids{{3, 2, 2}}));
  EXPECT_NE(problem_of(kit.read(*head, token_ids{{3, 4}}), error_code::unprocessable).find("no mask"),
            std::string::npos);
  EXPECT_NE(problem_of(kit.read(*head, text_pair{}), error_code::unprocessable).find("takes a text"),
            std::string::npos);
  auto without = masker();
  without.tokens->named.mask.reset();
  EXPECT_NE(refusal(without, fill_mask()).find("no mask token"), std::string::npos);
}

TEST(fill_mask, bad_values_are_named) {
  auto kit = masker();
  const auto head = made(kit, fill_mask());
  task_parameters given;
  given.top_k = 0;
  EXPECT_EQ(problem_of(head->check(given), error_code::bad_request), "'top_k' must be at least 1");
  given.top_k = 1'000'000;
  EXPECT_TRUE(kit.read(*head, std::string("a [MASK]"), given)) << "no more than the vocabulary has";
  kit.plan.logits = 250'000;
  const auto large = made(kit, fill_mask());
  EXPECT_NE(
      problem_of(kit.read(*large, std::string("a [MASK]"), given), error_code::bad_request).find("'top_k' of 250000"),
      std::string::npos);
  given = {};
  given.targets = names{};
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'targets'"), std::string::npos);
  given.targets = names{" "};
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'targets'"), std::string::npos);
  kit.tokens->bare_texts[" "] = {};
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'targets'"), std::string::npos);
  given.targets->emplace_back("b");
  EXPECT_TRUE(head->check(given)) << "what has no token is passed over";
  given = {};
  given.normalize = true;
  EXPECT_NE(problem_of(head->check(given), error_code::bad_request).find("'normalize'"), std::string::npos);
}

TEST(fill_mask, logits_that_are_no_numbers_do_no_harm) {
  const auto kit = masker();
  const auto head = made(kit, fill_mask());
  EXPECT_EQ(best(kit, *head, {0, NAN, 0, 5, 0, 0}), (std::vector<std::int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(best(kit, *head, {1, 1, 2, 2, 0, 0}), (std::vector<std::int32_t>{2, 3, 0, 1, 4}))
      << "of equal ones the first";
  task_parameters given;
  given.top_k = 9;
  EXPECT_EQ(best(kit, *head, std::vector<float>(6, NAN), given).size(), 6U);
}

TEST(fill_mask, what_no_text_was_read_for_has_no_candidates) {
  const auto head = made(masker(), fill_mask());
  prepared_text in;
  in.rows.resize(1);
  in.rows.front().tokens.ids.assign(3, 0);  // a warm-up's
  EXPECT_TRUE(std::get<mask_candidates>(head->make(in, {{std::vector<float>()}, 6})).masks.empty());
}

}  // namespace
}  // namespace troupe::inference::tests
