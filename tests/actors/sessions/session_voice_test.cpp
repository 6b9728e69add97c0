// Sessions with a model for voice activity, and with a second pass.

#include <random>

#include "tests/actors/sessions/session_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

struct SessionVoice : SessionActor {
  void SetUp() override {
    SessionActor::SetUp();
    start_voice();
  }
  static inference::transcript text(std::string t) { return {std::move(t), true, {}, {}}; }
  static std::vector<float> together(std::initializer_list<std::vector<float>> parts) {
    std::vector<float> out;
    for (const auto& p : parts) out.insert(out.end(), p.begin(), p.end());
    return out;
  }
};

TEST_F(SessionVoice, SilenceCostsNoRecogniserAndReturnsItsCredit) {
  const auto o = open(session_mode::two_pass);
  feed(o, silence(400));
  run_all();
  EXPECT_EQ(*states, 0) << "the recogniser's";
  EXPECT_EQ(*voice_states, 1);
  EXPECT_EQ(o.out->credit, 400 - voice_fake::back) << "what may still be before a begin is kept";
  EXPECT_EQ(home->counters->ends.answered.load(), 0u);
  EXPECT_EQ(voice->counters->ends.answered.load(), 10u) << "each step";
  finish(o);
  run_all();
  EXPECT_EQ(o.out->events, words{"end"});
  EXPECT_EQ(o.out->credit, 400u);
  EXPECT_EQ(*voice_states, 0);
  close(o);
}

TEST_F(SessionVoice, TheRecogniserHearsWhatIsSpokenAndIsGoneThen) {
  const auto o = open(session_mode::two_pass);
  feed(o, together({silence(200), word(7, 150), silence(50)}));
  run_all();
  EXPECT_EQ(o.out->events, (words{"+7", "[7]"}));
  EXPECT_EQ(*states, 0);
  EXPECT_EQ(home->counters->ends.answered.load(), 1u) << "20 ms before the word to 50 ms after: one last step";
  feed(o, together({word(8, 60), word(6, 30)}));
  EXPECT_EQ(*states, 0) << "nothing is known before voice activity has answered";
  run_all();
  EXPECT_EQ(*states, 1);
  finish(o);
  run_all();
  EXPECT_EQ(o.out->events, (words{"+7", "[7]", "+86", "[86]", "end"}));
  EXPECT_EQ(*states, 0);
  EXPECT_EQ(o.out->credit, 490u);
  close(o);
}

TEST_F(SessionVoice, TimesAreThoseOfTheWholeSound) {
  const auto o = open(session_mode::two_pass);
  feed(o, together({silence(1000), word(7, 200)}));
  finish(o);
  run_all();
  ASSERT_EQ(o.out->sentences.size(), 1u);
  EXPECT_DOUBLE_EQ(*o.out->sentences[0].begin_s, 0.98 + 0.1) << "the fake's 0.1, from where it began to hear";
  close(o);
}

TEST_F(SessionVoice, OneStepAStageIsUnderWay) {
  const auto o = open(session_mode::two_pass);
  feed(o, together({word(1, 100), word(2, 100), word(3, 100)}));
  int together_most = 0;
  while (slots[0]->busy()) {
    together_most = std::max(together_most, static_cast<int>(slots[0]->running->items.size()));
    slots[0]->finish();
    time.settle();
  }
  EXPECT_EQ(together_most, 1);
  finish(o);
  run_all();
  close(o);
}

// 200 ms are the longest sentence here: the utterance goes on, its sentences do not.
TEST_F(SessionVoice, TooLongASentenceIsCut) {
  session_limits limits;
  limits.sentence.utterance_s_max = 0.2;
  const auto o = open(session_mode::two_pass, {.second_pass = true}, limits);
  std::vector<float> sound;
  for (int i = 1; i <= 8; ++i)
    for (const auto s : word(i, 50)) sound.push_back(s);
  feed(o, sound);
  finish(o);
  run_all();
  for (std::size_t i = 0; i < again.size(); ++i) answer(i, text(words_in(again[i].first)));
  EXPECT_EQ(o.out->events, (words{"+12", "+34", "[1234]", "+56", "+78", "[5678]", "end"}));
  EXPECT_EQ(again[0].first.size(), 200u);
  close(o);
}

TEST_F(SessionVoice, AFailingStepOfItEndsItsOwnSession) {
  const auto bad = open(session_mode::two_pass), good = open(session_mode::two_pass);
  feed(good, word(1));
  auto deaf = silence();
  deaf[3] = 0.85F;
  feed(bad, deaf);
  run_all();
  EXPECT_EQ(bad.out->events, words{"failed"});
  finish(good);
  run_all();
  EXPECT_EQ(good.out->events, (words{"+1", "[1]", "end"}));
  close(good);
}

TEST_F(SessionVoice, EitherModelThatIsToGoWaitsWithALimit) {
  session_limits limits;
  limits.drain = 3s;
  const auto o = open(session_mode::two_pass, {}, limits);
  EXPECT_FALSE(voice->door.try_close_if_idle()) << "nobody evicts it";
  EXPECT_FALSE(voice->door.close());
  for (int i = 0; i < 5; ++i) time.pass(1s);
  ASSERT_EQ(o.out->events, words{"failed"});
  EXPECT_NE(o.out->why->message.find(voice->name), std::string::npos);
  EXPECT_EQ(voice->door.inside(), 0u);
}

