#include "actors/serving/pace.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "actors/serving/slot.hpp"

namespace troupe::actors {

namespace {

using std::chrono::microseconds;

steady_clock::duration hold_of(microseconds batch) {
  return std::min<steady_clock::duration>(
      std::chrono::duration_cast<steady_clock::duration>(batch * pace::hold_share), pace::hold_max);
}

// Within which those who were answered count as coming back.
steady_clock::duration window_of(microseconds batch) {
  return std::clamp<steady_clock::duration>(batch / 10, pace::window_min, pace::hold_max);
}

// The other slots as they are now: a grant may have been kept for a moment.
slot_outlook outlook(const grant& g, steady_time now) {
  slot_outlook o;
  for (const auto& s : *g.slots) {
    if (s == g.where) continue;
    o.busy += s->is_taken();
    o.free_in.push_back(s->free_in(now));
  }
  return o;
}
std::uint32_t busy_beside(const grant& g) {
  std::uint32_t busy = 0;
  for (const auto& s : *g.slots) busy += s != g.where && s->is_taken();
  return busy;
}

}  // namespace

pace::decision pace::decide(const waiting_work& waiting, const grant& g, const batch_limits& limits,
                            std::uint32_t instances_left, steady_time granted, steady_time now, bool may_hold) {
  const auto slots = outlook(g, now);
  const auto planned = [&](std::uint64_t due) {
    const waiting_work all{waiting.items + due, waiting.cost + due * waiting.cost / waiting.items};
    return plan(all, slots, times_, limits, g.others, batches_before_, instances_left);
  };
  const auto due = may_hold ? returns_.due(now) : returns::expected{};
  auto p = planned(due.items);
  decision d;
  // Nearest to the share in whole items: what batch_queue::take would give.
  const bool complete = 2 * waiting.cost + waiting.cost / waiting.items > 2 * p.cost;
  if (due.items != 0 && !complete) {
    const auto hold = hold_of(p.time);
    if (hold >= hold_min) d.hold_until = std::min(due.until, granted + hold);
    if (d.hold_until <= now) p = planned(0);
  }
  d.cost = p.batches == 1 ? batch_queue::all : p.cost;
  d.time = p.time;
  if (d.hold_until <= now) batches_before_ = p.batches;
  return d;
}

pace::shape pace::shape_of(const batch& b, const grant& g) {
  const auto rows = static_cast<std::uint64_t>(b.warm() ? b.bucket->items : b.items.size());
  return {g.where->index(), static_cast<int>(std::bit_width(rows - 1)),
          static_cast<int>(std::lround(4 * std::log2(std::max<std::uint64_t>(1, b.cost))))};
}

void pace::begins(batch& b, const grant& g, steady_time now) {
  b.busy_slots = busy_beside(g) + 1;
  b.first_of_shape = ran_.insert(shape_of(b, g)).second || !b.instance;
  const auto line = times_.beside(b.busy_slots);
  if (!line.known()) return;
  const double time_us = line.at(static_cast<double>(b.cost));
  g.where->expect(now + microseconds(std::llround(time_us)),
                  microseconds(b.warm() ? 0 : std::llround(time_us * returns_.ratio())));
}

void pace::ended(const batch& b, std::uint64_t answered, steady_time now) {
  returns_.answered(answered, now, now + window_of(b.took));
  if (!b.failure.empty() || b.took.count() <= 0) return;
  const auto cost = static_cast<double>(b.cost);
  const auto took_us = static_cast<double>(b.took.count());
  // Of a row with all cores to itself nothing follows for the plan's batches, but it is better than no guess.
  if (b.first_of_shape || b.wide)
    times_.guess(cost, took_us);
  else
    times_.observe(b.busy_slots, cost, took_us);
}

double pace::cost_per_s(std::uint32_t instances, const batch_limits& limits, double item_cost) const noexcept {
  const auto line = times_.beside(instances);
  const double full = std::max(1.0, std::min<double>(limits.max_cost, limits.max_items * item_cost));
  return line.known() ? full * 1e6 / line.at(full) : 0;
}

}  // namespace troupe::actors
