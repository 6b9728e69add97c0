#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/parts.hpp"

namespace troupe::cache {

namespace fs = std::filesystem;

std::uint64_t kept_in(const fs::path& partial_folder) {
  std::uint64_t sum = 0;
  disk::each_file(partial_folder, [&](const fs::path&, const disk::entry& e) {
    if (e.file && e.links == 1) sum += e.kept_bytes();  // others are blobs, too, and counted as such
  });
  return sum;
}

namespace {

// Whether a lock, or a folder, is still what the name leads to: a holder may have taken the folder away meanwhile, and
// another made it anew.
bool is_current(const inference::file_descriptor& opened, const fs::path& path) {
  struct stat st {};
  const auto now = disk::look(path);
  return now && ::fstat(opened.get(), &st) == 0 && st.st_dev == now->device && st.st_ino == now->inode;
}

}  // namespace

result<partial_folder> store::lock_partial(const std::string& key, const std::atomic<bool>* cancelled) {
  constexpr auto patience = std::chrono::hours(24 * 7);
  const auto folder = state_->at.partial_of(key);
  const auto path = folder / partial_lock_name;
  for (;;) {
    if (auto ok = disk::make_folder(folder); !ok) return tl::unexpected(ok.error());
    const inference::file_descriptor made{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!made && errno == ENOENT) continue;
    auto lock = disk::lock(path, patience, cancelled);
    if (!lock && made && !is_current(made, folder)) continue;
    if (!lock) return tl::unexpected(lock.error());
    if (!is_current(*lock, path)) continue;
    ::futimens(lock->get(), nullptr);
    return partial_folder(folder, std::move(*lock));
  }
}

void store::discard(partial_folder folder) {
  scratch trash(state_->work);
  // A publish that was killed may have made blobs of it already.
  const bool published = disk::is_folder(folder.path() / partial_whole_name);
  trash.take(folder.path());
  if (!published) return;
  const auto held = lock_store(state_->at);
  if (!held) return;  // the next collect() finds them
  trash.drop_links();
  take_blobs(state_->at, trash);
}

std::uint64_t store::discard_partial(const std::string& key) {
  const auto folder = state_->at.partial_of(key);
  if (!disk::is_folder(folder)) return 0;
  auto lock = disk::try_lock(folder / partial_lock_name);
  if (!lock || !*lock || !is_current(**lock, folder / partial_lock_name)) return 0;
  const auto bytes = kept_in(folder);
  discard(partial_folder(folder, std::move(**lock)));
  return bytes;
}

result<std::optional<fetched_file>> store::reuse(const stored_file& as, const partial_folder& folder) {
  using found = std::optional<fetched_file>;
  if (!is_sha256_hex(as.sha256)) return found();
  const auto& at = state_->at;
  const auto whole = folder.path() / partial_whole_name / as.sha256;
  scratch beside(state_->work);
  const auto held = lock_store(at);
  if (!held) return tl::unexpected(held.error());
  const auto blob = disk::look(at.blob(as.sha256));
  const auto own = disk::look(whole);
  if (blob && blob->file && blob->size_bytes == as.size_bytes) {
    if (own && own->is_same_as(*blob)) return found({whole, as});
    if (auto ok = disk::make_folder(whole.parent_path()); !ok) return tl::unexpected(ok.error());
    if (auto ok = disk::link_over(at.blob(as.sha256), whole, beside.next()); !ok) return tl::unexpected(ok.error());
    return found({whole, as});
  }
  // With other names it was a blob once, and lost that name because it was damaged.
  if (own && own->file && own->links == 1 && own->size_bytes == as.size_bytes) return found({whole, as});
  if (own && !blob) ::unlink(whole.c_str());
  return found();
}

}  // namespace troupe::cache
