// The stage of a session that tells where somebody speaks, before the recogniser.

#include <iterator>

#include "actors/sessions/session_steps.hpp"

namespace troupe::actors {

namespace {

void take_verdict(session_ptr self, ear::verdict&& verdict) {
  auto& st = self->state;
  if (!verdict.pieces.empty()) st.with->board->spoke(st.with->entry, self->clock().now());
  std::move(verdict.pieces.begin(), verdict.pieces.end(), std::back_inserter(st.sound.waits));
  answered(st, verdict.dropped);
}

}  // namespace

bool listen_to(session_ptr self, const std::vector<float>& samples) {
  auto& st = self->state;
  if (auto ok = st.voice->accept(samples, st.with->request.options); !ok) return end_with(self, ok.error()), false;
  listen(self);
  return true;
}

void listen(session_ptr self) {
  auto& st = self->state;
  const auto due = [&st](std::uint64_t samples) { return whole_at(st, samples); };
  take_verdict(self, st.voice->go_on(self->clock().now(), step_terms<voiced_atom>(self, due)));
}

void on_voiced(session_ptr self, item_result& got) {
  auto& st = self->state;
  if (!step_ended(self, st.voice->stage(), session_board::stage::listening, got)) return;
  auto verdict = st.voice->decide(*got.value);
  if (!verdict) return end_with(self, std::move(verdict.error()));
  take_verdict(self, std::move(*verdict));
  listen(self);
  advance(self);
}

}  // namespace troupe::actors
