#include "actors/residency/ledger.hpp"

#include <algorithm>
#include <cassert>

namespace troupe::actors {

bool ledger::sound() const {
  std::uint64_t private_bytes = 0, reserved_private = 0, mapped = 0;
  struct use {
    std::uint32_t users = 0, draining = 0;
  };
  std::map<std::uint64_t, use> of_mappings;
  std::map<std::string, std::uint32_t> planned_files, mapped_files;
  for (const auto& [id, e] : leases_) {
    const bool holds = e.private_bytes != 0 || !e.mappings.empty();
    if (holds && (e.reserved.total_bytes() != 0 || !e.reserved.file.empty())) return false;  // L1
    private_bytes += e.private_bytes;
    reserved_private += e.reserved.private_bytes;
    if (e.reserved.file.empty())
      reserved_private += e.reserved.mapped_bytes;
    else
      ++planned_files[e.reserved.file];
    for (const auto& m : e.mappings) {
      auto& u = of_mappings[m.id];
      ++u.users;
      u.draining += e.draining;
    }
  }
  const auto planned_right = [&](const auto& p) {
    const auto found = planned_files.find(p.first);
    return found != planned_files.end() && found->second == p.second.users;
  };
  if (planned_.size() != planned_files.size() || !std::all_of(planned_.begin(), planned_.end(), planned_right))
    return false;  // L2
  for (const auto& [id, m] : mappings_) {
    const auto found = of_mappings.find(id);
    if (found == of_mappings.end() || found->second.users != m.users || found->second.draining != m.draining_users)
      return false;  // L3
    mapped += m.size_bytes;
    ++mapped_files[m.file];
  }
  const auto counted_right = [&](const auto& f) {
    const auto found = mapped_files.find(f.first);
    return found != mapped_files.end() && found->second == f.second;
  };
  return mappings_.size() == of_mappings.size() && mapped == mapped_ && private_bytes == private_ &&
         reserved_private == reserved_private_ && files_.size() == mapped_files.size() &&
         std::all_of(files_.begin(), files_.end(), counted_right);  // L4
}

void ledger::reserve(lease_id lease, const inference::memory_estimate& estimate) {
  assert(lease != lease_id::none && !leases_.contains(lease));
  leases_[lease].reserved = estimate;
  reserved_private_ += estimate.private_bytes;
  if (estimate.file.empty()) {
    reserved_private_ += estimate.mapped_bytes;
    return;
  }
  auto& p = planned_[estimate.file];
  ++p.users;
  p.size_bytes = std::max(p.size_bytes, estimate.mapped_bytes);
  assert(sound());
}

void ledger::drop_reservation(entry& e) {
  const auto estimate = std::exchange(e.reserved, {});
  reserved_private_ -= estimate.private_bytes;
  if (estimate.file.empty()) {
    reserved_private_ -= estimate.mapped_bytes;
  } else if (const auto p = planned_.find(estimate.file); p != planned_.end() && --p->second.users == 0) {
    planned_.erase(p);
  }
}

std::uint64_t ledger::additional_bytes(const inference::memory_estimate& estimate) const {
  const bool shared = is_planned(estimate.file) ||
                      (!estimate.file.empty() && std::any_of(mappings_.begin(), mappings_.end(), [&](const auto& m) {
                        return m.second.file == estimate.file && m.second.draining_users < m.second.users;
                      }));
  return estimate.private_bytes + (shared ? 0 : estimate.mapped_bytes);
}

std::uint64_t ledger::reserved_bytes() const noexcept {
  std::uint64_t sum = reserved_private_;
  for (const auto& [file, p] : planned_)
    if (!is_mapped(file)) sum += p.size_bytes;
  return sum;
}

void ledger::resident(lease_id lease, const inference::memory_use& use) {
  auto& e = leases_.at(lease);
  assert(e.private_bytes == 0 && e.mappings.empty() && "L1: resident once");
  drop_reservation(e);
  private_ += use.private_bytes;
  e.private_bytes = use.private_bytes;
  e.mappings = use.mappings;
  for (const auto& m : use.mappings) {
    auto& known = mappings_[m.id];
    if (known.users++ == 0) {
      known.size_bytes = m.size_bytes;
      known.file = m.file;
      mapped_ += m.size_bytes;
      ++files_[m.file];
    }
  }
  assert(sound());
}

void ledger::update_private(lease_id lease, std::uint64_t private_bytes) {
  auto& e = leases_.at(lease);
  assert(private_ >= e.private_bytes && "L4");
  private_ = private_ - e.private_bytes + private_bytes;
  e.private_bytes = private_bytes;
}

void ledger::draining(lease_id lease) {
  auto& e = leases_.at(lease);
  if (e.draining) return;
  e.draining = true;
  for (const auto& m : e.mappings) ++mappings_.at(m.id).draining_users;
  assert(sound());
}

std::uint64_t ledger::release(lease_id lease) {
  const auto found = leases_.find(lease);
  if (found == leases_.end()) return 0;
  auto& e = found->second;
  const auto before = used_bytes();
  drop_reservation(e);
  private_ -= e.private_bytes;
  for (const auto& m : e.mappings) {
    const auto known = mappings_.find(m.id);
    if (e.draining) --known->second.draining_users;
    if (--known->second.users > 0) continue;
    mapped_ -= known->second.size_bytes;
    if (const auto file = files_.find(known->second.file); --file->second == 0) files_.erase(file);
    mappings_.erase(known);
  }
  leases_.erase(found);
  assert(sound());
  return before - used_bytes();
}

std::uint64_t ledger::draining_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [id, e] : leases_) {
    if (!e.draining) continue;
    sum += e.private_bytes + e.reserved.private_bytes;
    const auto& file = e.reserved.file;  // of a load that was called off
    if (file.empty())
      sum += e.reserved.mapped_bytes;
    else if (const auto& p = planned_.at(file); p.users == 1 && !is_mapped(file))
      sum += p.size_bytes;
  }
  for (const auto& [id, m] : mappings_)
    if (m.draining_users == m.users && !is_planned(m.file)) sum += m.size_bytes;
  return sum;
}

std::uint64_t ledger::exclusive_bytes(lease_id lease, const std::string& but_for) const {
  const auto& e = leases_.at(lease);
  std::uint64_t sum = e.private_bytes + e.reserved.private_bytes;
  for (const auto& m : e.mappings) {
    const auto& known = mappings_.at(m.id);
    const bool kept = is_planned(known.file) || (!but_for.empty() && known.file == but_for);
    if (!kept && known.users - known.draining_users <= 1) sum += known.size_bytes;
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
