#include "actors/residency/eviction.hpp"

#include <algorithm>
#include <cassert>

namespace troupe::actors {

namespace {

bool leaves_before(const eviction_candidate& a, const eviction_candidate& b) {
  if (a.busy != b.busy) return !a.busy;  // draining takes time: idle ones first
  if (a.priority != b.priority) return a.priority < b.priority;
  if (a.last_used != b.last_used) return a.last_used < b.last_used;
  return a.model < b.model;
}

}  // namespace

eviction_plan plan_eviction(std::vector<eviction_candidate> candidates, const eviction_need& need,
                            const eviction_rules& rules) {
  eviction_plan plan;
  std::uint64_t possible_bytes = 0;
  std::uint32_t possible_models = 0;
  for (const auto& c : candidates) {
    if (c.pinned) continue;
    possible_bytes += c.size_bytes;
    ++possible_models;
  }
  plan.hopeless = possible_bytes < need.size_bytes || possible_models < need.models;
  if (plan.hopeless && !rules.as_far_as_it_goes) return plan;

  std::sort(candidates.begin(), candidates.end(), leaves_before);
  std::vector<const eviction_candidate*> chosen;
  std::uint64_t bytes = 0;
  const auto covered = [&] { return bytes >= need.size_bytes && chosen.size() >= need.models; };
  for (const auto& c : candidates) {
    if (covered()) break;
    if (c.pinned) continue;
    if (need.models <= chosen.size() && c.size_bytes == 0) continue;
    if (c.busy && !rules.take_busy) continue;
    if (const auto spared_until = c.loaded_at + rules.min_resident; spared_until > rules.now) {
      plan.retry_at = spared_until;
      break;  // those behind it were used more, or matter more
    }
    chosen.push_back(&c);
    bytes += c.size_bytes;
  }
  plan.enough = covered();
  if (plan.enough) {
    for (std::size_t i = 0; i < chosen.size();) {
      const auto* c = chosen[i];
      if (bytes - c->size_bytes >= need.size_bytes && chosen.size() > need.models) {
        bytes -= c->size_bytes;
        chosen.erase(chosen.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
  }
  assert((!plan.enough || covered()) && "E1: what was spared again was not needed");
  assert(!(plan.enough && plan.hopeless) && "E2");
  for (const auto* c : chosen) (c->busy ? plan.drain : plan.idle).push_back(c->model);
  return plan;
}

}  // namespace troupe::actors
