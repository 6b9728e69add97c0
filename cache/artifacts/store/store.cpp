#include "cache/artifacts/store/store.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/parts.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

result<fs::path> make_root(const fs::path& root) {
  if (root.empty()) return fail(error_code::unavailable, "the artifact store has no folder", "set cache_directory");
  std::error_code why;
  auto path = fs::absolute(root, why).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (!fs::is_directory(path, why)) {
    fs::create_directories(path.parent_path(), why);
    if (why) return disk::refused("make the folder", path.parent_path(), why.value());
    if (auto ok = disk::make_lasting_folder(path); !ok) return tl::unexpected(ok.error());
  }
  auto real = fs::canonical(path, why);
  if (why) return disk::refused("use the folder", path, why.value());
  return real;
}

// What must stay whatever store_limit_gb says, each content once.
std::uint64_t bytes_that_stay(const store_parts& parts, const std::set<fs::path>& in_use) {
  std::set<fs::path> busy;
  for (const auto& snapshot : in_use) busy.insert(snapshot.parent_path());
  std::map<std::string, std::uint64_t> blobs;
  for (const auto& m : parts.known.usable()) {
    if (!m->pinned && !busy.contains(parts.at.folder(m->name))) continue;
    for (const auto& f : m->files) blobs.emplace(f.sha256, f.size_bytes);
  }
  std::uint64_t sum = 0;
  for (const auto& [digest, bytes] : blobs) sum += bytes;
  return sum;
}

result<void> check_room(const std::string& of, std::uint64_t bytes, std::uint64_t there, std::uint64_t wanted,
                        const std::string& what_to_do) {
  if (wanted <= there) return {};
  return fail(
      error_code::unavailable,
      "there is no room for " + size_text(bytes) + " in " + of + ": " + size_text(wanted - there) + " more are needed",
      what_to_do);
}

}  // namespace

result<inference::file_descriptor> lock_store(const layout& at) {
  constexpr auto patience = std::chrono::minutes(2);
  return disk::lock(at.lock, patience, nullptr);
}

store::store(std::unique_ptr<state> s) : state_(std::move(s)) {}
store::~store() = default;

result<std::unique_ptr<store>> store::open(const fs::path& root, store_options options) {
  const auto real = make_root(root);
  if (!real) return tl::unexpected(real.error());
  layout at(*real);
  for (const auto& folder : {at.own, at.blobs, at.partial, at.ready, at.tmp})
    if (auto ok = disk::make_lasting_folder(folder); !ok) return tl::unexpected(ok.error());
  auto held = lock_store(at);
  if (!held) return tl::unexpected(held.error());
  auto work = workspace::make(at);
  if (!work) return tl::unexpected(work.error());
  std::unique_ptr<store> made(new store(std::make_unique<state>(std::move(at), options, std::move(*work))));
  scratch trash(made->state_->work);
  const auto& where = made->state_->at;
  made->state_->work.sweep(where, trash);
  take_partials(where, options.keep_partial, trash);
  trash.drop_links();
  take_blobs(where, trash);
  *held = {};
  return made;
}

const fs::path& store::root() const noexcept { return state_->at.root; }

std::vector<manifest> store::list() const {
  std::vector<manifest> out;
  for (const auto& m : state_->known.usable()) out.push_back(*m);
  return out;
}

result<manifest> store::find(const std::string& name) const {
  return state_->known.find(name).map([](const auto& m) { return *m; });
}

fs::path store::folder_of(const manifest& m) const { return state_->at.snapshot(m); }

std::uint64_t store::size_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& name : disk::names_in(state_->at.blobs))
    if (const auto blob = disk::look(state_->at.blobs / name); blob && blob->file && is_sha256_hex(name))
      sum += blob->size_bytes;
  return sum;
}

std::uint64_t store::partial_bytes() const { return kept_in(state_->at.partial); }

result<std::uint64_t> store::free_bytes() const {
  struct statvfs fs {};
  if (::statvfs(root().c_str(), &fs) != 0) return disk::refused("look at the disk of", root(), errno);
  return std::uint64_t{fs.f_bavail} * fs.f_frsize;
}

result<std::shared_ptr<void>> store::reserve(std::uint64_t bytes, const partial_folder* growing,
                                             const std::set<fs::path>& in_use) {
  return state_->promised.reserve(
      bytes, growing != nullptr ? growing->path() : fs::path(), [&](std::uint64_t together) -> result<void> {
        const auto there = free_bytes();
        if (!there) return tl::unexpected(there.error());
        if (auto ok = check_room(root().string(), bytes, *there, together,
                                 "free space on its disk, or set cache_directory to a folder on a larger one");
            !ok)
          return ok;
        const auto limit = state_->options.limit_bytes;
        if (limit == 0) return {};
        return check_room("the store's limit of " + size_text(limit), bytes,
                          limit - std::min(limit, bytes_that_stay(*state_, in_use)), together,
                          "remove or unpin models, or raise store_limit_gb");
      });
}

void store::used(const std::string& name) { state_->uses.now(name); }

}  // namespace troupe::cache
