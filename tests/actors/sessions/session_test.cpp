// The session actor with a real model actor and device, in virtual time: a fake model that is fed 100 samples a step.

#include "actors/sessions/session.hpp"

#include <gtest/gtest.h>

#include "tests/actors/serving/model_support.hpp"

namespace troupe::actors {
namespace {

using namespace testing;

constexpr std::uint32_t rate_hz = 1000;
constexpr std::size_t chunk = 100;

struct sound_step : sized {
  sound_step(std::string t, bool end) : sized(1), text(std::move(t)), final(end) {}
  std::string text;
  bool final;
};
struct step_counter : inference::state {
  int steps = 0;
};

// A sample of 0.7 is a word and says "7"; 0 is silence.
struct fake_feeder : inference::feeder {
  std::vector<float> waiting;
  bool ended = false, any = false, done = false;
  void accept(std::span<const float> samples) override {
    for (const auto s : samples)
      if (s == -1) throw std::runtime_error("a sample that nobody can take");
    waiting.insert(waiting.end(), samples.begin(), samples.end());
    any = true;
  }
  void finish() override { ended = true; }
  std::unique_ptr<const inference::prepared> next() override {
    const auto n = std::min(chunk, waiting.size());
    if (done || (!ended && n < chunk) || (ended && !any)) return nullptr;
    std::string text;
    for (std::size_t i = 0; i < n; ++i)
      if (waiting[i] > 0.05F) text += std::to_string(static_cast<int>(waiting[i] * 10 + 0.5F));
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(n));
    done = ended && waiting.empty();
    return std::make_unique<sound_step>(text, done);
  }
  std::uint64_t waiting_samples() const noexcept override { return waiting.size(); }
};

struct live_fake : fake_model, inference::live_model {
  struct runner : inference::instance {
    void step(std::span<inference::row> rows) override {
      for (auto& r : rows) {
        const auto& in = static_cast<const sound_step&>(*r.in);
        if (in.text.find('9') != std::string::npos) {
          r.problem = "nine";
          continue;
        }
        ++static_cast<step_counter&>(*r.st).steps;
        inference::transcript out;
        out.text = in.text;
        out.final = in.final;
        if (!in.text.empty()) out.begin_s = out.end_s = 0.1 * static_cast<step_counter&>(*r.st).steps;
        r.out = out;
      }
    }
  };
  std::unique_ptr<inference::instance> make_instance() const override { return std::make_unique<runner>(); }
  const inference::live_model* live() const noexcept override { return this; }
  std::uint32_t rate_hz() const noexcept override { return actors::rate_hz; }
  bool uses_hotwords() const noexcept override { return false; }
  result<std::unique_ptr<inference::feeder>> open_feeder(const inference::live_options&) const override {
    return std::make_unique<fake_feeder>();
  }
  result<std::shared_ptr<inference::state>> open_state(const inference::live_options&) const override {
    return std::make_shared<step_counter>();
  }
  using fake_model::open_state;
  std::uint64_t state_size_bytes(const inference::live_options&) const noexcept override {
    return sizeof(step_counter);
  }
  using fake_model::state_size_bytes;
};

// Events as short words: "+7" an increment, "[7]" a sentence, "end", "failed CODE"; credit is counted.
struct heard {
  std::vector<std::string> events;
  std::uint64_t credit = 0;
  std::optional<error> why;
};

struct Session : ModelActor {
  prometheus::Registry registry;
  std::shared_ptr<session_board> board =
      std::make_shared<session_board>(load_limits{.max_sessions = 10, .max_share = 0.9}, 1, registry);
  resident_ptr home;
  std::vector<std::pair<std::string, std::function<void(result<std::string>)>>> to_mark;

  void SetUp() override {
    start_device();
    home = start_model({}, std::make_unique<live_fake>());
  }
  void TearDown() override {
    EXPECT_EQ(board->open(), 0u);
    for (const auto& m : models) EXPECT_EQ(m->door.inside(), 0u) << "places";
    ModelActor::TearDown();
  }

