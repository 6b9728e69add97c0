// One recording with its world held in the hand: what is decoded, heard and punctuated happens when the test says so.
#include "actors/sessions/recording.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>

#include "tests/actors/sessions/recording_support.hpp"

namespace troupe::actors {
namespace {

using namespace std::chrono_literals;
using testing::question;

// A WAV file, 16-bit, one channel.
std::shared_ptr<const std::string> wav(const std::vector<float>& sound, std::uint32_t rate_hz = 16000) {
  auto out = std::make_shared<std::string>();
  const auto put = [&](auto number) { out->append(reinterpret_cast<const char*>(&number), sizeof number); };
  const auto bytes = static_cast<std::uint32_t>(sound.size() * 2);
  out->append("RIFF");
  put(bytes + 36);
  out->append("WAVEfmt ");
  put(std::uint32_t{16});
  put(std::uint16_t{1});
  put(std::uint16_t{1});
  put(rate_hz);
  put(rate_hz * 2);
  put(std::uint16_t{2});
  put(std::uint16_t{16});
  out->append("data");
  put(bytes);
  for (const auto s : sound) put(static_cast<std::int16_t>(s * 32767));
  return out;
}

std::vector<float> tone(double seconds, std::uint32_t rate_hz = 16000) {
  std::vector<float> out(static_cast<std::size_t>(seconds * rate_hz));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i / 20 % 2 == 0 ? 0.3F : -0.3F;
  return out;
}

struct fed_session {
  session_request asked;
  session_listener tell;
  std::optional<one_shot<std::unique_ptr<session_handle>>> reply;
  std::uint64_t credit = 0, fed = 0;
  std::uint32_t rate_hz = 16000;
  bool finished = false, dropped = false;
};
struct fed_handle final : session_handle {
  explicit fed_handle(std::shared_ptr<fed_session> of) : s(std::move(of)) {}
  ~fed_handle() override { s->dropped = true; }
  std::uint32_t rate_hz() const noexcept override { return s->rate_hz; }
  bool uses_hotwords() const noexcept override { return true; }
  std::uint64_t credit_samples() const noexcept override { return s->credit; }
  void feed(std::vector<float> samples) override {
    EXPECT_FALSE(s->finished);
    EXPECT_LE(samples.size(), s->credit) << "no more than there is credit for";
    s->credit -= samples.size();
    s->fed += samples.size();
  }
  void finish() override {
    EXPECT_FALSE(s->finished);
    s->finished = true;
  }
  const std::shared_ptr<fed_session> s;
};
struct fed_sessions final : session_service {
  std::vector<std::shared_ptr<fed_session>> all;
  void open(session_request request, session_listener listener,
            one_shot<std::unique_ptr<session_handle>> reply) override {
    auto s = std::make_shared<fed_session>();
    s->asked = std::move(request);
    s->tell = std::move(listener);
    s->reply.emplace(std::move(reply));
    all.push_back(std::move(s));
  }
};

struct recording_test : ::testing::Test {
  fed_sessions sessions;
  std::vector<question> questions;
  std::deque<std::function<void()>> aside, posted;
  bool fed = false;
  std::uint32_t whole_rate_hz = 16000;
  std::string punctuation;
  recording_limits limits;
  steady_time now = steady_clock::now();
  std::vector<std::string> events;
  std::optional<error> why;
  std::unique_ptr<recording> it;
  std::size_t most_aside = 0;

  void TearDown() override {
    it.reset();
    for (const auto& s : sessions.all) EXPECT_TRUE(s->dropped || s->reply);
  }

