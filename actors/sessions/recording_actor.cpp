#include "actors/sessions/recording_actor.hpp"

#include <utility>

#include "actors/protocol/foreign_exception.hpp"

namespace troupe::actors {

namespace {

constexpr std::chrono::milliseconds tick_pause{250};

// What libraries and listeners throw ends this recording alone.
template <class F>
void guarded(recording& it, const F& f) {
  try {
    f(it);
  } catch (...) {
    const auto why = caught_error(error_code::internal, "the recording failed inside the server");
    try {
      it.fail(why);
    } catch (...) {
      it.cancel();  // its listener cannot even be told that
    }
  }
}

}  // namespace

void send_turn(const recording_actor& to, std::function<void(recording&)> f) {
  caf::anon_send(to, turn_atom::value, std::make_shared<std::function<void(recording&)>>(std::move(f)));
}

recording_actor::behavior_type run_recording(recording_actor::stateful_pointer<recording_state> self,
                                             const std::shared_ptr<recording_start>& start) {
  auto& st = self->state;
  const auto desk = start->desk;
  const auto entry = start->entry;
  st.in_flight = std::move(start->in_flight);
  // Weak: the recording holds it, and the actor the recording.
  start->means.post = [to = caf::actor_cast<caf::weak_actor_ptr>(self)](std::function<void()> f) {
    if (const auto here = caf::actor_cast<recording_actor>(to))
      send_turn(here, [f = std::move(f)](recording&) { f(); });
  };
  st.it = std::make_unique<recording>(std::move(start->asked), std::move(start->listener), std::move(start->means),
                                      start->limits, self->clock().now());
  self->attach_functor([desk, entry] { desk->left(entry, true, 0); });  // where it has not left in order
  self->delayed_send(self, tick_pause, tick_atom::value);
  const auto run = [self, desk, entry](const auto& f) {
    auto& it = self->state.it;
    if (!it) return;
    guarded(*it, f);
    if (!it->over()) return;
    const auto failed = it->failed();
    const auto heard_s = it->heard_s();
    it.reset();
    self->state.in_flight.reset();
    desk->left(entry, failed, heard_s);
    self->quit();
  };
  return {
      [run](turn_atom, const recording_turn& f) { run(*f); },
      [self, run](tick_atom) {
        run([self](recording& it) { it.tick(self->clock().now()); });
        if (self->state.it) self->delayed_send(self, tick_pause, tick_atom::value);
      },
  };
}

}  // namespace troupe::actors
