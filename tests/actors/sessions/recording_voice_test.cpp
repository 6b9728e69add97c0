// Recordings with a model for voice activity: a real model actor and a real device, in virtual time; the recogniser's
// answers are the test's.

#include <deque>
#include <random>

#include "actors/sessions/recording_whole.hpp"
#include "tests/actors/sessions/recording_support.hpp"
#include "tests/actors/sessions/session_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

// Who owns the ear, and what it was told.
struct told_owner final : recording_ear::owner {
  std::uint32_t rate_hz = 0;
  std::vector<inference::transcript> sentences;
  int progressed = 0, ended = 0;
  std::optional<error> why;
  void ear_ready(std::uint32_t rate, bool, bool) override { rate_hz = rate; }
  void ear_heard(inference::transcript&& one) override { sentences.push_back(std::move(one)); }
  void ear_progressed() override { ++progressed; }
  void ear_ended() override { ++ended; }
  void ear_failed(const error& e) override {
    EXPECT_FALSE(why);
    why = e;
  }
};

struct RecordingVoice : SessionActor {
  recording_request asked;
  recording_means means;
  whole_limits limits;
  std::vector<question> questions;
  std::deque<std::function<void()>> posted;
  std::vector<std::string> entered;
  std::deque<result<resident_ptr>> doors;  // what who asks for a place gets, before `voice`
  told_owner owner;
  std::unique_ptr<recording_whole> it;

  void SetUp() override {
    SessionActor::SetUp();
    start_voice();
    means.predict = asked_into(questions);
    means.post = [this](std::function<void()> f) { posted.push_back(std::move(f)); };
    means.now = [this] { return time.now(); };
    means.voice_activity = "voice";
    means.enter = [this](std::string model, one_shot<live_place> reply) {
      entered.push_back(std::move(model));
      result<resident_ptr> door = voice;
      if (!doors.empty()) {
        door = std::move(doors.front());
        doors.pop_front();
      }
      reply(door ? result<live_place>(place_in(*door)) : tl::unexpected(door.error()));
      return cancel_handle();
    };
  }
  void TearDown() override {
    it.reset();
    posted.clear();
    EXPECT_EQ(*voice_states, 0);
    doors.clear();
    SessionActor::TearDown();
  }

  void open() {
    it = std::make_unique<recording_whole>(asked, "m", means, limits, owner);
    it->open();
    turn();
  }
  // What has come for the recording.
  void turn() {
    time.settle();
    while (!posted.empty()) {
      const auto f = std::move(posted.front());
      posted.pop_front();
      f();
      time.settle();
    }
  }
  // All steps that there are.
  void step_all() {
    for (turn(); slots[0]->busy(); turn()) slots[0]->finish();
  }
  void take(std::vector<float> sound, bool last = false) {
    EXPECT_TRUE(it->hungry());
    it->take(std::move(sound), last);
  }
  void hear(std::vector<float> sound) {
    open();
    take(std::move(sound), true);
    step_all();
  }
  void answer_all() {
    for (std::size_t i = 0; i < questions.size(); ++i, turn())
      if (!questions[i].open->closed()) questions[i].say(words_in(questions[i].sound()), 0.01, 0.02);
  }
  static std::vector<float> together(std::initializer_list<std::vector<float>> parts) {
    std::vector<float> out;
    for (const auto& p : parts) out.insert(out.end(), p.begin(), p.end());
    return out;
  }
};

TEST_F(RecordingVoice, WhatIsSpokenAloneIsRecognisedWithItsTimes) {
  hear(together({silence(1000), word(7, 200), silence(500), word(8, 30), word(6, 300)}));
  EXPECT_EQ(owner.rate_hz, testing::rate_hz) << "as the model hears";
  EXPECT_EQ(entered, words{"voice"});
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[0].sound().size(), voice_fake::back + 1 + voice_fake::ahead);
  EXPECT_EQ(questions[1].sound().size(), voice_fake::back + 31 + voice_fake::ahead);
  EXPECT_EQ(questions[0].asked.model, "m");
  EXPECT_TRUE(owner.sentences.empty());
  answer_all();
  ASSERT_EQ(owner.sentences.size(), 2u);
  EXPECT_EQ(owner.sentences[0].text, "7");
  EXPECT_DOUBLE_EQ(*owner.sentences[0].begin_s, 0.98 + 0.01);
  EXPECT_EQ(owner.sentences[1].text, "86");
  EXPECT_DOUBLE_EQ(*owner.sentences[1].end_s, 1.68 + 0.02);
  EXPECT_EQ(owner.ended, 1);
  EXPECT_EQ(*voice_states, 0);
}