  void start(std::shared_ptr<const std::string> file, bool punctuate = true) {
    recording_request asked;
    asked.file = std::as_bytes(std::span(*file));
    asked.holds = file;
    asked.model = "m";
    asked.punctuate = punctuate;
    asked.hotwords = {"word"};
    recording_means means;
    means.sessions = &sessions;
    means.predict = testing::asked_into(questions);
    means.aside = [this](std::function<void()> f) {
      aside.push_back(std::move(f));
      most_aside = std::max(most_aside, aside.size());
    };
    means.is_fed = [this](const std::string&) { return fed; };
    means.rate_hz = [this](const std::string&) { return whole_rate_hz; };
    means.punctuation = punctuation;
    means.post = [this](std::function<void()> f) { posted.push_back(std::move(f)); };
    it = std::make_unique<recording>(
        std::move(asked),
        [this](recording_event&& e) {
          if (const auto* b = std::get_if<recording_begun>(&e))
            events.push_back("begun " + b->model + (b->uses_hotwords ? " hot" : "") + (b->punctuates ? " marks" : ""));
          if (const auto* s = std::get_if<recording_sentence>(&e)) {
            char times[64];
            std::snprintf(times, sizeof times, " %.1f-%.1f", s->text.begin_s.value_or(-1), s->text.end_s.value_or(-1));
            events.push_back(s->text.text + times);
          }
          if (const auto* d = std::get_if<recording_ended>(&e)) {
            char took[32];
            std::snprintf(took, sizeof took, "ended %.2f", d->sound_s);
            events.emplace_back(took);
          }
          if (const auto* f = std::get_if<recording_failed>(&e)) {
            events.emplace_back("failed");
            why = f->why;
          }
        },
        std::move(means), limits, now);
    it->begin(now);
    run();
  }
  // All that can go on by itself.
  void run() {
    while (!aside.empty() || !posted.empty()) {
      auto& from = posted.empty() ? aside : posted;
      const auto f = std::move(from.front());
      from.pop_front();
      f();
    }
  }
  void open_session(std::uint64_t credit, std::uint32_t rate_hz = 16000) {
    auto& s = *sessions.all.back();
    s.credit = credit;
    s.rate_hz = rate_hz;
    (*std::exchange(s.reply, std::nullopt))(
        std::unique_ptr<session_handle>(std::make_unique<fed_handle>(sessions.all.back())));
    run();
  }
  void tell(session_event e) {
    sessions.all.back()->tell(std::move(e));
    run();
  }
  void pass(std::chrono::milliseconds t) {
    now += t;
    it->tick(now);
    run();
  }
  const std::vector<float>& asked_sound(std::size_t i) const { return questions.at(i).sound(); }
  using list = std::vector<std::string>;
};

TEST_F(recording_test, a_whole_model_hears_one_segment) {
  start(wav(tone(2)));
  EXPECT_EQ(events, list{"begun m"});
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(questions[0].asked.model, "m");
  EXPECT_EQ(questions[0].asked.asked.task, inference::task::automatic_speech_recognition);
  EXPECT_EQ(asked_sound(0).size(), 32000u);
  questions[0].say("hello", 0.1, 1.9);
  run();
  EXPECT_EQ(events, (list{"begun m", "hello 0.1-1.9", "ended 2.00"}));
  EXPECT_TRUE(it->over());
  EXPECT_FALSE(it->failed());
}

TEST_F(recording_test, a_whole_model_hears_its_own_rate) {
  whole_rate_hz = 8000;
  start(wav(tone(2, 8000), 8000));
  ASSERT_EQ(questions.size(), 1u);
  EXPECT_EQ(asked_sound(0).size(), 16000u);
  EXPECT_EQ(questions[0].asked.inputs.at(0).only<inference::samples>()->rate_hz, 8000u);
  questions[0].say("hello");
  run();
  EXPECT_EQ(events.back(), "ended 2.00");
}

TEST_F(recording_test, a_long_sound_is_cut_and_told_in_order_a_few_segments_at_once) {
  limits.segments = 2;
  auto sound = tone(100);
  for (const double at : {20, 40, 60, 80})
    std::fill_n(sound.begin() + static_cast<std::ptrdiff_t>(at * 16000), 3200, 0.0F);
  start(wav(sound));
  ASSERT_EQ(questions.size(), 2u) << "more are asked when these are answered";
  EXPECT_TRUE(aside.empty()) << "nor is more decoded";
  questions[1].say("two");
  run();
  EXPECT_EQ(questions.size(), 2u);
  EXPECT_EQ(events.size(), 1u) << "the first one first";
  questions[0].say("one");
  run();
  ASSERT_GE(questions.size(), 3u);
  std::size_t sum = 0;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    sum += asked_sound(i).size();
    if (i > 1) questions[i].say("next");
    run();
  }
  EXPECT_EQ(sum, sound.size()) << "nothing is heard twice, or not at all";
  ASSERT_EQ(questions.size(), 5u);
  ASSERT_EQ(events.size(), 7u);
  EXPECT_EQ(events[1], "one 0.0-1.0");
  EXPECT_EQ(events[2].substr(0, 7), "two 20.");
  EXPECT_EQ(events[6], "ended 100.00");
  EXPECT_EQ(most_aside, 1u) << "R1";
}

TEST_F(recording_test, segments_are_punctuated_and_split) {
  punctuation = "p";
  start(wav(tone(2)));
  EXPECT_EQ(events, list{"begun m marks"});
  inference::transcript heard;
  heard.text = "好的再见";
  for (const char* t : {"好", "的", "再", "见"})
    heard.tokens.push_back(
        {1, t, 0.2 * static_cast<double>(heard.tokens.size()), 0.2 * static_cast<double>(heard.tokens.size()) + 0.2});
  heard.begin_s = 0;
  heard.end_s = 0.8;
  questions[0].answer(heard);
  run();
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[1].asked.model, "p");
  EXPECT_EQ(questions[1].asked.asked.task, inference::task::punctuation_restoration);
  questions[1].say("好的。再见。");
  run();
  EXPECT_EQ(events, (list{"begun m marks", "好的。 0.0-0.4", "再见。 0.4-0.8", "ended 2.00"}));
}

