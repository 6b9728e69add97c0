// The recogniser's stage of a session: utterances in, text and sentences out.

#include <limits>

#include "actors/sessions/session_steps.hpp"

namespace troupe::actors {

namespace {

bool wants_sentences(const session_state_data& st) { return st.with->request.mode != session_mode::online; }
bool listening(const session_state_data& st) { return st.voice && st.voice->stage().is_open(); }
bool wants_increments(const session_state_data& st) { return st.with->request.mode != session_mode::offline; }

void close_sentence(session_state_data& st) {
  auto one = st.sentence->close();
  one.last = st.sound.finishing && st.sound.waits.empty() && !st.recogniser->is_open() && !listening(st);
  // Without voice activity, where no token comes nobody spoke.
  if (!wants_sentences(st) || (!st.voice && one.text.text.empty())) return;
  st.told->add(std::move(one));
}

// What waits goes to the recogniser, up to the utterance after the one that is under way. False: it cannot be opened.
bool hand_on(session_ptr self) {
  auto& st = self->state;
  auto& recogniser = *st.recogniser;
  auto& waits = st.sound.waits;
  for (; !waits.empty() && !(waits.front().begins && recogniser.is_open()); waits.pop_front()) {
    auto& piece = waits.front();
    if (piece.begins) {
      if (auto ok = recogniser.open(st.with->request.options); !ok) return end_with(self, ok.error()), false;
      st.sound.first = piece.first;
      st.sentence->begin(piece.first);
    }
    recogniser.accept(piece.sound);
    st.sentence->hear(piece.sound);
    if (piece.ends) recogniser.finish();
  }
  return true;
}

// All that was fed is answered.
void end_sound(session_state_data& st) {
  const session_ended told{std::chrono::duration<double>(time_of(st, st.sound.samples)).count()};
  st.sound = {};
  st.told->tell(told);
}

// `samples`: of the step that it came of.
void take_text(session_state_data& st, inference::transcript&& text, std::uint64_t samples) {
  shift(text, static_cast<double>(st.sound.first) / rate_of(st));
  if (wants_sentences(st)) st.sentence->take(text, samples);
  if (wants_increments(st) && !text.text.empty()) {
    st.sentence->was_told();
    st.told->tell(session_increment{std::move(text)});
  }
  if (wants_sentences(st) && st.sentence->over() != inference::endpoint_reason::none) close_sentence(st);
}

}  // namespace

void advance(session_ptr self) {
  auto& st = self->state;
  auto& recogniser = *st.recogniser;
  const auto due = [&st](std::uint64_t samples) {
    const auto place = st.sound.first + samples;
    return whole_at(st, st.voice ? st.voice->known_after(place) : place);
  };
  while (!st.over && hand_on(self) && recogniser.is_open() && !recogniser.busy()) {
    if (recogniser.send(self->clock().now(), step_terms<stepped_atom>(self, due)) || !recogniser.finished()) return;
    answered(st, recogniser.close());
    close_sentence(st);
  }
  if (!st.over && st.sound.finishing && !listening(st) && !recogniser.is_open()) end_sound(st);
}

void on_stepped(session_ptr self, item_result& got) {
  auto& st = self->state;
  const auto samples = step_ended(self, *st.recogniser, session_board::stage::recognising, got);
  if (!samples) return;
  answered(st, *samples);
  if (auto* text = std::get_if<inference::transcript>(&*got.value)) take_text(st, std::move(*text), *samples);
  advance(self);
}

open_sentence::terms sentence_terms(const session_state_data& st) {
  auto rules = st.with->limits.sentence;
  if (st.voice) rules.silence_s = rules.silence_after_token_s = std::numeric_limits<double>::infinity();
  return {rules, rate_of(st), wants_sentences(st) && st.with->recognise != nullptr};
}

}  // namespace troupe::actors
