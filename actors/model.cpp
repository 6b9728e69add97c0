#include "actors/model.hpp"

#include <spdlog/spdlog.h>

#include "actors/usage.hpp"

namespace troupe::actors {

namespace {

using self_ptr = model_actor::stateful_pointer<model_state>;
using std::chrono::duration_cast;
using std::chrono::microseconds;

void pump(self_ptr self, std::vector<wish>* collected = nullptr);

void arm(self_ptr self, steady_time when) {
  auto& st = self->state;
  if (when >= st.armed) return;
  st.armed = when;
  const auto pause = std::max(when - self->clock().now(), steady_clock::duration(0));
  self->delayed_send(self, pause, tick_atom::value);
}

void publish(model_state& st) {
  const auto waiting = static_cast<std::uint32_t>(st.queue.size());
  st.me->queue_items.store(waiting, std::memory_order_relaxed);
  st.me->instances.store(st.instances, std::memory_order_relaxed);
  st.me->running.store(st.running, std::memory_order_relaxed);
  st.me->metrics->queue_items.Set(waiting);
  st.me->metrics->instances.Set(st.instances);
}

// -- queue ----------------------------------------------------------------------------------------------------

void reject_hopeless(model_state& st, item& it) {
  st.me->metrics->rejected.Increment();
  it.job->fail({error_code::too_many_requests,
                "Model " + st.me->name + " cannot answer before the request's deadline",
                std::to_string(st.queue.size()) + " requests wait; send fewer, or a longer timeout", 1});
}

void enqueue(self_ptr self, std::vector<item_ptr>& items) {
  auto& st = self->state;
  const auto now = self->clock().now();
  job* last = nullptr;
  for (auto& it : items) {
    if (it->dead()) continue;
    it->enqueued = now;
    if (!can_finish(st.queue.cost(), st.cost_per_s * std::max(1u, st.instances), now, it->job->deadline)) {
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

void scale(self_ptr self) {
  auto& st = self->state;
  const auto now = self->clock().now();
  if (!st.me->limits.auto_scaling) return;
  if (st.instances > 1 && st.running + 1 < st.instances && st.queue.empty()) {
    if (st.surplus_since == steady_time::max()) st.surplus_since = now;
    arm(self, st.surplus_since + shrink_after);
  } else if (st.running >= st.instances) {
    st.surplus_since = steady_time::max();
  }
  scaling_input in;
  in.instances = st.instances;
  in.max_instances = st.me->limits.max_instances;
  in.running = st.running;
  in.batch_time = st.batch_time;
  in.waiting = st.queue.size();
  if (in.waiting) in.oldest_wait = duration_cast<microseconds>(now - st.queue.oldest());
  if (st.surplus_since != steady_time::max()) in.idle_surplus = now - st.surplus_since;
  const auto wanted = desired_instances(in);
  if (wanted == st.instances) return;
  if (wanted < st.instances) {
    if (!st.free_instances.empty()) st.free_instances.pop_back();
    st.surplus_since = now;
  }
  st.instances = wanted;
}

// -- warm-up --------------------------------------------------------------------------------------------------

bool warm_batch_waits(const model_state& st) { return st.warm && !st.warm->left.empty(); }

void end_warm_up(self_ptr self) {
  auto& st = self->state;
  auto w = std::move(st.warm);
  const auto took = self->clock().now() - w->started;
  if (w->failure.empty()) {
    st.me->warmup_us.store(duration_cast<microseconds>(took).count(), std::memory_order_relaxed);
    st.me->fully_warm.store(true, std::memory_order_release);
  } else {
    spdlog::warn("warm-up of model {} failed: {}", st.me->name, w->failure);
  }
  warmup_report report;
  report.model = st.me->name;
  report.requests = w->requests;
  report.time_s = std::chrono::duration<double>(took).count();
  report.avg_response_ms = w->requests ? w->busy.count() * 1e-3 / w->requests : 0;
  for (auto& reply : w->waiters) {
    if (w->failure.empty())
      (*reply)(report);
    else
      (*reply)(fail(error_code::model_failed, "Warm-up of model " + st.me->name + " failed: " + w->failure));
  }
}

void start_warm_up(self_ptr self, bool background, shared_reply<warmup_report> waiter) {
  auto& st = self->state;
  // One that runs at background pace is overtaken by one that somebody waits for.
  if (!st.warm || (st.warm->background && !background)) {
    auto fresh = std::make_unique<model_state::warming>();
    fresh->started = self->clock().now();
    fresh->background = background;
    const auto& limits = st.me->limits.batch;
    fresh->left = st.me->model->warm_buckets(st.me->limits.batching ? limits.max_items : 1, limits.max_cost);
    if (st.warm) fresh->running = st.warm->running;
    st.warm = std::move(fresh);
  }
  if (waiter) st.warm->waiters.push_back(std::move(waiter));
  if (st.warm->left.empty() && st.warm->running == 0) end_warm_up(self);
  pump(self);
}

batch_ptr form_warm_batch(model_state& st) {
  auto b = std::make_shared<batch>();
  // A warm-up that somebody waits for keeps its model; one in the background does not make it busy.
  if (!st.warm->background) {
    if (st.me->door.try_enter(1, ~0u) != gate::entry::entered) {
      st.warm->left.clear();
      return nullptr;
    }
    b->warm_place = std::make_unique<ticket>(st.me, 1);
  }
  const auto bucket = st.warm->left.front();
  st.warm->left.erase(st.warm->left.begin());
  b->bucket = bucket;
  b->cost = std::uint64_t{bucket.items} * bucket.length;
  return b;
}

// A batch cannot be interrupted: nobody shall wait for one that was run for practice. A long one gains little from
// practice anyway (12x768: 5 to 50 ms). Looks at the next bucket only: the larger the batch that ran, the less it
// says too much of a larger one.
void skip_long_buckets(model_state::warming& w, const batch& ran) {
  const auto per_cost = std::chrono::duration<double, std::micro>(ran.took) / static_cast<double>(std::max<std::uint64_t>(1, ran.cost));
  if (w.per_cost.count() == 0 || per_cost < w.per_cost) w.per_cost = per_cost;
  // A single row of cost 1 says next to nothing of many.
  const double doubt = ran.cost == 1 ? 0.125 : 1;
  while (!w.left.empty() &&
         w.per_cost * doubt * static_cast<double>(w.left.front().items * w.left.front().length) > background_batch_max)
    w.left.erase(w.left.begin());
}

void finish_warm_batch(self_ptr self, batch& b) {
  auto& st = self->state;
  b.warm_place.reset();
  if (!st.warm) return;
  --st.warm->running;
  st.warm->requests += b.bucket->items;
  st.warm->busy += b.took;
  if (!b.failure.empty()) {
    st.warm->failure = b.failure;
    st.warm->left.clear();
  } else if (st.warm->background) {
    skip_long_buckets(*st.warm, b);
  }
  if (st.warm->left.empty() && st.warm->running == 0) end_warm_up(self);
}

// -- batches --------------------------------------------------------------------------------------------------

batch_ptr form_batch(self_ptr self) {
  auto& st = self->state;
  auto limits = st.me->limits.batch;
  if (!st.me->limits.batching) limits.max_items = 1;
  auto items = st.queue.take(limits, st.me->model->padding_rule());
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

void run(self_ptr self, const grant& g, batch_ptr b) {
  auto& st = self->state;
  b->owner = st.me;
  b->threads = g.threads;
  if (!st.free_instances.empty()) {
    b->instance = std::move(st.free_instances.back());
    st.free_instances.pop_back();
  }
  ++st.running;
  st.me->running.store(st.running, std::memory_order_relaxed);
  // Both hear of it from the slot's own thread; the rows are answered there already.
  g.where->run(std::move(b), [me = caf::actor_cast<model_actor>(self), device = st.device,
                              index = g.where->index()](std::uint64_t epoch, batch_ptr ended) {
    const auto used = static_cast<std::uint64_t>(ended->took.count());
    ended->epoch = epoch;
    ended->slot_index = index;
    caf::anon_send(me, done_atom::value, std::move(ended));
    caf::anon_send(device, done_atom::value, index, epoch, used);
  });
}

void on_grant(self_ptr self, const std::shared_ptr<grant>& g) {
  auto& st = self->state;
  --(g->background ? st.background_wishes : st.wishes);
  batch_ptr b;
  if (st.running < st.instances) {
    b = form_batch(self);
    if (!b && warm_batch_waits(st)) {
      b = form_warm_batch(st);
      if (b)
        ++st.warm->running;
      else if (st.warm->left.empty() && st.warm->running == 0)
        end_warm_up(self);
    }
  }
  if (b)
    run(self, *g, std::move(b));
  else
    self->send(st.device, decline_atom::value, g);
  pump(self);
}

void on_done(self_ptr self, batch& b) {
  auto& st = self->state;
  --st.running;
  if (b.instance && st.running + st.free_instances.size() < st.instances)
    st.free_instances.push_back(std::move(b.instance));
  if (b.warm()) {
    finish_warm_batch(self, b);
  } else {
    const auto blend = [](double old, double now) { return old == 0 ? now : 0.8 * old + 0.2 * now; };
    st.batch_time = microseconds(
        static_cast<std::int64_t>(blend(static_cast<double>(st.batch_time.count()), static_cast<double>(b.took.count()))));
    if (b.took.count() > 0) st.cost_per_s = blend(st.cost_per_s, static_cast<double>(b.cost) * 1e6 / static_cast<double>(b.took.count()));
    const auto now = self->clock().now();
    for (auto& it : b.items) {
      it->enqueued = now;
      st.queue.push(std::move(it));
    }
  }
  auto release = std::make_shared<slot_release>();
  release->slot_index = b.slot_index;
  release->epoch = b.epoch;
  release->used_us = static_cast<std::uint64_t>(b.took.count());
  pump(self, &release->next);
  self->send(st.device, free_atom::value, caf::actor_cast<model_actor>(self), std::move(release));
}

// Asks for as many slots as there are batches to run and instances to run them; or collects the wishes.
void pump(self_ptr self, std::vector<wish>* collected) {
  auto& st = self->state;
  scale(self);
  const auto ask = [&](bool background, std::uint32_t& open) {
    ++open;
    wish w;
    w.model = st.me->id;
    w.priority = st.priority;
    w.background = background;
    if (collected)
      collected->push_back(w);
    else
      self->send(st.device, want_atom::value, caf::actor_cast<model_actor>(self), w);
  };
  const auto& limits = st.me->limits;
  bool ready = !st.queue.empty();
  if (ready && limits.max_queue_delay.count() > 0 && !st.queue.has_full_batch(limits.batch)) {
    const auto due = st.queue.oldest() + limits.max_queue_delay;
    if (due > self->clock().now()) {
      ready = false;
      arm(self, due);
    }
  }
  if (ready) {
    const auto by_cost = (st.queue.cost() + limits.batch.max_cost - 1) / std::max(1u, limits.batch.max_cost);
    const auto by_items = (st.queue.size() + limits.batch.max_items - 1) / std::max(1u, limits.batch.max_items);
    const auto batches = std::max<std::uint64_t>(by_cost, by_items);
    while (st.running + st.wishes < st.instances && st.wishes < batches) ask(false, st.wishes);
  }
  if (warm_batch_waits(st)) {
    // A warm-up that somebody waits for does not wait behind an earlier wish of one in the background.
    const auto asked = st.wishes + (st.warm->background ? st.background_wishes : 0);
    if (st.running + asked < st.instances) ask(st.warm->background, st.warm->background ? st.background_wishes : st.wishes);
  }
  publish(st);
}

void on_hung(self_ptr self, batch& b) {
  auto& st = self->state;
  const std::string why = "a batch did not come back from the model in time";
  for (auto& j : b.jobs)
    j->fail({error_code::model_failed, "Model " + st.me->name + " hangs: " + why,
                   "the model is being restarted", 1});
  if (st.warm)
    for (auto& reply : st.warm->waiters)
      (*reply)(fail(error_code::model_failed, "Warm-up of model " + st.me->name + " failed: " + why));
  st.report_failure(why);
  self->quit(caf::exit_reason::unhandled_exception);
}

}  // namespace

model_actor::behavior_type model(self_ptr self, resident_ptr me, device_actor device, config::priority priority,
                                 std::shared_ptr<std::unique_ptr<inference::instance>> first,
                                 std::function<void(std::string)> report_failure) {
  auto& st = self->state;
  st.me = std::move(me);
  st.device = std::move(device);
  st.priority = priority;
  st.report_failure = std::move(report_failure);
  if (first && *first) st.free_instances.push_back(std::move(*first));
  // Whatever ends this actor: nobody waits for a slot in its name any more. Its queue's jobs answer 503.
  self->attach_functor([device = st.device, id = st.me->id] { caf::anon_send(device, forget_atom::value, id); });
  start_warm_up(self, true, nullptr);
  return {
      [self](enqueue_atom, const item_list_ptr& items) { enqueue(self, *items); },
      [self](grant_atom, const std::shared_ptr<grant>& g) { on_grant(self, g); },
      [self](done_atom, const batch_ptr& b) { on_done(self, *b); },
      [self](hung_atom, const batch_ptr& b) { on_hung(self, *b); },
      [self](warm_atom, const shared_reply<warmup_report>& reply) { start_warm_up(self, false, reply); },
      [self](limits_atom, std::uint8_t p) { self->state.priority = static_cast<config::priority>(p); },
      [self](tick_atom) {
        if (self->clock().now() < self->state.armed) return;  // a stale one: its successor is armed
        self->state.armed = no_deadline;
        expire(self);
        arm(self, self->state.deadlines.next());
        pump(self);
      },
  };
}

}  // namespace troupe::actors
