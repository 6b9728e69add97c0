// The stage of a session that tells where somebody speaks, before the recogniser.

#include <iterator>

#include "actors/sessions/session_steps.hpp"

namespace troupe::actors {

namespace {

void take_voice(session_ptr self, const inference::voice_activity& told) {
  auto& st = self->state;
  auto verdict = st.sound.hears->decide(told);
  if (!verdict.pieces.empty()) st.with->board->spoke(st.with->entry, self->clock().now());
  std::move(verdict.pieces.begin(), verdict.pieces.end(), std::back_inserter(st.sound.waits));
  answered(st, verdict.dropped);
}

}  // namespace

bool listen_to(session_ptr self, const std::vector<float>& samples) {
  auto& st = self->state;
  if (!st.voice->is_open()) {
    if (auto ok = st.voice->open(st.with->request.options); !ok) return end_with(self, ok.error()), false;
    st.sound.hears.emplace(rate_of(st));
  }
  st.sound.hears->accept(samples);
  st.voice->accept(samples);
  listen(self);
  return true;
}

void listen(session_ptr self) {
  auto& st = self->state;
  auto& voice = *st.voice;
  if (!voice.is_open() || voice.busy()) return;
  if (send_step<voiced_atom>(self, voice, [&st](std::uint64_t samples) { return whole_at(st, samples); })) return;
  if (!voice.finished()) return;
  // Where its last step did not say so.
  const auto heard_s = static_cast<double>(st.sound.samples) / rate_of(st);
  if (st.sound.hears->held_samples() > 0 || st.sound.hears->in_speech()) take_voice(self, {{}, true, heard_s, heard_s});
  voice.close();
}

void on_voiced(session_ptr self, item_result& got) {
  auto& st = self->state;
  if (!step_ended(self, *st.voice, session_board::stage::listening, got)) return;
  const auto* told = std::get_if<inference::voice_activity>(&*got.value);
  if (told == nullptr)
    return end_with(self, {error_code::internal, "Model " + st.voice->home().name + " told no voice activity", {}, {}});
  take_voice(self, *told);
  listen(self);
  advance(self);
}

}  // namespace troupe::actors
