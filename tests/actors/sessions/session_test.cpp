// The session actor with a real model actor and device, in virtual time: a fake model that is fed 100 samples a step.

#include "tests/actors/sessions/session_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;
using Session = SessionActor;

TEST_F(Session, TellsTextAsItComesAndGivesItsCreditBack) {
  const auto o = open(session_mode::online);
  feed(o, word(7, 60));
  EXPECT_FALSE(slots[0]->busy()) << "half a step is none";
  feed(o, std::vector<float>(40));
  run_all();
  EXPECT_EQ(o.out->events, words{"+7"});
  EXPECT_EQ(o.out->credit, chunk);
  feed(o, word(8, 30));
  finish(o);
  run_all();
  EXPECT_EQ(o.out->events, (words{"+7", "+8", "end"}));
  EXPECT_EQ(o.out->credit, chunk + 30);
  feed(o, word(6));  // it starts over
  run_all();
  EXPECT_EQ(o.out->events, (words{"+7", "+8", "end", "+6"}));
  close(o);
}

TEST_F(Session, AnEmptyOneEndsAtOnce) {
  const auto o = open(session_mode::two_pass);
  finish(o);
  EXPECT_EQ(o.out->events, words{"end"});
  close(o);
}

TEST_F(Session, OneStepOfItIsUnderWayAndStepsOfDifferentOnesShareABatch) {
  const auto a = open(session_mode::online), b = open(session_mode::online), c = open(session_mode::online);
  feed(a, word(1, 3 * chunk));
  ASSERT_TRUE(slots[0]->busy());
  feed(b, word(2));
  feed(c, word(3));
  EXPECT_EQ(slots[0]->running->items.size(), 1u);
  slots[0]->finish();
  time.settle();
  ASSERT_TRUE(slots[0]->busy());
  EXPECT_EQ(slots[0]->running->items.size(), 3u) << "the second step of a, the first ones of b and c";
  run_all();
  EXPECT_EQ(b.out->events, words{"+2"});
  EXPECT_EQ(c.out->events, words{"+3"});
  close(a), close(b), close(c);
}

TEST_F(Session, WhatComesAheadOfItsTimeWaitsBehindWhatDoesNot) {
  auto limits = model_limits{};
  limits.batch.max_items = 1;
  home = start_fed<live_fake>(states, limits);
  const auto file = open(session_mode::online);
  feed(file, word(1, 10 * chunk));  // a second at once: its second step is due in 200 ms
  const auto live = open(session_mode::online);
  slots[0]->finish();
  time.settle();
  feed(live, word(2));
  slots[0]->finish();  // the file's second step, which nobody else wanted then
  time.settle();
  ASSERT_TRUE(slots[0]->busy());
  slots[0]->finish();
  time.settle();
  EXPECT_EQ(live.out->events, words{"+2"}) << "before the file's third";
  close(file), close(live);
  slots[0]->finish();
  time.settle();
}

TEST_F(Session, ASentenceEndsAfterSilence) {
  session_limits limits;
  limits.sentence.silence_after_token_s = 0.2;
  const auto o = open(session_mode::two_pass, {}, limits);
  feed(o, word(1));
  feed(o, word(2));
  feed(o, std::vector<float>(chunk));
  run_all();
  EXPECT_EQ(o.out->events, (words{"+1", "+2"}));
  feed(o, std::vector<float>(chunk));
  run_all();
  EXPECT_EQ(o.out->events, (words{"+1", "+2", "[12]"}));
  feed(o, word(3));
  finish(o);
  run_all();
  EXPECT_EQ(o.out->events, (words{"+1", "+2", "[12]", "+3", "[3]", "end"}));
  close(o);
}

TEST_F(Session, OfflineTellsWholeSentencesAlone) {
  const auto o = open(session_mode::offline);
  feed(o, word(1, 2 * chunk));
  feed(o, word(2));
  finish(o);
  run_all();
  EXPECT_EQ(o.out->events, (words{"[12]", "end"}));
  close(o);
}

TEST_F(Session, WhatComesAfterASentenceIsToldAfterItsMarks) {
  session_limits limits;
  limits.sentence.silence_after_token_s = 0.1;
  const auto o = open(session_mode::two_pass, {.marks = true}, limits);
  feed(o, word(1));
  feed(o, std::vector<float>(chunk));
  feed(o, word(2));
  feed(o, std::vector<float>(chunk));
  finish(o);
  run_all();
  ASSERT_EQ(to_mark.size(), 1u);
  EXPECT_EQ(o.out->events, words{"+1"}) << "the rest waits for the marks";
  EXPECT_EQ(o.out->credit, 4 * chunk) << "but the feeding does not";
  to_mark[0].second(std::string("1."));
  time.settle();
  EXPECT_EQ(o.out->events, (words{"+1", "[1.]", "+2"}));
  ASSERT_EQ(to_mark.size(), 2u);
  to_mark[1].second(fail(error_code::unavailable, "no marks today"));
  time.settle();
  EXPECT_EQ(o.out->events, (words{"+1", "[1.]", "+2", "[2]", "end"})) << "without marks rather than not at all";
  close(o);
}