TEST_F(recording_test, without_marks_it_goes_on) {
  punctuation = "p";
  start(wav(tone(2)));
  questions[0].say("hello");
  run();
  questions[1].open->fail({error_code::unavailable, "gone", {}, {}});
  run();
  EXPECT_EQ(events, (list{"begun m marks", "hello 0.0-1.0", "ended 2.00"}));
}

TEST_F(recording_test, marks_are_declined) {
  punctuation = "p";
  start(wav(tone(2)), false);
  questions[0].say("hello");
  run();
  EXPECT_EQ(events, (list{"begun m", "hello 0.0-1.0", "ended 2.00"}));
}

TEST_F(recording_test, nobody_speaks) {
  start(wav(tone(2)));
  questions[0].say("");
  run();
  EXPECT_EQ(events, (list{"begun m", "ended 2.00"}));
}

TEST_F(recording_test, a_failed_segment_is_the_recordings_failure) {
  limits.segments = 2;
  start(wav(tone(70)));
  ASSERT_EQ(questions.size(), 2u);
  questions[0].open->fail({error_code::model_failed, "broken", {}, {}});
  run();
  EXPECT_EQ(events, (list{"begun m", "failed"}));
  EXPECT_EQ(why->code, error_code::model_failed);
  EXPECT_TRUE(it->over());
  it.reset();
  EXPECT_TRUE(questions[1].open->closed()) << "what else was asked is called off";
}

// It had failed the recording, of which half an hour may have been heard.
TEST_F(recording_test, what_a_full_queue_refuses_is_asked_again) {
  const error full{error_code::too_many_requests, "the queue is full", {}, {}};
  punctuation = "p";
  limits.segments = 2;
  start(wav(tone(40)));
  ASSERT_EQ(questions.size(), 2u);
  const auto sound = asked_sound(0);
  questions[0].open->fail(full);
  questions[1].say("two");
  run();
  ASSERT_EQ(questions.size(), 3u) << "the other one's marks alone: who refused is left in peace for a while";
  pass(250ms);
  ASSERT_EQ(questions.size(), 4u);
  EXPECT_EQ(questions[3].asked.model, "m");
  EXPECT_EQ(asked_sound(3), sound);
  questions[3].say("one");
  run();
  ASSERT_EQ(questions.size(), 5u);
  questions[4].open->fail(full);
  questions[2].say("Two.");
  run();
  EXPECT_EQ(events, list{"begun m marks"});
  pass(250ms);
  ASSERT_EQ(questions.size(), 6u);
  EXPECT_EQ(questions[5].asked.model, "p");
  questions[5].say("One.");
  run();
  EXPECT_EQ(events.back(), "ended 40.00");
  EXPECT_EQ(events.size(), 4u);
}

TEST_F(recording_test, a_queue_that_stays_full_ends_it_in_its_own_words) {
  start(wav(tone(2)));
  std::size_t refused = 0;
  for (auto waited = 0ms; waited <= limits.stall + 250ms && !it->over(); waited += 250ms) {
    for (; refused < questions.size(); ++refused)
      questions[refused].open->fail({error_code::too_many_requests, "the queue is full", {}, {}});
    run();
    pass(250ms);
  }
  EXPECT_GT(refused, 2u);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, error_code::too_many_requests);
  EXPECT_EQ(why->message, "the queue is full");
}

TEST_F(recording_test, a_fed_model_is_fed_as_fast_as_its_credit_allows) {
  fed = true;
  start(wav(tone(12)));
  EXPECT_TRUE(events.empty());
  ASSERT_EQ(sessions.all.size(), 1u);
  auto& s = *sessions.all[0];
  EXPECT_EQ(s.asked.model, "m");
  EXPECT_EQ(s.asked.mode, session_mode::offline);
  EXPECT_EQ(s.asked.voice_activity, "") << "the server's model, which ends the sentences";
  EXPECT_EQ(s.asked.options.hotwords, list{"word"});
  open_session(32000);
  EXPECT_EQ(events, list{"begun m hot"});
  EXPECT_EQ(s.fed, 32000u);
  EXPECT_TRUE(aside.empty()) << "R3";
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(s.finished);
    s.credit += 32000;
    tell(session_credit{32000});
  }
  EXPECT_EQ(s.fed, 12u * 16000);
  EXPECT_TRUE(s.finished);
  tell(session_sentence{{.text = "Hello.", .final = true, .begin_s = 1.0, .end_s = 2.0}, "hello"});
  tell(session_ended{12});
  EXPECT_EQ(events, (list{"begun m hot", "Hello. 1.0-2.0", "ended 12.00"}));
  it.reset();
  EXPECT_TRUE(s.dropped);
}