TEST_F(RecordingVoice, SilenceAsksNobodyElse) {
  hear(silence(10000));
  EXPECT_EQ(owner.ended, 1);
  EXPECT_TRUE(questions.empty());
  EXPECT_TRUE(owner.sentences.empty());
  EXPECT_FALSE(owner.why);
}

TEST_F(RecordingVoice, AsShortAsCanBe) {
  for (const std::size_t samples : {0, 1, 39, 40, 80}) {
    owner = {};
    hear(silence(samples));
    EXPECT_EQ(owner.ended, 1) << samples;
    EXPECT_FALSE(owner.why);
  }
  EXPECT_TRUE(questions.empty());
}

TEST_F(RecordingVoice, AnEndThatComesWithoutSound) {
  open();
  take(word(7, 40));
  step_all();
  take({}, true);
  step_all();
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].sound().size(), 40u);
  answer_all();
  EXPECT_EQ(owner.ended, 1);
}

TEST_F(RecordingVoice, SpeechToTheEndIsHeardToTheEnd) {
  hear(together({silence(300), word(1, 60), word(2, 60), word(3, 1)}));
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(words_in(questions[0].sound()), "123");
  EXPECT_EQ(questions[0].sound().size(), voice_fake::back + 121);
}

TEST_F(RecordingVoice, SpeechThatNeverPausesIsCutByTheRule) {
  limits.segments = 2;
  std::vector<float> sound;
  while (sound.size() < 100'000)
    for (const auto s : word(1 + static_cast<int>(sound.size() / 60 % 8), 60)) sound.push_back(s);
  sound.push_back(0.7F);
  open();
  for (std::size_t at = 0; at < sound.size();) {
    const auto n = std::min<std::size_t>(5000, sound.size() - at);
    const auto from = sound.begin() + static_cast<std::ptrdiff_t>(at);
    take({from, from + static_cast<std::ptrdiff_t>(n)}, at + n == sound.size());
    at += n;
    EXPECT_FALSE(it->hungry()) << "its steps are under way";
    step_all();
    const auto open_ones = static_cast<std::size_t>(
        std::count_if(questions.begin(), questions.end(), [](const question& q) { return !q.open->closed(); }));
    EXPECT_LE(open_ones, 2u);
    if (!it->hungry()) answer_all();
  }
  answer_all();
  std::vector<float> whole;
  for (const auto& q : questions) {
    EXPECT_LE(q.sound().size(), 30'000u);
    whole.insert(whole.end(), q.sound().begin(), q.sound().end());
  }
  EXPECT_TRUE(whole == sound) << whole.size() << " of " << sound.size() << ": nothing is lost between segments";
  EXPECT_GE(questions.size(), 4u);
  EXPECT_EQ(owner.ended, 1);
  for (std::size_t i = 1; i < owner.sentences.size(); ++i)
    EXPECT_GT(*owner.sentences[i].begin_s, *owner.sentences[i - 1].begin_s);
}

TEST_F(RecordingVoice, ManyShortOnesAreAskedAFewAtOnce) {
  limits.segments = 3;
  std::vector<float> sound;
  for (int i = 0; i < 20; ++i)
    for (const auto s : together({word(1 + i % 8, 40), silence(200)})) sound.push_back(s);
  hear(sound);
  EXPECT_EQ(questions.size(), 3u);
  questions[1].say("two");
  turn();
  EXPECT_EQ(questions.size(), 3u) << "they are told in order";
  questions[0].say("one");
  turn();
  EXPECT_EQ(questions.size(), 5u);
  answer_all();
  EXPECT_EQ(questions.size(), 20u);
  EXPECT_EQ(owner.sentences.size(), 20u);
  EXPECT_EQ(owner.ended, 1);
}

TEST_F(RecordingVoice, ItIsHungryAgainWhenItsStepsHaveRun) {
  open();
  take(silence(100));
  EXPECT_FALSE(it->hungry());
  const auto before = owner.progressed;
  step_all();
  EXPECT_GT(owner.progressed, before);
  EXPECT_TRUE(it->hungry()) << "the 20 samples that make no step wait for more";
}

TEST_F(RecordingVoice, AStepThatFailsFailsTheRecordingByName) {
  auto deaf = together({word(7, 100), silence(200)});
  deaf[250] = 0.85F;
  hear(deaf);
  ASSERT_TRUE(owner.why);
  EXPECT_NE(owner.why->message.find("voice activity"), std::string::npos) << owner.why->message;
  EXPECT_NE(owner.why->message.find("deaf"), std::string::npos) << owner.why->message;
  EXPECT_EQ(owner.ended, 0);
}

TEST_F(RecordingVoice, AModelKilledMeanwhileFailsTheRecording) {
  open();
  take(word(7, 400));
  turn();
  ASSERT_TRUE(slots[0]->busy());
  stop(voice);
  step_all();
  ASSERT_TRUE(owner.why);
  EXPECT_EQ(owner.why->code, error_code::unavailable) << owner.why->message;
  EXPECT_EQ(owner.ended, 0);
}

TEST_F(RecordingVoice, AModelKilledBetweenStepsFailsTheRecording) {
  open();
  take(word(7, 40));
  step_all();
  stop(voice);
  take(word(8, 40), true);
  step_all();
  ASSERT_TRUE(owner.why);
  EXPECT_EQ(owner.why->code, error_code::unavailable) << owner.why->message;
}

TEST_F(RecordingVoice, AModelThatIsToGoWaitsWithALimit) {
  limits.voice.drain = 3s;
  open();
  EXPECT_FALSE(voice->door.try_close_if_idle()) << "nobody evicts it";
  EXPECT_FALSE(voice->door.close());
  for (int i = 0; i < 3; ++i) {
    it->tick();
    EXPECT_FALSE(owner.why);
    time.pass(1s);
  }
  it->tick();
  ASSERT_TRUE(owner.why);
  EXPECT_EQ(owner.why->code, error_code::unavailable);
  EXPECT_NE(owner.why->message.find(voice->name), std::string::npos);
  it.reset();
  EXPECT_EQ(voice->door.inside(), 0u);
}

TEST_F(RecordingVoice, WhereThereIsNoPlaceItAsksAgain) {
  doors.emplace_back(fail(error_code::too_many_requests, "no place"));
  doors.emplace_back(fail(error_code::too_many_requests, "no place"));
  open();
  ASSERT_NE(it->refusal(), nullptr);
  EXPECT_EQ(owner.rate_hz, 0u) << "not ready";
  it->tick();
  it->tick();
  EXPECT_EQ(entered.size(), 2u) << "one asks at a time";
  turn();
  EXPECT_NE(it->refusal(), nullptr);
  it->tick();
  turn();
  EXPECT_EQ(it->refusal(), nullptr);
  EXPECT_EQ(owner.rate_hz, testing::rate_hz);
  EXPECT_FALSE(owner.why);
  it->tick();
  EXPECT_EQ(entered.size(), 3u);
}

TEST_F(RecordingVoice, AModelThatCannotBeHadFailsTheRecording) {
  doors.emplace_back(fail(error_code::model_not_found, "no such model"));
  open();
  ASSERT_TRUE(owner.why);
  EXPECT_EQ(owner.why->code, error_code::model_not_found);
  EXPECT_NE(owner.why->message.find("no such model"), std::string::npos);
}

TEST_F(RecordingVoice, AModelThatDoesSomethingElseIsRefusedByName) {
  doors.emplace_back(home);
  open();
  ASSERT_TRUE(owner.why);
  EXPECT_EQ(owner.why->code, error_code::unprocessable);
  EXPECT_NE(owner.why->message.find(home->name), std::string::npos);
  it.reset();
  EXPECT_EQ(home->door.inside(), 0u);
}

TEST_F(RecordingVoice, AModelThatTellsSomethingElseFailsTheRecording) {
  struct liar : live_fake {
    liar() { say_tasks({inference::task::voice_activity_detection}); }
  };
  std::shared_ptr<int> liars;
  doors.emplace_back(start_fed<liar>(liars));
  hear(word(7, 200));
  ASSERT_TRUE(owner.why);
  EXPECT_EQ(owner.why->code, error_code::internal);
}

TEST_F(RecordingVoice, CancelledNothingOfItIsLeft) {
  open();
  take(together({word(7, 40), silence(200), word(8, 100)}));
  turn();
  slots[0]->finish();
  turn();
  ASSERT_TRUE(slots[0]->busy());
  it.reset();
  EXPECT_EQ(voice->door.inside(), 1u) << "the step's, while it runs";
  posted.clear();
  time.settle();
  while (slots[0]->busy()) {
    slots[0]->finish();
    time.settle();
  }
  EXPECT_EQ(*voice_states, 0);
}

TEST_F(RecordingVoice, ThePlaceIsGivenBackWhereItComesTooLate) {
  it = std::make_unique<recording_whole>(asked, "m", means, limits, owner);
  it->open();
  EXPECT_EQ(voice->door.inside(), 1u);
  it.reset();
  posted.clear();
  EXPECT_EQ(voice->door.inside(), 0u);
}

TEST_F(RecordingVoice, WhoSpeaksNowGoesFirst) {
  model_limits one_by_one;
  one_by_one.batch.max_items = 1;
  voice = start_fed<voice_fake>(voice_states, one_by_one);
  const auto other = start_model({});
  const auto live = SessionActor::open(session_mode::two_pass);
  open();
  take(silence(4000));
  turn();
  send(other);
  slots[0]->finish();
  turn();
  ASSERT_TRUE(slots[0]->busy());
  ASSERT_NE(slots[0]->running->items[0]->job->model, voice->name);
  feed(live, word(2, 40));  // behind the recording's second step, which is due in 80 ms
  slots[0]->finish();
  time.settle();
  ASSERT_TRUE(slots[0]->busy());
  EXPECT_EQ(slots[0]->running->items[0]->due_from, time.now() + 40ms) << "the live one's";
  slots[0]->finish();
  time.settle();
  ASSERT_TRUE(slots[0]->busy());
  EXPECT_EQ(slots[0]->running->items[0]->due_from, time.now() + 80ms) << "and then it";
  step_all();
  EXPECT_TRUE(it->hungry());
  close(live);
}

TEST_F(RecordingVoice, PiecesOfTheSoundChangeNothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 20; ++round) {
    const auto sound = words_and_silence(random);
    std::vector<std::vector<std::vector<float>>> heard;
    for (int cut = 0; cut < 3; ++cut) {
      questions.clear();
      owner = {};
      limits.segments = 1 + random() % 3;
      open();
      for (std::size_t at = 0; at < sound.size();) {
        while (!it->hungry()) {
          step_all();
          answer_all();
        }
        const auto n = cut == 0 ? sound.size() : std::min<std::size_t>(1 + random() % 400, sound.size() - at);
        const auto from = sound.begin() + static_cast<std::ptrdiff_t>(at);
        take({from, from + static_cast<std::ptrdiff_t>(n)}, at + n == sound.size());
        at += n;
      }
      step_all();
      answer_all();
      EXPECT_EQ(owner.ended, 1);
      auto& segments = heard.emplace_back();
      for (const auto& q : questions) segments.push_back(q.sound());
      EXPECT_EQ(owner.sentences.size(), segments.size());
    }
    EXPECT_EQ(heard[1], heard[0]);
    EXPECT_EQ(heard[2], heard[0]);
  }
}

}  // namespace
}  // namespace troupe::actors
