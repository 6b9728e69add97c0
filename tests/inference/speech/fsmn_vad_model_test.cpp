// FSMN-VAD as a model: fed, or asked for a whole sound, alone and with others.

#include <random>

#include <gtest/gtest.h>

#include "inference/loader.hpp"
#include "inference/speech/fsmn_vad_feeder.hpp"
#include "inference/speech/fsmn_vad_model.hpp"
#include "tests/inference/speech/vad_sounds.hpp"

namespace troupe::inference {
namespace {

using namespace tests;

using spans = std::vector<std::vector<std::int64_t>>;  // [begin, end] in ms

std::unique_ptr<const model> vad() {
  auto made = load(spec_of(vad_fixtures() / "model"), load_options{});
  if (!made) throw std::runtime_error(made.error().message);
  return std::move(*made);
}

struct reference {
  std::vector<float> sound;
  spans expected;
};
// Whole sounds, by the fixed rules.
std::vector<reference> references() {
  std::vector<reference> all;
  json_file file(vad_fixtures() / "sounds.json");
  for (const auto one : file.root().get_array()) {
    auto& r = all.emplace_back();
    r.sound = sound_of(one);
    for (const auto answer : one.at_key("answers").get_array()) {
      if (number(answer.at_key("chunk_ms")) != 60'000 || answer.at_key("dynamic").get_bool().value()) continue;
      for (const auto call : answer.at_key("spans").get_array())
        for (const auto span : call.get_array()) r.expected.push_back({number(span.at(0)), number(span.at(1))});
    }
  }
  EXPECT_EQ(all.size(), 10U);
  return all;
}

std::int64_t ms(double s) { return std::llround(s * 1000); }

// One session over a sound, stepped from outside.
struct fed_sound {
  fed_sound(const model& m, std::vector<float> s)
      : sound(std::move(s)), feed(m.live()->open_feeder({}).value()), st(m.live()->open_state({}).value()) {}
  void accept(std::size_t n) {
    if (finished) return;
    n = std::min(n, sound.size() - fed);
    feed->accept(std::span(sound).subspan(fed, n));
    fed += n;
    if (fed == sound.size()) {
      feed->finish();
      finished = true;
    }
  }
  bool ready() {
    if (!in) in = feed->next();
    return in != nullptr;
  }
  row next_row() { return {in.get(), st.get(), {}, false, {}}; }
  void take(const row& r) {
    in.reset();
    ASSERT_EQ(r.problem, "");
    ASSERT_FALSE(ended);
    const auto& told = std::get<voice_activity>(r.out);
    for (const auto& s : told.found) {
      if (s.begin_s) {
        EXPECT_GE(*s.begin_s, decided_s) << "what was decided stays";
        found.push_back({ms(*s.begin_s), -1});
      }
      if (s.end_s) {
        EXPECT_GE(*s.end_s, decided_s);
        ASSERT_FALSE(found.empty());
        found.back()[1] = ms(*s.end_s);
      }
    }
    EXPECT_GE(told.decided_s, decided_s);
    EXPECT_LE(told.decided_s, told.heard_s);
    decided_s = told.decided_s;
    ended = told.final;
    heard_s = told.heard_s;
  }

  std::vector<float> sound;
  std::unique_ptr<feeder> feed;
  std::shared_ptr<state> st;
  std::unique_ptr<const prepared> in;
  std::size_t fed = 0;
  bool finished = false, ended = false;
  spans found;
  double decided_s = 0, heard_s = 0;
};

spans whole_spans(const model& m, const std::vector<std::vector<float>>& sounds, std::vector<spans>* all = nullptr) {
  const auto instance = m.make_instance();
  std::vector<prepared_ptr> in;
  std::vector<std::unique_ptr<state>> states;
  std::vector<row> rows;
  std::vector<spans> found(sounds.size());
  std::vector<std::size_t> who;
  for (std::size_t i = 0; i < sounds.size(); ++i) {
    in.push_back(m.prepare(samples{sounds[i], 16000}).value());
    states.push_back(m.open_state(*in.back()));
    rows.push_back({in.back().get(), states.back().get(), {}, false, {}});
    who.push_back(i);
  }
  while (!rows.empty()) {
    instance->step(rows);
    std::vector<row> again;
    std::vector<std::size_t> left;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i].again) {
        EXPECT_TRUE(std::holds_alternative<std::monostate>(rows[i].out));
        again.push_back({rows[i].in, rows[i].st, {}, false, {}});
        left.push_back(who[i]);
        continue;
      }
      const auto& told = std::get<voice_activity>(rows[i].out);
      EXPECT_TRUE(told.final);
      for (const auto& s : told.found) found[who[i]].push_back({ms(s.begin_s.value()), ms(s.end_s.value())});
    }
    rows = std::move(again);
    who = std::move(left);
  }
  if (all != nullptr) *all = found;
  return found.front();
}

TEST(fsmn_vad_model, whole_sounds_as_the_reference) {
  const auto m = vad();
  std::vector<std::vector<float>> sounds;
  const auto all = references();
  for (const auto& r : all) {
    EXPECT_EQ(whole_spans(*m, {r.sound}), r.expected);
    sounds.push_back(r.sound);
  }
  std::vector<spans> together;
  whole_spans(*m, sounds, &together);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(together[i], all[i].expected);
}