TEST_F(SessionVoice, ASecondPassReplacesTheText) {
  const auto o = open(session_mode::two_pass, {.marks = true, .second_pass = true});
  feed(o, together({silence(200), word(7, 150), silence(50)}));
  run_all();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].first.size(), 20 + 1 + voice_fake::ahead) << "the sentence's own sound";
  EXPECT_EQ(again[0].first[20], 0.7F);
  feed(o, together({word(8, 100), silence(100)}));
  run_all();
  EXPECT_EQ(o.out->events, words{"+7"}) << "what comes after the sentence waits";
  EXPECT_EQ(again.size(), 1u) << "one after another";
  answer(0, text("seven"));
  ASSERT_EQ(to_mark.size(), 1u);
  EXPECT_EQ(to_mark[0].first.text, "seven");
  to_mark[0].second(std::string("Seven."));
  time.settle();
  EXPECT_EQ(o.out->events, (words{"+7", "[Seven.]", "+8"}));
  ASSERT_EQ(again.size(), 2u);
  answer(1, fail(error_code::unavailable, "not now"));
  EXPECT_EQ(to_mark[1].first.text, "8") << "as it was first recognised";
  to_mark[1].second(fail(error_code::unavailable, "nor marks"));
  time.settle();
  EXPECT_EQ(o.out->events, (words{"+7", "[Seven.]", "+8", "[8]"}));
  close(o);
}

TEST_F(SessionVoice, ASecondPassWithoutVoiceActivityHearsTheStretch) {
  voice = nullptr;
  session_limits limits;
  limits.sentence.silence_after_token_s = 0.2;
  const auto o = open(session_mode::offline, {.second_pass = true}, limits);
  feed(o, together({word(1), silence(200), word(2, 60)}));
  finish(o);
  run_all();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].first.size(), 300u);
  answer(0, text("one"));
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[1].first.size(), 60u);
  answer(1, text("two"));
  EXPECT_EQ(o.out->events, (words{"[one]", "[two]", "end"}));
  close(o);
}

// Sentences that wait for their second pass hold the feeding back, when they hold as much sound as a buffer.
TEST_F(SessionVoice, SoundThatWaitsForItsSecondPassIsBounded) {
  session_limits limits;
  limits.buffer = 500ms;
  const auto o = open(session_mode::two_pass, {.second_pass = true}, limits);
  std::uint64_t fed = 0;
  const auto say = [&] {
    feed(o, together({word(1, 100), silence(90)}));
    fed += 190;
    run_all();
  };
  const auto left = [&] { return 500 + o.out->credit - fed; };
  while (left() >= 190 && fed < 10000) say();
  EXPECT_LT(fed, 4000u) << "it comes to an end";
  ASSERT_EQ(again.size(), 1u);
  std::size_t i = 0;
  while (i < again.size()) answer(i++, text("one"));
  EXPECT_GE(left(), 430u) << "all of it is given back, but what is not decided";
  finish(o);
  run_all();
  while (i < again.size()) answer(i++, text("one"));
  EXPECT_EQ(left(), 500u);
  EXPECT_EQ(o.out->events.back(), "end");
  close(o);
}

TEST_F(SessionVoice, OneThatLeavesWhileItsSentenceIsRecognisedAgainIsGone) {
  const auto o = open(session_mode::two_pass, {.second_pass = true});
  feed(o, together({word(7, 150), silence(50)}));
  run_all();
  ASSERT_EQ(again.size(), 1u);
  close(o);
  answer(0, text("seven"));
  EXPECT_EQ(o.out->events, words{"+7"});
}

// The same sound in other pieces, the models' answers at other times: the same text, the same sentences, all credit.
TEST_F(SessionVoice, CutsOfTheSoundChangeNothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    const auto sound = words_and_silence(random);
    for (const bool with_voice : {true, false}) {
      const auto kept = voice;
      if (!with_voice) voice = nullptr;
      std::vector<words> heard;
      for (int cut = 0; cut < 3; ++cut) {
        again.clear();
        session_limits limits;
        limits.sentence.silence_after_token_s = 0.2;
        const auto o = open(session_mode::two_pass, {.second_pass = true}, limits);
        std::size_t at = 0, answers = 0;
        const auto answer_some = [&] {
          while (answers < again.size() && random() % 2 == 0) {
            answer(answers, text("<" + words_in(again[answers].first) + ">"));
            ++answers;
          }
        };
        while (at < sound.size()) {
          const auto n = std::min<std::size_t>(1 + random() % 400, sound.size() - at);
          const auto from = sound.begin() + static_cast<std::ptrdiff_t>(at);
          feed(o, {from, from + static_cast<std::ptrdiff_t>(n)});
          at += n;
          if (random() % 2 == 0) run_all();
          answer_some();
        }
        finish(o);
        while (o.out->events.empty() || o.out->events.back() != "end") {
          run_all();
          answer_some();
          ASSERT_FALSE(o.out->why);
        }
        EXPECT_EQ(o.out->credit, sound.size());
        heard.push_back(o.out->events);
        close(o);
        EXPECT_EQ(*states, 0);
      }
      EXPECT_EQ(heard[1], heard[0]);
      EXPECT_EQ(heard[2], heard[0]);
      voice = kept;
    }
  }
}

}  // namespace
}  // namespace troupe::actors
