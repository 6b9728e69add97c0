#include "actors/serving/batch_queue.hpp"

#include <algorithm>
#include <cassert>

#include "actors/serving/routing.hpp"

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

batch_queue::fifo* batch_queue::leader(const sources& from) noexcept {
  fifo* best = nullptr;
  for (auto* l : from)
    for (auto f = l->by_priority.rbegin(); f != l->by_priority.rend(); ++f)
      if (!f->empty() && (!best || rank(*f->front()) < rank(*best->front()))) best = &*f;
  return best;
}

steady_time batch_queue::rank(const item& it) noexcept {
  return std::max(it.enqueued, it.due_from) - priority_worth * static_cast<int>(it.job->priority);
}

void batch_queue::push(item_ptr it) {
  ++size_;
  cost_ += it->in->cost;
  auto& mine = lanes_[{it->in->batch_key, it->home}].by_priority[static_cast<std::size_t>(it->job->priority)];
  auto place = mine.end();  // where nearly all go: only those of live sessions come ahead of their time
  while (place != mine.begin() && rank(**std::prev(place)) > rank(*it)) --place;
  mine.insert(place, std::move(it));
}

bool batch_queue::sound() const {
  std::size_t size = 0;
  std::uint64_t cost = 0;
  for (const auto& [key, l] : lanes_)
    for (std::size_t p = 0; p < l.by_priority.size(); ++p) {
      const item* before = nullptr;
      for (const auto& it : l.by_priority[p]) {
        ++size;
        cost += it->in->cost;
        const auto priority = static_cast<std::size_t>(it->job->priority);
        if (it->in->batch_key != key.batch_key || it->home != key.home || priority != p) return false;
        if (before && rank(*before) > rank(*it)) return false;
        before = it.get();
      }
    }
  return size == size_ && cost == cost_;
}

namespace {

// Q3.
[[maybe_unused]] bool go_together(const std::vector<item_ptr>& batch, inference::padding rule,
                                  const batch_limits& limits) {
  const inference::instance* home = nullptr;
  std::uint64_t sum = 0, longest = 0;
  for (const auto& it : batch) {
    if (it->in->batch_key != batch.front()->in->batch_key || (it->alone && batch.size() > 1)) return false;
    if (it->home && home && it->home != home) return false;
    if (it->home) home = it->home;
    sum += it->in->cost;
    longest = std::max<std::uint64_t>(longest, it->in->cost);
  }
  return batch.size() == 1 ||
         (batch.size() <= limits.max_items && batch_cost(rule, batch.size(), sum, longest) <= limits.max_cost);
}

}  // namespace

void batch_queue::forget(const item& it) noexcept {
  assert(size_ > 0 && cost_ >= it.in->cost && "Q1");
  --size_;
  cost_ -= it.in->cost;
}

item_ptr batch_queue::pop(fifo& f) {
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

namespace {

bool may_run(const inference::instance* home, batch_queue::homes idle) noexcept {
  return !home || std::any_of(idle.begin(), idle.end(), [&](const auto& i) { return i.get() == home; });
}

}  // namespace

bool batch_queue::has_work(homes idle) const noexcept {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [&](const auto& l) { return !l.second.empty() && may_run(l.first.home, idle); });
}

bool batch_queue::waits_for(const inference::instance* home) const noexcept {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [&](const auto& l) { return l.first.home == home && !l.second.empty(); });
}

// An item that has no home yet finds one with those that it runs with.
batch_queue::sources batch_queue::sources_for(lane_map::iterator best, homes idle) {
  sources from{&best->second};
  const auto key = best->first.batch_key;
  if (best->first.home) {
    if (const auto homeless = lanes_.find({key, nullptr}); homeless != lanes_.end()) from.push_back(&homeless->second);
    return from;
  }
  for (auto l = std::next(best); l != lanes_.end() && l->first.batch_key == key; ++l)
    if (!l->second.empty() && may_run(l->first.home, idle)) {
      from.push_back(&l->second);
      break;
    }
  return from;
}

std::vector<item_ptr> batch_queue::take(const batch_limits& limits, inference::padding rule, std::uint64_t wanted_cost,
                                        homes idle) {
  auto best = lanes_.end();
  fifo* lead = nullptr;
  for (auto l = lanes_.begin(); l != lanes_.end();) {
    drop_dead_fronts(l->second);
    if (l->second.empty()) {
      l = lanes_.erase(l);
      continue;
    }
    const auto f = leader({&l->second});
    if (may_run(l->first.home, idle) && (!lead || rank(*f->front()) < rank(*lead->front()))) {
      best = l;
      lead = f;
    }
    ++l;
  }
  if (!lead) return {};
  const auto from = sources_for(best, idle);
  auto first = pop(*lead);
  if (first->alone) return {std::move(first)};
  auto batch = rule == inference::padding::none ? fill_packed(from, std::move(first), limits, wanted_cost)
                                                : fill_padded(from, std::move(first), limits, wanted_cost);
  assert(go_together(batch, rule, limits) && "Q3");
  assert(sound() && "Q1, Q2");
  return batch;
}

std::vector<item_ptr> batch_queue::fill_packed(const sources& from, item_ptr first, const batch_limits& limits,
                                               std::uint64_t wanted_cost) {
  std::vector<item_ptr> batch;
  std::uint64_t sum = first->in->cost;
  batch.push_back(std::move(first));
  while (batch.size() < limits.max_items) {
    for (auto* l : from) drop_dead_fronts(*l);
    auto* f = leader(from);
    if (!f) break;
    const auto& next = *f->front();
    if (next.alone || sum + next.in->cost > limits.max_cost) break;
    if (!next.home && 2 * sum + next.in->cost > 2 * wanted_cost) break;
    sum += next.in->cost;
    batch.push_back(pop(*f));
  }
  return batch;
}

// Padding costs: of the items near the front, those whose length is nearest to the leader's go with it.
std::vector<item_ptr> batch_queue::fill_padded(const sources& from, item_ptr first, const batch_limits& limits,
                                               std::uint64_t wanted_cost) {
  const std::uint64_t lead = first->in->cost;
  struct candidate {
    item_ptr it;
    std::uint64_t distance;
  };
  std::vector<candidate> near;
  const std::size_t window = std::size_t{4} * limits.max_items;
  for (auto* l : from)
    for (auto& f : l->by_priority)
      for (std::size_t i = 0; i < f.size() && i < window; ++i) {
        if (f[i]->dead() || f[i]->alone) continue;
        const std::uint64_t c = f[i]->in->cost;
        near.push_back({f[i], c > lead ? c - lead : lead - c});
      }
  std::stable_sort(near.begin(), near.end(),
                   [](const candidate& a, const candidate& b) { return a.distance < b.distance; });
  std::vector<item_ptr> batch;
  std::uint64_t longest = lead;
  batch.push_back(std::move(first));
  std::vector<const item*> taken;
  for (auto& c : near) {
    if (batch.size() >= limits.max_items) break;
    const auto next_longest = std::max<std::uint64_t>(longest, c.it->in->cost);
    const auto padded = (batch.size() + 1) * next_longest;
    if (padded > limits.max_cost || (!c.it->home && 2 * padded - next_longest > 2 * wanted_cost)) continue;
    longest = next_longest;
    taken.push_back(c.it.get());
    batch.push_back(std::move(c.it));
  }
  std::sort(taken.begin(), taken.end());
  for (auto* l : from)
    for (auto& f : l->by_priority) {
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
  assert(sound() && "Q1, Q2");
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
