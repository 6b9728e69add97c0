#include <algorithm>

#include "cache/artifacts/store/parts.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

// Snapshots that no manifest names. What a manifest names that cannot be read is not known: they stay.
void take_snapshots(store_parts& parts, const std::set<fs::path>& in_use, scratch& trash) {
  for (const auto& name : parts.at.model_folders()) {
    const auto m = parts.known.find(name);
    if (!m && m.error().code != error_code::model_not_found) continue;
    for (const auto& snapshot : parts.at.snapshots(name)) {
      if ((m && snapshot == parts.at.snapshot(**m)) || in_use.contains(snapshot)) continue;
      trash.take(snapshot);
    }
    if (!m) remove_empty_folders(parts.at, name);
  }
}

std::set<fs::path> folders_of(const std::set<fs::path>& snapshots) {
  std::set<fs::path> out;
  for (const auto& s : snapshots) out.insert(s.parent_path());
  return out;
}

struct candidate {
  last_uses::clock::time_point used;
  std::string name;
  auto operator<=>(const candidate&) const = default;
};

// Least recently used first.
std::vector<candidate> evictable(const store_parts& parts, const std::set<fs::path>& in_use) {
  const auto busy = folders_of(in_use);
  std::vector<candidate> out;
  for (const auto& m : parts.known.usable())
    if (!m->pinned && !busy.contains(parts.at.folder(m->name))) out.push_back({parts.uses.of(*m), m->name});
  std::sort(out.begin(), out.end());
  return out;
}

result<void> evict(store_parts& parts, const std::set<fs::path>& in_use, std::uint64_t kept_bytes, scratch& trash,
                   collection& out) {
  if (parts.options.limit_bytes == 0 || kept_bytes <= parts.options.limit_bytes) return {};
  for (const auto& c : evictable(parts, in_use)) {
    if (auto ok = take_apart(parts, c.name, trash); !ok) return ok;
    trash.drop_links();
    out.evicted.push_back(c.name);
    const auto blobs = take_blobs(parts.at, trash);
    out.freed_bytes += blobs.taken;
    if (blobs.kept <= parts.options.limit_bytes) return {};
  }
  return {};
}

}  // namespace

result<std::uint64_t> store::remove(const std::string& name) {
  scratch trash(state_->work);
  const auto held = lock_store(state_->at);
  if (!held) return tl::unexpected(held.error());
  if (const auto m = state_->known.find(name);
      !m && (m.error().code == error_code::model_not_found || m.error().code == error_code::bad_request))
    return tl::unexpected(m.error());
  if (auto ok = take_apart(*state_, name, trash); !ok) return tl::unexpected(ok.error());
  const auto freed = trash.drop_links();
  return freed + take_blobs(state_->at, trash).taken;
}

result<collection> store::collect(const std::set<fs::path>& in_use) {
  scratch trash(state_->work);
  const auto held = lock_store(state_->at);
  if (!held) return tl::unexpected(held.error());
  collection out;
  state_->work.sweep(state_->at, trash);
  take_partials(state_->at, state_->options.keep_partial, trash);
  take_snapshots(*state_, in_use, trash);
  out.freed_bytes = trash.drop_links();
  const auto blobs = take_blobs(state_->at, trash);
  out.freed_bytes += blobs.taken;
  if (auto ok = evict(*state_, in_use, blobs.kept, trash, out); !ok) return tl::unexpected(ok.error());
  return out;
}

}  // namespace troupe::cache