TEST_F(recording_test, sound_comes_at_the_sessions_rate) {
  fed = true;
  start(wav(tone(2, 8000), 8000), false);
  open_session(1 << 20, 8000);
  EXPECT_EQ(sessions.all[0]->fed, 16000u);
  tell(session_sentence{{.text = "Hello.", .final = true, .begin_s = {}, .end_s = {}}, "hello"});
  tell(session_ended{2});
  EXPECT_EQ(events, (list{"begun m hot", "hello -1.0--1.0", "ended 2.00"})) << "raw: marks were declined";
}

TEST_F(recording_test, it_waits_for_a_place_among_live_sessions) {
  fed = true;
  start(wav(tone(2)));
  const auto refuse = [&] {
    (*std::exchange(sessions.all.back()->reply, std::nullopt))(
        fail(error_code::too_many_requests, "the cores are full", {}, 1));
    sessions.all.back()->dropped = true;  // there is none
    run();
  };
  refuse();
  EXPECT_TRUE(events.empty());
  pass(250ms);
  ASSERT_EQ(sessions.all.size(), 2u);
  pass(250ms);
  EXPECT_EQ(sessions.all.size(), 2u) << "one asks at a time";
  refuse();
  for (int i = 0; i < 200 && !it->over(); ++i) {
    pass(250ms);
    if (!it->over() && sessions.all.back()->reply) refuse();
  }
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, error_code::too_many_requests) << "what it was told while it waited";
  EXPECT_LT(sessions.all.size(), 130u);
}

TEST_F(recording_test, a_session_that_fails) {
  fed = true;
  start(wav(tone(2)));
  open_session(1000);
  tell(session_failed{{error_code::unavailable, "leaves memory", {}, {}}});
  EXPECT_EQ(events, (list{"begun m hot", "failed"}));
  EXPECT_EQ(why->code, error_code::unavailable);
}

TEST_F(recording_test, what_is_no_sound_asks_no_model) {
  start(std::make_shared<const std::string>("plain text"));
  EXPECT_EQ(events, list{"failed"});
  EXPECT_EQ(why->code, error_code::unsupported_media);
  EXPECT_TRUE(questions.empty());
}

TEST_F(recording_test, a_cut_file) {
  auto file = *wav(tone(20));
  file.resize(file.size() / 2);
  start(std::make_shared<const std::string>(file));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, error_code::unprocessable);
  EXPECT_NE(why->message.find("truncated"), std::string::npos) << why->message;
}

TEST_F(recording_test, too_long) {
  limits.sound.duration_s_max = 10;
  start(wav(tone(20)));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, error_code::payload_too_large);
}

TEST_F(recording_test, no_progress_ends_it_and_progress_does_not) {
  limits.stall = 1000ms;
  limits.whole = 10000ms;
  limits.segments = 1;
  start(wav(tone(100)));
  for (std::size_t i = 0; i < 3; ++i) {
    pass(900ms);
    ASSERT_FALSE(it->over());
    questions[i].say("x");
    run();
    pass(100ms);
  }
  pass(1100ms);
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, error_code::deadline_exceeded);
}

TEST_F(recording_test, progress_has_an_end_too) {
  limits.stall = 1000ms;
  limits.whole = 3000ms;
  limits.segments = 1;
  start(wav(tone(1000)));
  for (std::size_t i = 0; i < 10 && !it->over(); ++i) {
    questions[i].say("x");
    run();
    pass(500ms);
  }
  ASSERT_TRUE(why);
  EXPECT_NE(why->detail.find("max_request_timeout_ms"), std::string::npos);
}

TEST_F(recording_test, cancelled_it_tells_nothing_more) {
  start(wav(tone(2)));
  const auto told = events.size();
  it->cancel();
  questions[0].say("late");
  run();
  EXPECT_EQ(events.size(), told);
  EXPECT_TRUE(it->over());
  EXPECT_FALSE(it->failed());
}

TEST_F(recording_test, the_file_is_let_go) {
  auto file = wav(tone(1));
  const std::weak_ptr<const std::string> watched = file;
  start(std::move(file));
  questions[0].say("x");
  run();
  it.reset();
  questions.clear();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace troupe::actors
