#include "actors/batch_queue.hpp"

#include <algorithm>
#include <cassert>

#include "actors/routing.hpp"

namespace troupe::actors {

item::item() = default;
item::~item() {
  if (job && !answered)
    job->fail({error_code::unavailable, "Model " + job->model + " stopped before it came to this request",
               "it is restarted or reloaded; try again", 1});
}

std::uint64_t batch_cost(inference::padding rule, std::uint64_t items, std::uint64_t cost_sum,
                         std::uint64_t cost_max) noexcept {
  return rule == inference::padding::none ? cost_sum : items * cost_max;
}

bool batch_queue::lane::empty() const noexcept {
  return std::all_of(by_priority.begin(), by_priority.end(), [](const fifo& f) { return f.empty(); });
}

int batch_queue::lane::leader() const noexcept {
  int best = -1;
  for (int p = 2; p >= 0; --p) {
    const auto& f = by_priority[static_cast<std::size_t>(p)];
    if (f.empty()) continue;
    if (best < 0 || rank(*f.front()) < rank(*by_priority[static_cast<std::size_t>(best)].front())) best = p;
  }
  return best;
}

steady_time batch_queue::rank(const item& it) noexcept {
  return it.enqueued - priority_worth * static_cast<int>(it.job->priority);
}

void batch_queue::push(item_ptr it) {
  ++size_;
  cost_ += it->in->cost;
  auto& mine = lanes_[it->in->batch_key];
  mine.by_priority[static_cast<std::size_t>(it->job->priority)].push_back(std::move(it));
}

void batch_queue::forget(const item& it) noexcept {
  assert(size_ > 0 && cost_ >= it.in->cost);
  --size_;
  cost_ -= it.in->cost;
}

item_ptr batch_queue::pop(lane& l, int priority) {
  auto& f = l.by_priority[static_cast<std::size_t>(priority)];
  auto it = std::move(f.front());
  f.pop_front();
  forget(*it);
  return it;
}

void batch_queue::drop_dead_fronts(lane& l) {
  for (auto& f : l.by_priority)
    while (!f.empty() && f.front()->dead()) {
      forget(*f.front());
      f.pop_front();
    }
}

std::vector<item_ptr> batch_queue::take(const batch_limits& limits, inference::padding rule) {
  auto best = lanes_.end();
  int best_priority = -1;
  for (auto l = lanes_.begin(); l != lanes_.end();) {
    drop_dead_fronts(l->second);
    const int p = l->second.leader();
    if (p < 0) {
      l = lanes_.erase(l);
      continue;
    }
    const auto& front = *l->second.by_priority[static_cast<std::size_t>(p)].front();
    if (best == lanes_.end() ||
        rank(front) < rank(*best->second.by_priority[static_cast<std::size_t>(best_priority)].front())) {
      best = l;
      best_priority = p;
    }
    ++l;
  }
  if (best == lanes_.end()) return {};
  auto leader = pop(best->second, best_priority);
  std::vector<item_ptr> batch;
  if (leader->alone)
    batch.push_back(std::move(leader));
  else if (rule == inference::padding::none)
    batch = fill_packed(best->second, std::move(leader), limits);
  else
    batch = fill_padded(best->second, std::move(leader), limits);
  if (best->second.empty()) lanes_.erase(best);
  return batch;
}

std::vector<item_ptr> batch_queue::fill_packed(lane& l, item_ptr leader, const batch_limits& limits) {
  std::vector<item_ptr> batch;
  std::uint64_t sum = leader->in->cost;
  batch.push_back(std::move(leader));
  while (batch.size() < limits.max_items) {
    drop_dead_fronts(l);
    const int p = l.leader();
    if (p < 0) break;
    const auto& next = *l.by_priority[static_cast<std::size_t>(p)].front();
    if (next.alone || sum + next.in->cost > limits.max_cost) break;
    sum += next.in->cost;
    batch.push_back(pop(l, p));
  }
  return batch;
}

// Padding costs: of the items near the front, those whose length is nearest to the leader's go with it.
std::vector<item_ptr> batch_queue::fill_padded(lane& l, item_ptr leader, const batch_limits& limits) {
  const std::uint64_t lead = leader->in->cost;
  struct candidate {
    item_ptr it;
    std::uint64_t distance;
  };
  std::vector<candidate> near;
  const std::size_t window = std::size_t{4} * limits.max_items;
  for (auto& f : l.by_priority)
    for (std::size_t i = 0; i < f.size() && i < window; ++i) {
      if (f[i]->dead() || f[i]->alone) continue;
      const std::uint64_t c = f[i]->in->cost;
      near.push_back({f[i], c > lead ? c - lead : lead - c});
    }
  std::stable_sort(near.begin(), near.end(),
                   [](const candidate& a, const candidate& b) { return a.distance < b.distance; });
  std::vector<item_ptr> batch;
  std::uint64_t longest = lead;
  batch.push_back(std::move(leader));
  std::vector<const item*> taken;
  for (auto& c : near) {
    if (batch.size() >= limits.max_items) break;
    const auto next_longest = std::max<std::uint64_t>(longest, c.it->in->cost);
    if ((batch.size() + 1) * next_longest > limits.max_cost) continue;
    longest = next_longest;
    taken.push_back(c.it.get());
    batch.push_back(std::move(c.it));
  }
  std::sort(taken.begin(), taken.end());
  for (auto& f : l.by_priority) {
    auto gone = std::remove_if(f.begin(), f.end(), [&](const item_ptr& it) {
      if (!std::binary_search(taken.begin(), taken.end(), it.get())) return false;
      forget(*it);
      return true;
    });
    f.erase(gone, f.end());
  }
  return batch;
}

std::size_t batch_queue::drop_dead() {
  std::size_t dropped = 0;
  for (auto l = lanes_.begin(); l != lanes_.end();) {
    for (auto& f : l->second.by_priority) {
      auto gone = std::remove_if(f.begin(), f.end(), [&](const item_ptr& it) {
        if (!it->dead()) return false;
        forget(*it);
        ++dropped;
        return true;
      });
      f.erase(gone, f.end());
    }
    l = l->second.empty() ? lanes_.erase(l) : std::next(l);
  }
  return dropped;
}

steady_time batch_queue::oldest() const noexcept {
  auto first = steady_time::max();
  for (const auto& [key, l] : lanes_)
    for (const auto& f : l.by_priority)
      if (!f.empty()) first = std::min(first, f.front()->enqueued);
  return first;
}

bool batch_queue::has_full_batch(const batch_limits& limits) const noexcept {
  return size_ >= limits.max_items || cost_ >= limits.max_cost;
}

}  // namespace troupe::actors
