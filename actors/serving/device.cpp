#include "actors/serving/device.hpp"

#include <algorithm>
#include <cassert>

#include <spdlog/spdlog.h>

namespace troupe::actors {

std::uint32_t device_state::busy_seats() const {
  return static_cast<std::uint32_t>(std::count_if(seats.begin(), seats.end(), [](const seat& s) { return s.busy; }));
}

bool device_state::sound() const {
  const auto right = [](const seat& s) {
    return s.busy == s.where->is_taken() && s.busy == static_cast<bool>(s.user_actor);
  };
  return std::all_of(seats.begin(), seats.end(), right) && (tick_armed || busy_seats() == 0) &&
         gauges->busy.load(std::memory_order_relaxed) == busy_seats();
}

namespace {

using self_ptr = device_actor::stateful_pointer<device_state>;

void arm_watchdog(self_ptr self) {
  auto& st = self->state;
  if (st.tick_armed || st.busy_seats() == 0) return;
  st.tick_armed = true;
  const auto pause =
      std::clamp(st.options.slot_timeout / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
  self->delayed_send(self, pause, tick_atom::value);
}

// Since long ago is all the same: steady_time::min() must not overflow a difference.
steady_clock::duration since(steady_time then, steady_time now) {
  return then == steady_time::min() ? steady_clock::duration::max() : now - then;
}

bool quiet(self_ptr self) {
  const auto& st = self->state;
  for (const auto& seat : st.seats)
    if (seat.busy && !seat.user.background) return false;
  return st.options.way->loads() == 0 && since(st.asked_at, self->clock().now()) >= quiet_after;
}

void arm_quiet(self_ptr self) {
  auto& st = self->state;
  if (st.quiet_armed || st.queue.background_waiting() == 0) return;
  st.quiet_armed = true;
  self->delayed_send(self, quiet_after, quiet_atom::value);
}

// A batch has all cores now; who wants a slot meanwhile gets it when that batch ends, or soon.
bool taken_whole(self_ptr self) {
  auto& st = self->state;
  const auto now = self->clock().now();
  for (const auto& seat : st.seats) {
    if (!seat.busy || !seat.whole) continue;
    const auto left = seat.granted + whole_device_max - now;
    if (left.count() <= 0) continue;
    if (st.queue.waiting() != 0) {
      st.shared_at = now;
      if (!st.share_armed) self->delayed_send(self, left, share_atom::value);
      st.share_armed = true;
    }
    return true;
  }
  return false;
}

std::uint32_t threads_for(self_ptr self, std::uint32_t busy) {
  auto& st = self->state;
  const auto now = self->clock().now();
  company c;
  c.busy_slots = busy;
  c.waiting = st.queue.waiting();
  c.loads = st.options.way->loads();
  c.since_shared = since(st.shared_at, now);
  if (c.busy_slots + c.waiting + c.loads != 0) st.shared_at = now;
  return threads_for_batch(is_lone(c), st.options.threads_per_slot, st.options.lone_threads);
}

void give_slots(self_ptr self) {
  auto& st = self->state;
  const auto all = static_cast<std::uint32_t>(st.seats.size());
  for (auto& seat : st.seats) {
    if (seat.busy) continue;
    if (taken_whole(self)) break;
    const auto busy = st.busy_seats();
    const auto wish = st.queue.pop(all - busy, all, quiet(self));
    if (!wish) break;
    const auto actor = st.waiting_actors.find(wish->lease);
    if (actor == st.waiting_actors.end()) continue;
    seat.busy = true;
    seat.ended = seat.user_gone = false;
    seat.epoch = seat.where->epoch();
    seat.user = *wish;
    seat.user_actor = actor->second;
    seat.granted = self->clock().now();
    auto g = std::make_shared<grant>();
    g->where = seat.where;
    g->epoch = seat.epoch;
    g->background = wish->background;
    g->threads = std::max(1u, st.options.threads_per_slot);
    // Practice takes its own slot's cores only, and nobody waits for it.
    g->lone_threads = wish->background ? g->threads : threads_for(self, busy);
    g->slots = st.slots;
    g->others = static_cast<std::uint32_t>(st.queue.waiting());
    seat.whole = wish->single && g->lone_threads > g->threads && g->lone_threads + g->threads > all * g->threads;
    seat.where->taken();
    if (!wish->background) st.asked_at = seat.granted;
    self->send(seat.user_actor, grant_atom::value, std::move(g));
  }
  st.gauges->busy.store(st.busy_seats(), std::memory_order_relaxed);
  arm_watchdog(self);
  arm_quiet(self);
  assert(st.sound() && "D1, D4, D5");
}

void note_wish(self_ptr self, const model_actor& who, const slot_wish& w) {
  auto& st = self->state;
  st.waiting_actors[w.lease] = who;
  st.queue.push(w);
}

void release_seat(self_ptr self, const slot_use& use) {
  auto& st = self->state;
  auto& seat = st.seats.at(use.slot_index);
  if (!seat.busy || seat.epoch != use.epoch) return;  // of a thread that was replaced, or released already
  st.queue.charge(seat.user.lease, seat.user.priority, use.time);
  if (!seat.user.background) st.asked_at = self->clock().now();
  seat.busy = false;
  seat.where->given_back();
  seat.user_actor = nullptr;
}

void thread_ended(self_ptr self, const slot_use& use) {
  auto& seat = self->state.seats.at(use.slot_index);
  if (!seat.busy || seat.epoch != use.epoch) return;
  seat.ended = true;
  seat.used = use.time;
  if (!seat.user_gone) return;
  release_seat(self, use);
  give_slots(self);
}

void forget_model(self_ptr self, lease_id lease) {
  auto& st = self->state;
  st.queue.forget(lease);
  st.waiting_actors.erase(lease);
  for (auto& seat : st.seats) {
    if (!seat.busy || seat.user.lease != lease) continue;
    seat.user_gone = true;
    // It may have died with the grant in its mailbox: then nothing runs that could end.
    if (seat.ended || !seat.where->busy()) release_seat(self, {seat.where->index(), seat.epoch, seat.used});
  }
  give_slots(self);
}

void watch(self_ptr self) {
  auto& st = self->state;
  st.tick_armed = false;
  const auto now = self->clock().now();
  for (auto& seat : st.seats) {
    if (!seat.busy || now - seat.granted < st.options.slot_timeout) continue;
    spdlog::error("compute slot {} did not come back within {} ms: its thread is replaced", seat.where->index(),
                  st.options.slot_timeout.count());
    auto lost = seat.where->replace();
    st.meter->slots_replaced.Increment();
    st.gauges->replaced.fetch_add(1, std::memory_order_relaxed);
    if (lost) self->send(seat.user_actor, hung_atom::value, std::move(lost));
    seat.busy = false;
    seat.where->given_back();
    seat.user_actor = nullptr;
  }
  give_slots(self);
}

}  // namespace

device_actor::behavior_type device(self_ptr self, std::vector<slot_ptr> slots, device_options options,
                                   std::shared_ptr<metrics> meter, std::shared_ptr<device_gauges> gauges) {
  auto& st = self->state;
  st.slots = std::make_shared<const std::vector<slot_ptr>>(slots);
  for (auto& s : slots) st.seats.emplace_back().where = std::move(s);
  st.options = std::move(options);
  st.meter = std::move(meter);
  st.gauges = std::move(gauges);
  st.gauges->slots.store(static_cast<std::uint32_t>(st.seats.size()));
  return {
      [self](want_atom, const model_actor& who, const slot_wish& w) {
        note_wish(self, who, w);
        give_slots(self);
      },
      [self](decline_atom, const std::shared_ptr<grant>& g) {
        release_seat(self, {g->where->index(), g->epoch, {}});
        give_slots(self);
      },
      [self](narrow_atom, const std::shared_ptr<grant>& g) {
        auto& seat = self->state.seats.at(g->where->index());
        if (!seat.busy || seat.epoch != g->epoch) return;
        seat.whole = false;
        give_slots(self);
      },
      [self](release_atom, const model_actor& who, const std::shared_ptr<slot_release>& r) {
        for (const auto& w : r->next) note_wish(self, who, w);
        release_seat(self, r->use);
        give_slots(self);
      },
      [self](idle_atom, const slot_use& use) { thread_ended(self, use); },
      [self](forget_atom, lease_id lease) { forget_model(self, lease); },
      [self](tick_atom) { watch(self); },
      [self](share_atom) {
        self->state.share_armed = false;
        give_slots(self);
      },
      [self](quiet_atom) {
        self->state.quiet_armed = false;
        give_slots(self);
      },
  };
}

}  // namespace troupe::actors