TEST_F(Session, TheSentencesOfASoundShareAContextOfMarksWhichEndsWithIt) {
  session_limits limits;
  limits.sentence.silence_after_token_s = 0.1;
  const auto o = open(session_mode::two_pass, {.marks = true, .in_context = true}, limits);
  for (int n : {1, 2}) {
    feed(o, word(n));
    feed(o, silence());
  }
  feed(o, word(3));
  finish(o);
  run_all();
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(to_mark.size(), i + 1);
    EXPECT_NE(to_mark[i].first.context, nullptr);
    EXPECT_EQ(to_mark[i].first.context, to_mark[0].first.context);
    EXPECT_EQ(to_mark[i].first.last, i == 2) << "what the end of the sound ends";
    to_mark[i].second(to_mark[i].first.text);
    time.settle();
  }
  EXPECT_EQ(o.out->events.back(), "end");
  feed(o, word(4));
  finish(o);
  run_all();
  ASSERT_EQ(to_mark.size(), 4u);
  EXPECT_NE(to_mark[3].first.context, to_mark[0].first.context);
  to_mark[3].second(std::string("4"));
  close(o);
}

TEST_F(Session, AStepThatFailsEndsItsOwnSession) {
  const auto bad = open(session_mode::online), good = open(session_mode::online);
  feed(good, word(1));
  feed(bad, word(9));
  run_all();
  EXPECT_EQ(bad.out->events, words{"failed"});
  EXPECT_EQ(bad.out->why->code, error_code::model_failed);
  EXPECT_EQ(good.out->events, words{"+1"});
  close(good);
}

TEST_F(Session, WhatTheFeederThrowsEndsItsOwnSession) {
  const auto bad = open(session_mode::online);
  feed(bad, {-1.0F});
  EXPECT_EQ(bad.out->events, words{"failed"});
}

TEST_F(Session, MoreThanItsCreditFailsIt) {
  session_limits limits;
  limits.buffer = 1000ms;
  const auto o = open(session_mode::online, {}, limits);
  feed(o, std::vector<float>(rate_hz));
  EXPECT_TRUE(o.out->events.empty());
  feed(o, std::vector<float>(1));
  ASSERT_EQ(o.out->events, words{"failed"});
  EXPECT_EQ(o.out->why->code, error_code::too_many_requests);
  run_all();
}

TEST_F(Session, OneThatLeavesTakesItsStepAlong) {
  const auto a = open(session_mode::online), b = open(session_mode::online);
  feed(a, word(1));
  feed(b, word(2));
  close(b);
  EXPECT_EQ(board->open(), 1u);
  EXPECT_EQ(home->door.inside(), 2u) << "the step is in the queue, and keeps the place while it is";
  run_all();
  EXPECT_EQ(home->door.inside(), 1u);
  EXPECT_EQ(a.out->events, words{"+1"});
  EXPECT_TRUE(b.out->events.empty());
  close(a);
}

TEST_F(Session, SilenceEndsItAfterItsTime) {
  session_limits limits;
  limits.idle = 5s;
  const auto o = open(session_mode::online, {}, limits);
  for (int i = 0; i < 5; ++i) time.pass(1s);
  EXPECT_TRUE(o.out->events.empty());
  time.pass(1s);
  ASSERT_EQ(o.out->events, words{"failed"});
  EXPECT_EQ(o.out->why->code, error_code::deadline_exceeded);
}

TEST_F(Session, AModelThatIsToGoWaitsForItsSessionsWithALimit) {
  session_limits limits;
  limits.drain = 3s;
  const auto o = open(session_mode::online, {}, limits);
  EXPECT_FALSE(home->door.try_close_if_idle()) << "nobody evicts a model that is heard";
  EXPECT_FALSE(home->door.close());
  for (int i = 0; i < 3; ++i) time.pass(1s);
  EXPECT_TRUE(o.out->events.empty());
  time.pass(1s);
  ASSERT_EQ(o.out->events, words{"failed"});
  EXPECT_EQ(o.out->why->code, error_code::unavailable);
  EXPECT_EQ(home->door.inside(), 0u);
}

TEST_F(Session, AModelThatDiesTellsTheSessionAndAnotherStaysUnharmed) {
  const auto o = open(session_mode::online);
  const auto dying = home;
  home = start_fed<live_fake>(states);
  const auto other = open(session_mode::online);
  caf::anon_send_exit(dying->actor, caf::exit_reason::kill);
  time.settle();
  feed(o, word(1));
  EXPECT_EQ(o.out->events, words{"failed"});
  feed(other, word(2));
  run_all();
  EXPECT_EQ(other.out->events, words{"+2"});
  close(other);
}

}  // namespace
}  // namespace troupe::actors
