#include "actors/serving/model.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include <spdlog/spdlog.h>

#include "actors/serving/scaling.hpp"

namespace troupe::actors {

namespace {

using self_ptr = model_actor::stateful_pointer<model_state>;
using std::chrono::duration_cast;
using std::chrono::microseconds;

// An explicit warm-up waits for so many batches of requests at most.
constexpr std::uint32_t batches_before_warm_up = 8;

void pump(self_ptr self, std::vector<slot_wish>* collected = nullptr);
void use_slot(self_ptr self, std::shared_ptr<grant> g);

void arm(self_ptr self, steady_time when) {
  auto& st = self->state;
  if (when >= st.armed) return;
  st.armed = when;
  const auto pause = std::max(when - self->clock().now(), steady_clock::duration(0));
  self->delayed_send(self, pause, tick_atom::value);
}

// Batches that may run beside each other.
std::uint32_t instances_max(const model_state& st) {
  return st.me->limits.auto_scaling ? std::max(1u, st.me->limits.max_instances) : 1;
}

void publish(model_state& st) {
  assert(st.sound() && "M1 to M4");
  const auto waiting = static_cast<std::uint32_t>(st.queue.size());
  st.me->queue_items.store(waiting, std::memory_order_relaxed);
  st.me->instances.store(st.instances, std::memory_order_relaxed);
  st.me->running.store(st.running, std::memory_order_relaxed);
}

batch_limits limits_of(const model_state& st) {
  auto limits = st.me->limits.batch;
  if (!st.me->limits.batching) limits.max_items = 1;
  return limits;
}

// -- queue ----------------------------------------------------------------------------------------------------

void reject_hopeless(model_state& st, item& it) {
  st.me->metrics->rejected.Increment();
  it.job->fail({error_code::too_many_requests, "Model " + st.me->name + " cannot answer before the request's deadline",
                std::to_string(st.queue.size()) + " requests wait; send fewer, or a longer timeout", 1});
}

void enqueue(self_ptr self, std::vector<item_ptr>& items) {
  auto& st = self->state;
  const auto now = self->clock().now();
  const double item_cost = st.queue.empty()
                               ? items.front()->in->cost
                               : static_cast<double>(st.queue.cost()) / static_cast<double>(st.queue.size());
  const auto cost_per_s = st.learned.cost_per_s(st.instances, limits_of(st), item_cost) * st.instances;
  st.learned.arrived(items.size(), now);
  job* last = nullptr;
  for (auto& it : items) {
    if (it->dead()) continue;
    it->enqueued = now;
    if (!can_finish(st.queue.cost(), cost_per_s, now, it->job->deadline)) {
      reject_hopeless(st, *it);
      continue;
    }
    if (it->job.get() != last) {
      last = it->job.get();
      st.deadlines.push(it->job);
    }
    st.queue.push(std::move(it));
  }
  arm(self, st.deadlines.next());
  if (st.held.slot) use_slot(self, std::exchange(st.held.slot, nullptr));
  pump(self);
}

void expire(self_ptr self) {
  auto& st = self->state;
  const auto now = self->clock().now();
  bool any = false;
  for (auto& j : st.deadlines.expired(now)) {
    const auto waited = duration_cast<std::chrono::milliseconds>(now - j->created).count();
    if (j->fail({error_code::deadline_exceeded,
                 "Model " + st.me->name + " did not answer within the request's deadline",
                 "waited " + std::to_string(waited) + " ms; send a longer timeout, or fewer requests", 1})) {
      st.me->metrics->expired.Increment();
      any = true;
    }
  }
  if (any) st.queue.drop_dead();
}

// -- instances ------------------------------------------------------------------------------------------------

// `wanted`: batches that run, or are about to.
void scale(self_ptr self, std::uint32_t wanted) {
  auto& st = self->state;
  const auto now = self->clock().now();
  if (wanted >= st.instances) {
    st.surplus_since = steady_time::max();
  } else if (st.instances > 1) {
    if (st.surplus_since == steady_time::max()) st.surplus_since = now;
    arm(self, st.surplus_since + shrink_after);
  }
  scaling_input in;
  in.instances = st.instances;
  in.max_instances = instances_max(st);
  in.wanted = wanted;
  if (st.surplus_since != steady_time::max()) in.idle_surplus = now - st.surplus_since;
  const auto target = desired_instances(in);
  if (target < st.instances) {
    const auto idle = std::find_if(st.free_instances.begin(), st.free_instances.end(),
                                   [&](const auto& i) { return !st.queue.waits_for(i.get()); });
    if (idle != st.free_instances.end()) st.free_instances.erase(idle);
    st.surplus_since = now;
  }
  st.instances = target;
}

// -- warm-up --------------------------------------------------------------------------------------------------

bool warm_batch_waits(const model_state& st) { return st.warm && st.warm->batch_waits(); }

void end_warm_up(self_ptr self) {
  auto& st = self->state;
  const auto w = std::move(st.warm);
  const auto now = self->clock().now();
  result<warmup_report> outcome = w->report(st.me->name, now);
  if (!w->failure().empty()) {
    spdlog::warn("warm-up of model {} failed: {}", st.me->name, w->failure());
    outcome = fail(error_code::model_failed, "Warm-up of model " + st.me->name + " failed: " + w->failure());
  } else if (w->called_off()) {
    outcome = tl::unexpected(error{error_code::unavailable, "Model " + st.me->name + " left memory during its warm-up",
                                   "it was unloaded, evicted or replaced; try again", 1});
  } else {
    st.me->warmup_us.store(w->time(now).count(), std::memory_order_relaxed);
    st.me->fully_warm.store(true, std::memory_order_release);
  }
  for (auto& reply : w->waiters) (*reply)(outcome);
}

void start_warm_up(self_ptr self, bool background, shared_reply<warmup_report> waiter) {
  auto& st = self->state;
  // One that runs at background pace is overtaken by one that somebody waits for.
  if (!st.warm || (st.warm->background() && !background)) {
    const auto& limits = st.me->limits;
    auto fresh = std::make_unique<warm_up>(
        st.me->model->warm_buckets(limits.batching ? limits.batch.max_items : 1, limits.batch.max_cost),
        limits.warmup_requests, background, self->clock().now());
    if (st.warm) fresh->take_over(*st.warm);
    st.warm = std::move(fresh);
  }
  if (waiter) st.warm->waiters.push_back(std::move(waiter));
  if (st.warm->over()) end_warm_up(self);
  pump(self);
}

// null: none is left, or the model is on its way out.
batch_ptr form_warm_batch(self_ptr self) {
  auto& st = self->state;
  if (!warm_batch_waits(st)) return nullptr;
  auto b = std::make_shared<batch>();
  // A warm-up that somebody waits for keeps its model; one in the background does not make it busy.
  if (!st.warm->background()) {
    if (st.me->door.try_enter(1, ~0u) != gate::entry::entered) {
      st.warm->call_off();
      if (st.warm->over()) end_warm_up(self);
      return nullptr;
    }
    b->warm_place = std::make_unique<ticket>(st.me, 1);
  }
  b->bucket = st.warm->next();
  b->cost = std::uint64_t{b->bucket->items} * b->bucket->length;
  st.batches_since_warm_up = 0;
  return b;
}

void finish_warm_batch(self_ptr self, batch& b) {
  auto& st = self->state;
  b.warm_place.reset();
  if (!st.warm) return;
  st.warm->ended(*b.bucket, b.took, b.failure);
  if (st.warm->over()) end_warm_up(self);
}

// -- batches --------------------------------------------------------------------------------------------------

batch_ptr form_batch(self_ptr self, std::uint64_t wanted_cost) {
  auto& st = self->state;
  auto items = st.queue.take(limits_of(st), st.me->model->padding_rule(), wanted_cost, st.free_instances);
  if (items.empty()) return nullptr;
  const auto now = self->clock().now();
  auto b = std::make_shared<batch>();
  std::uint64_t sum = 0, longest = 0;
  b->jobs.reserve(items.size());
  for (auto& it : items) {
    b->jobs.push_back(it->job);
    it->queue_us += static_cast<std::uint32_t>(duration_cast<microseconds>(now - it->enqueued).count());
    sum += it->in->cost;
    longest = std::max<std::uint64_t>(longest, it->in->cost);
  }
  b->cost = batch_cost(st.me->model->padding_rule(), items.size(), sum, longest);
  b->items = std::move(items);
  return b;
}

// The instance that the batch's rows are bound to, else one that no other rows wait for, else any; null where all run:
// the slot makes one.
std::unique_ptr<inference::instance> instance_for(model_state& st, const batch& b) {
  const inference::instance* home = nullptr;
  for (const auto& it : b.items)
    if (it->home) home = it->home;
  auto& idle = st.free_instances;
  if (idle.empty()) return nullptr;
  auto chosen = std::find_if(idle.begin(), idle.end(),
                             [&](const auto& i) { return home ? i.get() == home : !st.queue.waits_for(i.get()); });
  if (chosen == idle.end()) --chosen;
  auto i = std::move(*chosen);
  idle.erase(chosen);
  return i;
}

void run(self_ptr self, const std::shared_ptr<grant>& g, batch_ptr b) {
  auto& st = self->state;
  b->owner = st.me;
  b->wide = !b->warm() && b->items.size() == 1 && st.queue.empty() && g->lone_threads > g->threads &&
            st.me->model->info().lone != inference::lone_use::none;
  b->threads = b->wide ? g->lone_threads : g->threads;
  if (!b->wide && g->lone_threads > g->threads) self->send(st.device, narrow_atom::value, g);
  b->instance = instance_for(st, *b);
  ++st.running;
  scale(self, st.running);
  st.me->running.store(st.running, std::memory_order_relaxed);
  st.learned.begins(*b, *g, self->clock().now());
  // Both hear of it from the slot's own thread; the rows are answered there already.
  g->where->run(std::move(b), [me = caf::actor_cast<model_actor>(self), device = st.device, index = g->where->index()](
                                  std::uint64_t epoch, batch_ptr ended) {
    const slot_use use{index, epoch, ended->took};
    ended->epoch = epoch;
    ended->slot_index = index;
    caf::anon_send(me, done_atom::value, std::move(ended));
    caf::anon_send(device, idle_atom::value, use);
  });
}

// A warm-up that somebody waits for gets its turn on a model that is never idle, too.
bool warm_up_is_due(const model_state& st) {
  return warm_batch_waits(st) && !st.warm->background() && st.batches_since_warm_up >= batches_before_warm_up;
}

// Runs what the plan says on a slot that was granted, keeps the slot for a moment, or gives it back.
void use_slot(self_ptr self, std::shared_ptr<grant> g) {
  auto& st = self->state;
  const auto now = self->clock().now();
  const bool mine = g->where->epoch() == g->epoch;  // else its thread was replaced meanwhile
  batch_ptr b;
  if (mine && st.running < instances_max(st)) {
    if (warm_up_is_due(st)) b = form_warm_batch(self);
    if (!b && st.queue.has_work(st.free_instances)) {
      const auto d = st.learned.decide({st.queue.size(), st.queue.cost()}, *g, limits_of(st),
                                       instances_max(st) - st.running, st.held.granted, now, now < st.held.until);
      if (d.hold_until > now) {
        st.held.until = d.hold_until;
        g->where->expect(d.hold_until + d.time, microseconds(0));
        st.held.slot = std::move(g);
        arm(self, st.held.until);
        return;
      }
      b = form_batch(self, d.cost);
      ++st.batches_since_warm_up;
    }
    if (!b) b = form_warm_batch(self);
  }
  if (b)
    run(self, g, std::move(b));
  else
    self->send(st.device, decline_atom::value, std::move(g));
}

void on_grant(self_ptr self, const std::shared_ptr<grant>& g) {
  auto& st = self->state;
  --(g->background ? st.background_wishes : st.wishes);
  if (g->background) {
    // Practice alone: what waits has a wish of its own, and plans with another grant.
    auto b = st.running < st.instances ? form_warm_batch(self) : nullptr;
    if (b)
      run(self, g, std::move(b));
    else
      self->send(st.device, decline_atom::value, g);
  } else {
    st.held.granted = self->clock().now();
    st.held.until = no_deadline;
    use_slot(self, g);
  }
  pump(self);
}

void on_done(self_ptr self, batch& b) {
  auto& st = self->state;
  const auto now = self->clock().now();
  --st.running;
  const auto* home = st.me->model->info().stateful ? b.instance.get() : nullptr;
  st.learned.ended(b, b.warm() ? 0 : b.jobs.size() - b.items.size(), now);
  for (auto& it : b.items) {
    it->enqueued = now;
    it->home = home;
    st.queue.push(std::move(it));
  }
  if (b.instance && (st.running + st.free_instances.size() < st.instances || (home && st.queue.waits_for(home))))
    st.free_instances.push_back(std::move(b.instance));
  if (b.warm()) finish_warm_batch(self, b);
  auto release = std::make_shared<slot_release>();
  release->use = {b.slot_index, b.epoch, b.took};
  pump(self, &release->next);
  self->send(st.device, release_atom::value, caf::actor_cast<model_actor>(self), std::move(release));
}

// Asks for a slot where there is something to run on it; or collects the wish. One at a time: what the first batch
// leaves is known only when it has taken its share.
void pump(self_ptr self, std::vector<slot_wish>* collected) {
  auto& st = self->state;
  scale(self, st.running);
  const auto ask = [&](bool background) {
    ++(background ? st.background_wishes : st.wishes);
    slot_wish w;
    w.lease = st.me->lease;
    w.priority = st.priority;
    w.background = background;
    w.single = st.queue.size() == 1 && st.me->model->info().lone == inference::lone_use::keeps_cores;
    if (collected)
      collected->push_back(w);
    else
      self->send(st.device, want_atom::value, caf::actor_cast<model_actor>(self), w);
  };
  const auto& limits = st.me->limits;
  bool ready = st.queue.has_work(st.free_instances);
  if (ready && limits.max_queue_delay.count() > 0) {
    const auto now = self->clock().now();
    const auto due = st.queue.oldest() + limits.max_queue_delay;
    if (due <= now || st.queue.has_full_batch(limits_of(st))) st.released = now;
    // What the plan left for another slot has waited already.
    if (st.queue.oldest() > st.released) {
      ready = false;
      arm(self, due);
    }
  }
  const bool asks_already = st.wishes != 0 || st.held.slot;
  if (ready && !asks_already && st.running < instances_max(st)) ask(false);
  // A warm-up that somebody waits for does not wait behind an earlier wish of one in the background.
  if (warm_batch_waits(st) && st.wishes == 0 && !st.held.slot && st.running < st.instances) {
    if (!st.warm->background())
      ask(false);
    else if (st.background_wishes == 0)
      ask(true);
  }
  publish(st);
}

void on_hung(self_ptr self, batch& b) {
  auto& st = self->state;
  const std::string why = "a batch did not come back from the model in time";
  for (auto& j : b.jobs)
    j->fail({error_code::model_failed, "Model " + st.me->name + " hangs: " + why, "the model is being restarted", 1});
  if (st.warm)
    for (auto& reply : st.warm->waiters)
      (*reply)(fail(error_code::model_failed, "Warm-up of model " + st.me->name + " failed: " + why));
  st.report_failure(why);
  self->quit(caf::exit_reason::unhandled_exception);
}

}  // namespace

bool model_state::sound() const {
  const bool asks_once = wishes + (held.slot ? 1u : 0u) <= 1 && background_wishes <= 1;
  const bool bounded = running <= instances && instances <= instances_max(*this);
  const bool kept = me->model->info().stateful || running + free_instances.size() <= instances;
  return asks_once && bounded && kept && me->door.inside() >= queue.size();
}

model_actor::behavior_type model(self_ptr self, resident_ptr me, device_actor device, config::priority priority,
                                 const std::shared_ptr<std::unique_ptr<inference::instance>>& first,
                                 std::function<void(std::string)> report_failure) {
  auto& st = self->state;
  st.me = std::move(me);
  st.device = std::move(device);
  st.priority = priority;
  st.report_failure = std::move(report_failure);
  if (first && *first) st.free_instances.push_back(std::move(*first));
  // Whatever ends this actor: nobody waits for a slot in its name any more. Its queue's jobs answer 503.
  self->attach_functor(
      [device = st.device, lease = st.me->lease] { caf::anon_send(device, forget_atom::value, lease); });
  start_warm_up(self, true, nullptr);
  return {
      [self](enqueue_atom, const item_list_ptr& items) { enqueue(self, *items); },
      [self](grant_atom, const std::shared_ptr<grant>& g) { on_grant(self, g); },
      [self](done_atom, const batch_ptr& b) { on_done(self, *b); },
      [self](hung_atom, const batch_ptr& b) { on_hung(self, *b); },
      [self](warm_atom, const shared_reply<warmup_report>& reply) { start_warm_up(self, false, reply); },
      [self](priority_atom, config::priority p) { self->state.priority = p; },
      [self](tick_atom) {
        if (self->clock().now() < self->state.armed) return;  // a stale one: its successor is armed
        self->state.armed = no_deadline;
        expire(self);
        arm(self, self->state.deadlines.next());
        if (self->state.held.slot) use_slot(self, std::exchange(self->state.held.slot, nullptr));
        pump(self);
      },
  };
}

}  // namespace troupe::actors
