#pragma once
// For tests of the session actor: fake models that are fed, and a session over them with real model actors and a real
// device, in virtual time.

#include <cmath>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "actors/sessions/session.hpp"
#include "tests/actors/serving/model_support.hpp"

namespace troupe::actors::testing {

constexpr std::uint32_t rate_hz = 1000;
constexpr std::size_t chunk = 100;

// How many of the fakes' states there are.
struct counted_state : inference::state {
  explicit counted_state(std::shared_ptr<int> n) : all(std::move(n)) { ++*all; }
  ~counted_state() override { --*all; }
  std::shared_ptr<int> all;
  int steps = 0;
  bool speaking = false;  // of the fake that tells voice activity
  std::uint64_t heard = 0, quiet = 0, settled = 0;
};

struct sound_step : sized {
  sound_step(std::vector<float> s, bool end) : sized(1), sound(std::move(s)), final(end) {}
  std::vector<float> sound;
  bool final;
};

// Steps of `size` samples; the last has the rest.
struct fake_feeder : inference::feeder {
  explicit fake_feeder(std::size_t s) : size(s) {}
  const std::size_t size;
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
    const auto n = std::min(size, waiting.size());
    if (done || (!ended && n < size) || (ended && !any)) return nullptr;
    std::vector<float> sound(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(n));
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(n));
    done = ended && waiting.empty();
    return std::make_unique<sound_step>(std::move(sound), done);
  }
  std::uint64_t waiting_samples() const noexcept override { return waiting.size(); }
};

// "7" for each sample of 0.7; below 0.05 is silence.
inline std::string words_in(std::span<const float> sound) {
  std::string text;
  for (const auto s : sound)
    if (s > 0.05F) text += std::to_string(std::lround(s * 10));
  return text;
}

struct fed_fake : fake_model, inference::live_model {
  const inference::live_model* live() const noexcept override { return this; }
  std::uint32_t rate_hz() const noexcept override { return testing::rate_hz; }
  bool uses_hotwords() const noexcept override { return false; }
  result<std::unique_ptr<inference::feeder>> open_feeder(const inference::live_options&) const override {
    return std::make_unique<fake_feeder>(step_samples);
  }
  result<std::shared_ptr<inference::state>> open_state(const inference::live_options&) const override {
    return std::make_shared<counted_state>(states);
  }
  using fake_model::open_state;
  std::uint64_t state_size_bytes(const inference::live_options&) const noexcept override {
    return sizeof(counted_state);
  }
  using fake_model::state_size_bytes;

  std::size_t step_samples = chunk;
  std::shared_ptr<int> states = std::make_shared<int>(0);
};

// Tells words; fails at a 9.
struct live_fake : fed_fake {
  struct runner : inference::instance {
    void step(std::span<inference::row> rows) override {
      for (auto& r : rows) {
        const auto& in = static_cast<const sound_step&>(*r.in);
        inference::transcript out;
        out.text = words_in(in.sound);
        if (out.text.find('9') != std::string::npos) {
          r.problem = "nine";
          continue;
        }
        auto& st = static_cast<counted_state&>(*r.st);
        ++st.steps;
        out.final = in.final;
        if (!out.text.empty()) out.begin_s = out.end_s = 0.1 * st.steps;
        r.out = out;
      }
    }
  };
  std::unique_ptr<inference::instance> make_instance() const override { return std::make_unique<runner>(); }
};

// Tells where somebody speaks: from 20 ms before a word to 50 ms after the last one, decided after 80 ms of silence. A
// 0.85 kills it.
struct voice_fake : fed_fake {
  voice_fake() {
    step_samples = 40;
    say_tasks({inference::task::voice_activity_detection});
  }
  static constexpr std::uint64_t back = 20, ahead = 50, silence = 80;
  struct runner : inference::instance {
    void step(std::span<inference::row> rows) override {
      for (auto& r : rows) {
        const auto& in = static_cast<const sound_step&>(*r.in);
        auto& st = static_cast<counted_state&>(*r.st);
        const auto at_s = [](std::uint64_t samples) { return static_cast<double>(samples) / testing::rate_hz; };
        inference::voice_activity out;
        for (const auto s : in.sound) {
          if (std::abs(s - 0.85F) < 0.01F) r.problem = "deaf";
          const auto here = st.heard++;
          st.quiet = s > 0.05F ? 0 : st.quiet + 1;
          if (s > 0.05F && !st.speaking) {
            out.found.push_back({at_s(std::max(here - std::min(here, back), st.settled)), {}});
            st.speaking = true;
          } else if (st.speaking && st.quiet == silence) {
            end(out, at_s(st.settled = st.heard - silence + ahead));
            st.speaking = false;
          }
          if (st.speaking) st.settled = st.heard - std::min(st.quiet, st.heard) + std::min(st.quiet, ahead);
        }
        out.final = in.final;
        if (in.final && st.speaking) end(out, at_s(st.settled));
        out.heard_s = at_s(st.heard);
        out.decided_s = at_s(in.final      ? st.heard
                             : st.speaking ? st.settled
                                           : std::max(st.settled, st.heard - std::min(st.heard, back)));
        r.out = out;
      }
    }
    static void end(inference::voice_activity& out, double at_s) {
      if (out.found.empty() || out.found.back().end_s) out.found.emplace_back();
      out.found.back().end_s = at_s;
    }
  };
  std::unique_ptr<inference::instance> make_instance() const override { return std::make_unique<runner>(); }
};

