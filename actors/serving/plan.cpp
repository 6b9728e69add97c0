#include "actors/serving/plan.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace troupe::actors {

namespace {

// Tighter than needed against noise alone: a batch too few costs all of its gain, as its clients wait for it.
constexpr double near_best = 1.05, worth_a_change = 1.1;

// The work spread over the first `count` slots.
struct spread {
  double end_us = 0;       // when its items are done, on average
  double own_items = 0;    // of the granted slot
  bool reaches = true;     // the last slot is free in time to take part
};

// Whole items: each slot gets those that fit under the level, what is left goes where it ends first.
spread fill(const std::vector<double>& free_in_us, std::size_t count, double items, double item_us, double fixed_us) {
  double level = items * item_us;
  for (std::size_t j = 0; j < count; ++j) level += free_in_us[j] + fixed_us;
  level /= static_cast<double>(count);
  spread s;
  s.reaches = free_in_us[count - 1] + fixed_us < level;

  struct share {
    std::size_t slot;
    double items, rise;
  };
  std::vector<share> shares(count);
  double placed = 0;
  for (std::size_t j = 0; j < count; ++j) {
    const double room = (level - free_in_us[j] - fixed_us) / item_us;
    const double whole = std::max(0.0, std::floor(room + 1e-9));
    shares[j] = {j, whole, (whole + 1 - room) * item_us};
    placed += whole;
  }
  const auto left = std::min(static_cast<std::size_t>(std::max(0.0, items - placed + 0.5)), count);
  const auto first_to_end = [](const share& x, const share& y) {
    return std::abs(x.rise - y.rise) > 1e-9 ? x.rise < y.rise : x.slot < y.slot;
  };
  std::partial_sort(shares.begin(), shares.begin() + static_cast<std::ptrdiff_t>(left), shares.end(), first_to_end);
  for (std::size_t i = 0; i < left; ++i) ++shares[i].items;
  for (const auto& h : shares) {
    if (h.slot == 0) s.own_items = h.items;
    s.end_us += h.items / items * (free_in_us[h.slot] + fixed_us + item_us * h.items);
  }
  return s;
}

// All numbers up to eight, then four an octave: plans for 64 slots stay cheap.
std::size_t next_count(std::size_t n) { return n < 8 ? n + 1 : n + n / 4; }

}  // namespace

batch_plan plan(const waiting_work& waiting, const slot_outlook& slots, const batch_times& times,
                const batch_limits& limits, std::uint32_t others, std::uint32_t batches_before,
                std::uint32_t instances_left) {
  assert(waiting.items >= 1 && instances_left >= 1);
  std::vector<double> free_in_us{0};  // the granted one first
  for (const auto t : slots.free_in) free_in_us.push_back(static_cast<double>(t.count()));
  std::sort(free_in_us.begin() + 1, free_in_us.end());
  const auto lose = [&](std::size_t count) {
    free_in_us.erase(free_in_us.begin() + 1,
                     free_in_us.begin() + 1 + static_cast<std::ptrdiff_t>(std::min(count, free_in_us.size() - 1)));
  };
  lose(others);
  const auto idle_slots = static_cast<std::size_t>(std::count(free_in_us.begin(), free_in_us.end(), 0.0));
  if (idle_slots > instances_left) lose(idle_slots - instances_left);

  const auto items = static_cast<double>(waiting.items);
  const double item_cost = std::max(1.0, static_cast<double>(waiting.cost) / items);
  const auto most = std::min(free_in_us.size(), static_cast<std::size_t>(waiting.items));

  struct option {
    std::uint32_t batches;
    spread work;
    batch_line line;
  };
  std::vector<option> options;
  for (std::size_t n = 1; n <= most; n = n == most ? most + 1 : std::min(most, next_count(n))) {
    std::uint32_t idle = 0;
    for (std::size_t j = 0; j < n; ++j) idle += free_in_us[j] == 0;
    const auto line = times.beside(slots.busy + idle);
    // Nothing is known yet: an even share.
    const auto work = line.known() ? fill(free_in_us, n, items, item_cost * line.per_cost_us, line.fixed_us)
                                   : fill(free_in_us, n, items, item_cost, 0);
    if (n > 1 && !work.reaches) break;
    options.push_back({static_cast<std::uint32_t>(n), work, line});
  }
  const auto best = std::min_element(options.begin(), options.end(), [](const option& x, const option& y) {
                      return x.work.end_us < y.work.end_us;
                    })->work.end_us;
  const auto good = [&](double factor) {
    return std::find_if(options.begin(), options.end(),
                        [&](const option& o) { return o.work.end_us <= factor * best; });
  };
  auto chosen = good(near_best);
  if (batches_before != 0 && chosen->batches > batches_before) chosen = good(worth_a_change);

  batch_plan p;
  p.batches = chosen->batches;
  const double own = std::clamp(chosen->work.own_items, 1.0, static_cast<double>(limits.max_items));
  p.cost = std::min<std::uint64_t>(static_cast<std::uint64_t>(std::llround(own * item_cost)), limits.max_cost);
  p.cost = std::max<std::uint64_t>(p.cost, 1);
  assert(p.batches >= 1 && p.cost >= 1 && "P1");
  if (chosen->line.known())
    p.time = std::chrono::microseconds(std::llround(chosen->line.at(static_cast<double>(p.cost))));
  return p;
}

}  // namespace troupe::actors
