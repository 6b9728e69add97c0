#include "actors/sessions/session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include <spdlog/spdlog.h>

#include "actors/protocol/foreign_exception.hpp"

namespace troupe::actors {

namespace {

using self_ptr = session_actor::stateful_pointer<session_state_data>;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr milliseconds tick_pause{1000};

// What a step's job answers to.
class step_reply final : public reply_stream {
 public:
  explicit step_reply(session_actor to) : to_(std::move(to)) {}
  void write(item_result&& item) override {
    caf::anon_send(to_, stepped_atom::value, std::make_shared<item_result>(std::move(item)));
  }
  void end() override {}
  void fail(const error& why) override {
    auto item = std::make_shared<item_result>();
    item->value = tl::unexpected(why);
    caf::anon_send(to_, stepped_atom::value, std::move(item));
  }

 private:
  const session_actor to_;
};

std::uint32_t rate_of(const session_state_data& st) { return st.with->home.home->model->live()->rate_hz(); }

microseconds time_of(const session_state_data& st, std::uint64_t samples) {
  return microseconds(samples * 1'000'000 / rate_of(st));
}
std::uint64_t samples_in(const session_state_data& st, milliseconds t) {
  return static_cast<std::uint64_t>(t.count()) * rate_of(st) / 1000;
}

// When the sound up to sample `n` would be whole, of a client that sends as it hears.
steady_time whole_at(const session_state_data& st, std::uint64_t n) { return st.begun + time_of(st, n); }

void tell(session_state_data& st, session_event&& e) {
  if (st.marking)
    st.held.push_back(std::move(e));
  else
    st.with->listener(std::move(e));
}

void end_with(self_ptr self, error why) {
  auto& st = self->state;
  if (st.over) return;
  st.over = true;
  st.held.clear();
  st.with->board->left(st.with->entry, true);
  st.with->listener(session_failed{std::move(why)});  // S4
  self->quit();
}

// -- sentences ------------------------------------------------------------------------------------------------

bool wants_sentences(const session_state_data& st) { return st.with->request.mode != session_mode::online; }
bool wants_increments(const session_state_data& st) { return st.with->request.mode != session_mode::offline; }

// For the sentence that is held first; those behind it wait for theirs, one after another.
void ask_for_marks(self_ptr self) {
  auto& st = self->state;
  st.marking = true;
  st.with->punctuate(std::get<session_sentence>(st.held.front()).raw,
                     [me = caf::actor_cast<session_actor>(self)](result<std::string> marked) {
                       caf::anon_send(me, marked_atom::value, std::make_shared<result<std::string>>(std::move(marked)));
                     });
}

void close_sentence(self_ptr self) {
  auto& st = self->state;
  auto whole = std::exchange(st.sentence, {});
  st.quiet = 0;
  if (!wants_sentences(st) || whole.text.empty()) return;
  session_sentence told;
  told.raw = whole.text;
  told.text = std::move(whole);
  told.text.final = true;
  if (!st.with->punctuate) return tell(st, std::move(told));
  st.held.emplace_back(std::move(told));
  if (!st.marking) ask_for_marks(self);
}

void on_marked(self_ptr self, result<std::string>& marked) {
  auto& st = self->state;
  if (st.over || !st.marking) return;
  st.marking = false;
  auto& first = std::get<session_sentence>(st.held.front());
  if (marked)
    first.text.text = std::move(*marked);
  else
    spdlog::warn("a sentence stays without marks: {}", marked.error().message);
  // The next sentence that waits gets its marks before anything behind it is told.
  bool next = false;
  while (!st.held.empty() && !next) {
    auto e = std::move(st.held.front());
    st.held.pop_front();
    st.with->listener(std::move(e));
    next = !st.held.empty() && std::holds_alternative<session_sentence>(st.held.front());
  }
  if (next) ask_for_marks(self);
}

void take_text(self_ptr self, inference::transcript&& text, std::uint64_t samples) {
  auto& st = self->state;
  const bool spoken = !text.text.empty() || !text.tokens.empty();
  st.quiet = spoken ? 0 : st.quiet + samples;
  if (spoken) {
    st.sentence.text += text.text;
    if (!st.sentence.begin_s) st.sentence.begin_s = text.begin_s;
    if (text.end_s) st.sentence.end_s = text.end_s;
    st.sentence.tokens.insert(st.sentence.tokens.end(), text.tokens.begin(), text.tokens.end());
    if (wants_increments(st) && !text.text.empty()) tell(st, session_increment{std::move(text)});
  }
  if (!wants_sentences(st) || st.sentence.text.empty()) return;
  const auto lasted = st.sentence.begin_s && st.sentence.end_s ? *st.sentence.end_s - *st.sentence.begin_s : 0.0;
  if (time_of(st, st.quiet) >= st.with->limits.end_silence ||
      lasted >= std::chrono::duration<double>(st.with->limits.sentence_max).count())
    close_sentence(self);
}

// -- steps ----------------------------------------------------------------------------------------------------

// All that was fed is answered.
void end_sound(self_ptr self) {
  auto& st = self->state;
  close_sentence(self);
  session_ended told;
  told.sound_s = std::chrono::duration<double>(time_of(st, st.heard)).count();
  const auto* live = st.with->home.home->model->live();
  auto feeder = live->open_feeder(st.with->request.options);
  auto state = live->open_state(st.with->request.options);
  if (!feeder || !state) return end_with(self, feeder ? state.error() : feeder.error());
  st.with->feeder = std::move(*feeder);
  st.with->state = std::move(*state);
  st.finishing = false;
  st.fresh = true;
  st.heard = st.told = st.quiet = 0;
  tell(st, told);
}

// A step that is whole goes to the model, if none is under way.
void advance(self_ptr self) {
  auto& st = self->state;
  if (st.step || st.over) return;
  auto& feeder = *st.with->feeder;
  const auto before = feeder.waiting_samples();
  auto in = feeder.next();
  if (!in) {
    if (st.finishing) end_sound(self);
    return;
  }
  st.stepping = before - std::min(before, feeder.waiting_samples());
  const auto now = self->clock().now();
  auto& home = *st.with->home.home;
  auto it = std::make_shared<item>();
  it->in = std::move(in);
  it->state = st.with->state;
  const auto due = whole_at(st, st.told + st.stepping);
  if (due > now) it->due_from = due;
  it->job = std::make_shared<job>(home.name, 1, config::priority::high, now + st.with->limits.step_timeout,
                                  std::make_unique<step_reply>(caf::actor_cast<session_actor>(self)));
  st.step = it->job;
  home.counters->used_now();
  auto items = std::make_shared<std::vector<item_ptr>>(1, std::move(it));
  caf::anon_send(home.actor, enqueue_atom::value, std::move(items));
}

void on_stepped(self_ptr self, item_result& got) {
  auto& st = self->state;
  if (st.over) return;
  assert(st.step && "S1");
  st.step.reset();
  if (!got.value) return end_with(self, std::move(got.value.error()));
  const auto now = self->clock().now();
  const auto samples = std::exchange(st.stepping, 0);
  st.told += samples;
  const auto late = std::max(now - whole_at(st, st.told), steady_clock::duration(0));
  st.with->board->stepped(st.with->entry, microseconds(got.timing.infer_us / std::max(1u, got.batch_items)),
                          time_of(st, samples), duration_cast<microseconds>(late), now);
  if (samples > 0) {
    st.credit += samples;
    st.with->listener(session_credit{samples});  // not held back: who feeds need not wait for marks
  }
  if (auto* text = std::get_if<inference::transcript>(&*got.value)) take_text(self, std::move(*text), samples);
  advance(self);
}

void on_feed(self_ptr self, const std::vector<float>& sound) {
  auto& st = self->state;
  if (st.over || sound.empty()) return;
  const auto now = self->clock().now();
  if (st.finishing)
    return end_with(self, {error_code::bad_request, "sound came after the end", "wait for the end's answer first", {}});
  if (sound.size() > st.credit)
    return end_with(self, {error_code::too_many_requests,
                           "more sound than the session may be fed at once",
                           std::to_string(st.credit) + " samples were left",
                           {}});
  st.credit -= sound.size();
  if (std::exchange(st.fresh, false)) st.begun = now;
  // A client that paused is not late by its pause.
  st.begun = std::max(st.begun, now - time_of(st, st.heard + sound.size()));
  st.heard += sound.size();
  st.last_fed = now;
  st.with->board->fed(st.with->entry, now);
  st.with->feeder->accept(sound);
  advance(self);
}

void on_finish(self_ptr self) {
  auto& st = self->state;
  if (st.over || st.finishing) return;
  st.finishing = true;
  st.with->feeder->finish();
  advance(self);
}

void on_tick(self_ptr self) {
  auto& st = self->state;
  if (st.over) return;
  const auto now = self->clock().now();
  if (now - st.last_fed > st.with->limits.idle && !st.step)
    return end_with(
        self, {error_code::deadline_exceeded, "no sound came for too long", "session_idle_timeout_s bounds it", {}});
  if (st.with->home.home->door.is_closed()) {
    if (!st.to_leave_by) st.to_leave_by = now + st.with->limits.drain;
    if (now >= *st.to_leave_by)
      return end_with(self, {error_code::unavailable, "Model " + st.with->home.home->name + " leaves memory",
                             "it was unloaded, reloaded or replaced; open a new session", 1});
  }
  self->delayed_send(self, tick_pause, tick_atom::value);
}

// The feeder is foreign code: what it throws ends this session alone.
template <class F>
void guarded(self_ptr self, F f) {
  try {
    f();
  } catch (...) {
    end_with(self, caught_error(error_code::model_failed, "the session failed"));
  }
}

}  // namespace

session_state_data::~session_state_data() {
  if (step) step->cancel();
}

session_actor::behavior_type session(self_ptr self, std::shared_ptr<std::unique_ptr<session_start>> start) {
  auto& st = self->state;
  st.with = std::move(*start);
  st.credit = samples_in(st, st.with->limits.buffer);
  st.last_fed = self->clock().now();
  self->attach_functor([board = st.with->board, entry = st.with->entry] { board->left(entry, false); });
  self->delayed_send(self, tick_pause, tick_atom::value);
  return {
      [self](feed_atom, const sound_ptr& sound) { guarded(self, [&] { on_feed(self, *sound); }); },
      [self](finish_atom) { guarded(self, [&] { on_finish(self); }); },
      [self](stepped_atom, const step_result& got) { guarded(self, [&] { on_stepped(self, *got); }); },
      [self](marked_atom, const sentence_result& marked) { guarded(self, [&] { on_marked(self, *marked); }); },
      [self](stop_atom, const std::shared_ptr<error>& why) { end_with(self, *why); },
      [self](tick_atom) { on_tick(self); },
  };
}

}  // namespace troupe::actors