// Events as short words: "+7" an increment, "[7]" a sentence, "end", "failed"; credit is counted.
struct heard {
  std::vector<std::string> events;
  std::vector<inference::transcript> sentences;
  std::uint64_t credit = 0;
  std::optional<error> why;
};

// Models that a session asks for its sentences.
struct helpers {
  bool marks = false, second_pass = false, in_context = false;
};

struct SessionActor : ModelActor {
  template <class In, class Out>
  using asked = std::vector<std::pair<In, std::function<void(result<Out>)>>>;

  prometheus::Registry registry;
  std::shared_ptr<session_board> board =
      std::make_shared<session_board>(load_limits{.max_sessions = 10, .max_share = 0.9}, 1, registry);
  resident_ptr home, voice;                                // voice: null, or of the sessions that are opened
  std::shared_ptr<int> states, voice_states;               // that are there
  asked<unmarked_sentence, std::string> to_mark;           // what the punctuation model was asked
  asked<std::vector<float>, inference::transcript> again;  // what the model for whole sounds was

  void SetUp() override {
    start_device();
    home = start_fed<live_fake>(states);
  }
  template <class Fake>
  resident_ptr start_fed(std::shared_ptr<int>& count, model_limits limits = {}) {
    auto fake = std::make_unique<Fake>();
    count = fake->states;
    return start_model(limits, std::move(fake));
  }
  void start_voice() { voice = start_fed<voice_fake>(voice_states); }
  void TearDown() override {
    EXPECT_EQ(board->open(), 0u);
    for (const auto& m : models) EXPECT_EQ(m->door.inside(), 0u) << "places";
    ModelActor::TearDown();
  }

  struct opened {
    session_actor actor;
    std::shared_ptr<heard> out = std::make_shared<heard>();
  };
  static live_place place_in(const resident_ptr& r) {
    EXPECT_EQ(r->door.try_enter(1, 100), gate::entry::entered);
    return {r, std::make_shared<const ticket>(r, 1)};
  }
  opened open(session_mode mode, helpers with = {}, session_limits limits = {}) {
    opened o;
    auto s = std::make_unique<session_start>();
    s->request.mode = mode;
    s->request.marks_in_context = with.in_context;
    s->listener = [out = o.out](session_event&& e) {
      EXPECT_FALSE(out->why) << "S4";
      if (auto* i = std::get_if<session_increment>(&e)) out->events.push_back("+" + i->text.text);
      if (auto* w = std::get_if<session_sentence>(&e)) {
        out->events.push_back("[" + w->text.text + "]");
        out->sentences.push_back(w->text);
      }
      if (auto* c = std::get_if<session_credit>(&e)) out->credit += c->samples;
      if (std::get_if<session_ended>(&e) != nullptr) out->events.emplace_back("end");
      if (auto* f = std::get_if<session_failed>(&e)) {
        out->events.emplace_back("failed");
        out->why = f->why;
      }
    };
    s->home = place_in(home);
    if (voice) s->voice = place_in(voice);
    s->limits = limits;
    s->board = board;
    s->entry = board->enter(time.now()).value();
    if (with.marks)
      s->punctuate = [this](unmarked_sentence one, std::function<void(result<std::string>)> done) {
        to_mark.emplace_back(std::move(one), std::move(done));
        return cancel_handle();
      };
    if (with.second_pass)
      s->recognise = [this](std::vector<float> sound, std::function<void(result<inference::transcript>)> done) {
        again.emplace_back(std::move(sound), std::move(done));
        return cancel_handle();
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
  void answer(std::size_t i, result<inference::transcript> text) {
    again.at(i).second(std::move(text));
    time.settle();
  }
  // So many samples, the first of them a word.
  static std::vector<float> word(int n, std::size_t samples = chunk) {
    std::vector<float> out(samples, 0.0F);
    out[0] = static_cast<float>(n) / 10;
    return out;
  }
  static std::vector<float> silence(std::size_t samples = chunk) { return std::vector<float>(samples); }
  static std::vector<float> words_and_silence(std::mt19937& random) {
    std::vector<float> sound;
    for (int i = 0; i < 12; ++i) {
      const auto part =
          random() % 3 == 0 ? silence(random() % 200) : word(1 + static_cast<int>(random() % 8), 1 + random() % 120);
      sound.insert(sound.end(), part.begin(), part.end());
    }
    return sound;
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

}  // namespace troupe::actors::testing
