#include "actors/sessions/sentences.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

// What is asked waits here until a test answers it.
struct Sentences : ::testing::Test {
  std::vector<std::string> told, to_mark;
  std::vector<unmarked_sentence> marked;
  std::vector<std::size_t> to_recognise;  // samples
  std::vector<session_sentence> whole;
  int passes = 0, failed = 0;

  std::unique_ptr<sentences> make(bool second_pass, bool marks, bool in_context = false) {
    sentence_models with;
    with.marks_in_context = in_context;
    if (second_pass)
      with.recognise = [this](std::vector<float> sound) {
        to_recognise.push_back(sound.size());
        return cancel_handle();
      };
    if (marks)
      with.punctuate = [this](unmarked_sentence one) {
        to_mark.push_back(one.text);
        marked.push_back(std::move(one));
        return cancel_handle();
      };
    return std::make_unique<sentences>(
        std::move(with),
        [this](session_event&& e) {
          if (auto* s = std::get_if<session_sentence>(&e)) {
            told.push_back("[" + s->text.text + "]");
            whole.push_back(*s);
          } else if (auto* i = std::get_if<session_increment>(&e)) {
            told.push_back("+" + i->text.text);
          } else {
            told.emplace_back("end");
          }
        },
        [this](bool well) { ++(well ? passes : failed); });
  }
  static spoken_sentence one(std::string text, bool was_told = true, std::size_t samples = 10) {
    spoken_sentence s;
    s.text.text = std::move(text);
    s.sound.resize(samples);
    s.sound_begin_s = 3;
    s.told = was_told;
    return s;
  }
  static session_increment more(std::string text) { return {{std::move(text), false, {}, {}}}; }
  using words = std::vector<std::string>;
};

TEST_F(Sentences, AreToldAtOnceWhereNobodyIsToBeAsked) {
  const auto s = make(false, false);
  s->add(one("a"));
  s->tell(more("b"));
  EXPECT_EQ(told, (words{"[a]", "+b"}));
  EXPECT_EQ(whole[0].raw, "a");
  EXPECT_EQ(s->sound_samples(), 0u);
}

TEST_F(Sentences, AreRecognisedAgainThenMarkedOneAfterAnother) {
  const auto s = make(true, true);
  s->add(one("a"));
  s->tell(more("b"));
  s->add(one("b", true, 20));
  s->tell(session_ended{1});
  EXPECT_EQ(s->sound_samples(), 30u);
  EXPECT_EQ(to_recognise, std::vector<std::size_t>{10});
  s->punctuated(std::string("nobody asked"));
  inference::transcript again{"A", true, 0.25, 0.75, {{1, "A", 0.25, 0.75}}};
  s->recognised(again);
  EXPECT_EQ(to_mark, words{"A"});
  s->recognised(again);  // told twice
  EXPECT_TRUE(told.empty());
  s->punctuated(std::string("A."));
  EXPECT_EQ(told, (words{"[A.]", "+b"}));
  EXPECT_EQ(whole[0].raw, "A");
  EXPECT_EQ(whole[0].text.begin_s, 3.25) << "of the whole sound";
  EXPECT_EQ(whole[0].text.tokens[0].end_s, 3.75);
  EXPECT_EQ(s->sound_samples(), 20u);
  s->recognised(inference::transcript{"B", true, {}, {}});
  s->punctuated(std::string("B!"));
  EXPECT_EQ(told, (words{"[A.]", "+b", "[B!]", "end"}));
  EXPECT_EQ(passes, 2);
  EXPECT_EQ(s->sound_samples(), 0u);
}

TEST_F(Sentences, StayAsTheyAreWhereTheSecondPassOrTheMarksFail) {
  const auto s = make(true, true);
  s->add(one("a"));
  s->recognised(fail(error_code::unavailable, "not today"));
  EXPECT_EQ(to_mark, words{"a"});
  s->punctuated(fail(error_code::unavailable, "nor marks"));
  EXPECT_EQ(told, words{"[a]"});
  EXPECT_EQ(failed, 1);
}

TEST_F(Sentences, AnEmptySecondPassTakesBackWhatWasTold) {
  const auto s = make(true, true);
  s->add(one("a"));
  s->recognised(inference::transcript{"", true, {}, {}});
  EXPECT_EQ(told, words{"[]"});
  s->add(one("", false));
  s->recognised(inference::transcript{"", true, {}, {}});
  EXPECT_EQ(told, words{"[]"}) << "nothing was told, nothing is";
  s->add(one("", false));
  s->recognised(inference::transcript{"c", true, {}, {}});
  s->punctuated(std::string("c"));
  EXPECT_EQ(told, (words{"[]", "[c]"})) << "heard by the second pass alone";
  EXPECT_EQ(to_mark, words{"c"});
}

TEST_F(Sentences, WithoutSoundAreNotRecognisedAgain) {
  const auto s = make(true, false);
  s->add(one("a", true, 0));
  EXPECT_EQ(told, words{"[a]"});
  EXPECT_TRUE(to_recognise.empty());
}

TEST_F(Sentences, OfASoundShareAContextOfMarks) {
  const auto s = make(false, true, true);
  for (const auto* text : {"a", "b", "c"}) s->add(one(text));
  s->punctuated(std::string("a"));
  s->punctuated(std::string(",b"));
  EXPECT_NE(marked[0].context, nullptr);
  EXPECT_EQ(marked[1].context, marked[0].context);
  EXPECT_EQ(marked[2].context, marked[0].context);
  EXPECT_FALSE(marked[2].last);
  s->punctuated(fail(error_code::unavailable, "no marks today"));
  auto last = one("d");
  last.last = true;
  s->add(std::move(last));
  EXPECT_NE(marked[3].context, marked[0].context) << "T4: the context of a failure is lost";
  EXPECT_TRUE(marked[3].last);
  s->tell(session_ended{1});
  s->add(one("e"));
  s->punctuated(std::string("d."));
  EXPECT_EQ(told, (words{"[a]", "[,b]", "[c]", "[d.]", "end"}));
  ASSERT_EQ(marked.size(), 5u);
  EXPECT_NE(marked[4].context, marked[3].context) << "T4: of another sound";
}

TEST_F(Sentences, StandByThemselvesWhereNoContextIsAskedFor) {
  const auto s = make(false, true);
  s->add(one("a"));
  EXPECT_EQ(marked[0].context, nullptr);
}

TEST_F(Sentences, NothingIsToldAfterTheyAreDropped) {
  const auto s = make(true, true);
  s->add(one("a"));
  s->tell(more("b"));
  s->drop();
  s->recognised(inference::transcript{"A", true, {}, {}});
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(s->sound_samples(), 0u);
}

}  // namespace
}  // namespace troupe::actors