  struct opened {
    session_actor actor;
    std::shared_ptr<heard> out = std::make_shared<heard>();
  };
  opened open(session_mode mode, bool marks = false, session_limits limits = {}) {
    opened o;
    auto s = std::make_unique<session_start>();
    s->request.mode = mode;
    s->listener = [out = o.out](session_event&& e) {
      if (auto* i = std::get_if<session_increment>(&e)) out->events.push_back("+" + i->text.text);
      if (auto* w = std::get_if<session_sentence>(&e)) out->events.push_back("[" + w->text.text + "]");
      if (auto* c = std::get_if<session_credit>(&e)) out->credit += c->samples;
      if (std::get_if<session_ended>(&e) != nullptr) out->events.emplace_back("end");
      if (auto* f = std::get_if<session_failed>(&e)) {
        out->events.emplace_back("failed");
        out->why = f->why;
      }
    };
    EXPECT_EQ(home->door.try_enter(1, 100), gate::entry::entered);
    s->home = {home, std::make_unique<ticket>(home, 1)};
    s->feeder = home->model->live()->open_feeder({}).value();
    s->state = home->model->live()->open_state({}).value();
    s->limits = limits;
    s->board = board;
    s->entry = board->enter(time.now()).value();
    if (marks)
      s->punctuate = [this](std::string text, std::function<void(result<std::string>)> done) {
        to_mark.emplace_back(std::move(text), std::move(done));
      };
    const auto entry = s->entry;
    o.actor = time.system.spawn(session, std::make_shared<std::unique_ptr<session_start>>(std::move(s)));
    board->set_leave(entry, [actor = o.actor](error why) {
      caf::anon_send(actor, stop_atom::value, std::make_shared<error>(std::move(why)));
    });
    time.settle();
    return o;
  }
  void feed(const opened& o, std::vector<float> sound) {
    caf::anon_send(o.actor, feed_atom::value, std::make_shared<std::vector<float>>(std::move(sound)));
    time.settle();
  }
  void finish(const opened& o) {
    caf::anon_send(o.actor, finish_atom::value);
    time.settle();
  }
  // So many samples, the first of them a word.
  static std::vector<float> word(int n, std::size_t samples = chunk) {
    std::vector<float> out(samples, 0.0F);
    out[0] = static_cast<float>(n) / 10;
    return out;
  }
  void run_all() {
    while (slots[0]->busy()) {
      slots[0]->finish();
      time.settle();
    }
  }
  void close(const opened& o) {
    caf::anon_send_exit(o.actor, caf::exit_reason::user_shutdown);
    time.settle();
  }
  using words = std::vector<std::string>;
};

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
  home = start_model(limits, std::make_unique<live_fake>());
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
  limits.end_silence = 200ms;
  const auto o = open(session_mode::two_pass, false, limits);
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
  limits.end_silence = 100ms;
  const auto o = open(session_mode::two_pass, true, limits);
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
  const auto o = open(session_mode::online, false, limits);
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
  run_all();
  EXPECT_EQ(a.out->events, words{"+1"});
  EXPECT_TRUE(b.out->events.empty());
  close(a);
}

TEST_F(Session, SilenceEndsItAfterItsTime) {
  session_limits limits;
  limits.idle = 5s;
  const auto o = open(session_mode::online, false, limits);
  for (int i = 0; i < 5; ++i) time.pass(1s);
  EXPECT_TRUE(o.out->events.empty());
  time.pass(1s);
  ASSERT_EQ(o.out->events, words{"failed"});
  EXPECT_EQ(o.out->why->code, error_code::deadline_exceeded);
}

TEST_F(Session, AModelThatIsToGoWaitsForItsSessionsWithALimit) {
  session_limits limits;
  limits.drain = 3s;
  const auto o = open(session_mode::online, false, limits);
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
  home = start_model({}, std::make_unique<live_fake>());
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