// Fed in random pieces, steps of all sounds in one batch, others whole beside them.
TEST(fsmn_vad_model, fed_as_whole_alone_and_together) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto m = vad();
  const auto instance = m->make_instance();
  const auto all = references();
  std::vector<fed_sound> sessions;
  for (const auto& r : all) sessions.emplace_back(*m, r.sound);
  for (bool more = true; more;) {
    more = false;
    std::vector<row> rows;
    std::vector<fed_sound*> who;
    for (auto& s : sessions) {
      if (random() % 3 != 0) s.accept(random() % 20'000);
      more = more || !s.ended;
      if (random() % 4 == 0 || !s.ready()) continue;
      rows.push_back(s.next_row());
      who.push_back(&s);
    }
    if (rows.empty()) continue;
    instance->step(rows);
    for (std::size_t i = 0; i < rows.size(); ++i) who[i]->take(rows[i]);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(sessions[i].found, all[i].expected);
    EXPECT_EQ(sessions[i].heard_s, static_cast<double>(all[i].sound.size()) / 16000);
    EXPECT_EQ(sessions[i].decided_s, sessions[i].heard_s);
  }
}

// Longer than a step of a whole sound.
TEST(fsmn_vad_model, a_long_sound_takes_several_steps) {
  const auto m = vad();
  std::vector<float> sound;
  const auto all = references();
  while (sound.size() < 35 * 16000)
    for (const auto& r : all) sound.insert(sound.end(), r.sound.begin(), r.sound.end());
  fed_sound session(*m, sound);
  const auto instance = m->make_instance();
  session.accept(SIZE_MAX);
  std::size_t steps = 0;
  for (; session.ready(); ++steps) {
    auto r = session.next_row();
    instance->step({&r, 1});
    session.take(r);
  }
  EXPECT_LT(steps, 40U) << "what is there already comes in larger steps";
  EXPECT_GT(session.found.size(), 5U);
  EXPECT_EQ(whole_spans(*m, {sound}), session.found);
}

TEST(fsmn_vad_model, still_frames_need_a_run_of_them) {
  still_frames still(2, 3);
  const auto frames = [](std::size_t n, float v) { return std::vector<float>(2 * n, v); };
  EXPECT_FALSE(still.take(frames(4, 1))) << "the first ones are decided by what was before them";
  EXPECT_TRUE(still.take(frames(1, 1)));
  EXPECT_TRUE(still.take({}));
  EXPECT_FALSE(still.take(frames(1, 2)));
  EXPECT_FALSE(still.take(frames(3, 2)));
  EXPECT_TRUE(still.take(frames(9, 2)));
  auto last = frames(5, 2);
  last.back() = 0;
  EXPECT_FALSE(still.take(last));
}

// A muted microphone needs no network, and tells the same.
TEST(fsmn_vad_model, still_sound_tells_the_same) {
  const auto m = vad();
  std::vector<float> sound(3 * 16000);
  for (const auto& r : references()) {
    sound.insert(sound.end(), r.sound.begin(), r.sound.end());
    sound.insert(sound.end(), 2 * 16000, 0.0F);
  }
  std::vector<spans> by_step;
  for (const std::size_t piece : {std::size_t{3200}, std::size_t{SIZE_MAX}}) {
    fed_sound session(*m, sound);
    const auto instance = m->make_instance();
    std::size_t still = 0;
    while (!session.ended) {
      session.accept(std::min(piece, session.sound.size()));
      while (session.ready()) {
        still += static_cast<const vad_input&>(*session.in).still ? 1 : 0;
        auto r = session.next_row();
        instance->step({&r, 1});
        session.take(r);
      }
    }
    if (piece == 3200) {
      EXPECT_GT(still, 40U);
    }
    by_step.push_back(session.found);
  }
  const auto whole = whole_spans(*m, {sound});
  EXPECT_GT(whole.size(), 3U);
  EXPECT_EQ(by_step[0], whole);
  EXPECT_EQ(by_step[1], whole);
}

TEST(fsmn_vad_model, a_session_costs_some_tens_of_kilobytes_whatever_its_age) {
  const auto m = vad();
  EXPECT_LT(m->live()->state_size_bytes({}), 100'000U);
  EXPECT_EQ(m->live()->state_size_bytes({}), m->state_size_bytes());
}

TEST(fsmn_vad_model, sound_that_is_none_has_no_speech) {
  const auto m = vad();
  EXPECT_TRUE(whole_spans(*m, {{}}).empty());
  EXPECT_TRUE(whole_spans(*m, {std::vector<float>(100, 0.5F)}).empty());
  fed_sound nothing(*m, {});
  nothing.accept(0);
  EXPECT_FALSE(nothing.ready()) << "without a sample there is no step";
  fed_sound one(*m, {0.5F});
  one.accept(1);
  ASSERT_TRUE(one.ready());
  auto r = one.next_row();
  m->make_instance()->step({&r, 1});
  one.take(r);
  EXPECT_TRUE(one.ended);
  EXPECT_FALSE(one.ready());
}

TEST(fsmn_vad_model, refuses_what_it_cannot_hear) {
  const auto m = vad();
  EXPECT_EQ(m->prepare(std::string("a text")).error().code, error_code::unprocessable);
  EXPECT_FALSE(m->prepare(samples{{1.0F}, 0}));
  question other;
  other.task = task::automatic_speech_recognition;
  EXPECT_FALSE(m->prepare(samples{{1.0F}, 16000}, other));
  EXPECT_TRUE(m->prepare(samples{std::vector<float>(8000), 8000})) << "other rates are changed";
}

}  // namespace
}  // namespace troupe::inference
