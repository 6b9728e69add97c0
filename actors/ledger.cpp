#include "actors/ledger.hpp"

#include <cassert>

namespace troupe::actors {

void ledger::reserve(lease_id lease, std::uint64_t size_bytes) {
  assert(!leases_.contains(lease));
  leases_[lease].reserved = size_bytes;
  reserved_ += size_bytes;
}

void ledger::resident(lease_id lease, const inference::memory_use& use) {
  auto& e = leases_.at(lease);
  reserved_ -= e.reserved;
  e.reserved = 0;
  private_ += use.private_bytes;
  e.private_bytes = use.private_bytes;
  e.mappings = use.mappings;
  for (const auto& m : use.mappings) {
    auto& known = mappings_[m.id];
    if (known.users++ == 0) {
      known.size_bytes = m.size_bytes;
      mapped_ += m.size_bytes;
    }
  }
}

void ledger::update_private(lease_id lease, std::uint64_t private_bytes) {
  auto& e = leases_.at(lease);
  private_ = private_ - e.private_bytes + private_bytes;
  e.private_bytes = private_bytes;
}

void ledger::draining(lease_id lease) {
  auto& e = leases_.at(lease);
  if (e.draining) return;
  e.draining = true;
  for (const auto& m : e.mappings) ++mappings_.at(m.id).draining_users;
}

std::uint64_t ledger::release(lease_id lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return 0;
  auto& e = found->second;
  std::uint64_t credited = e.reserved + e.private_bytes;
  reserved_ -= e.reserved;
  private_ -= e.private_bytes;
  for (const auto& m : e.mappings) {
    const auto known = mappings_.find(m.id);
    if (e.draining) --known->second.draining_users;
    if (--known->second.users > 0) continue;
    mapped_ -= known->second.size_bytes;
    credited += known->second.size_bytes;
    mappings_.erase(known);
  }
  leases_.erase(found);
  return credited;
}

std::uint64_t ledger::draining_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [id, e] : leases_)
    if (e.draining) sum += e.private_bytes + e.reserved;
  for (const auto& [id, m] : mappings_)
    if (m.draining_users == m.users) sum += m.size_bytes;
  return sum;
}

std::uint64_t ledger::exclusive_bytes(lease_id lease) const {
  const auto& e = leases_.at(lease);
  std::uint64_t sum = e.private_bytes + e.reserved;
  for (const auto& m : e.mappings) {
    const auto& known = mappings_.at(m.id);
    if (known.users - known.draining_users <= 1) sum += known.size_bytes;
  }
  return sum;
}

std::uint64_t ledger::bytes_of(lease_id lease) const {
  const auto& e = leases_.at(lease);
  std::uint64_t sum = e.private_bytes;
  for (const auto& m : e.mappings) sum += mappings_.at(m.id).size_bytes;
  return sum;
}

}  // namespace troupe::actors
