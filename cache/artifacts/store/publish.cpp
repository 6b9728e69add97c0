#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <span>

#include <spdlog/spdlog.h>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/file_names.hpp"
#include "cache/artifacts/store/parts.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

// Content that is to become a blob.
struct incoming {
  fs::path at;
  std::uint64_t size_bytes = 0;
  std::optional<disk::entry> damaged;  // the blob that there is, and is not what its name says
};
using incoming_by_digest = std::map<std::string, incoming>;

tl::unexpected<error> not_as_told(const fs::path& path, const std::string& why) {
  return fail(error_code::internal, path.string() + " cannot be published: " + why);
}

result<void> describe(manifest& m, const std::vector<fetched_file>& files) {
  if (auto ok = check_stored_name(m.name); !ok) return ok;
  std::vector<std::string> names;
  m.files.clear();
  for (const auto& f : files) {
    if (!is_sha256_hex(f.as.sha256)) return not_as_told(f.at, "its digest is not known");
    names.push_back(f.as.path);
    m.files.push_back(f.as);
  }
  if (auto ok = check_file_names(names); !ok) return ok;
  std::sort(m.files.begin(), m.files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  m.snapshot = snapshot_id(m.files);
  if (m.downloaded_at == std::chrono::system_clock::time_point()) m.downloaded_at = std::chrono::system_clock::now();
  return {};
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  const auto normal = path.lexically_normal();
  const auto [f, p] = std::mismatch(folder.begin(), folder.end(), normal.begin(), normal.end());
  return f == folder.end() && p != normal.end();
}

result<bool> same_content(const fs::path& a, const fs::path& b, std::uint64_t size_bytes) {
  constexpr std::uint64_t piece_bytes = 1 << 20;
  const inference::file_descriptor from_a{::open(a.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
  if (!from_a) return disk::refused("read", a, errno);
  const inference::file_descriptor from_b{::open(b.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
  if (!from_b) return disk::refused("read", b, errno);
  std::vector<std::byte> piece_a(piece_bytes), piece_b(piece_bytes);
  for (std::uint64_t done = 0; done < size_bytes; done += piece_bytes) {
    const auto bytes = std::min(piece_bytes, size_bytes - done);
    const std::span in_a(piece_a.data(), bytes), in_b(piece_b.data(), bytes);
    if (auto ok = inference::read_exactly(from_a.get(), done, in_a, a); !ok) return tl::unexpected(ok.error());
    if (auto ok = inference::read_exactly(from_b.get(), done, in_b, b); !ok) return tl::unexpected(ok.error());
    if (!std::equal(in_a.begin(), in_a.end(), in_b.begin())) return false;
  }
  return true;
}

// Whether the blob that there is has to be replaced. What cannot be read is damaged, too.
bool is_damaged(const fs::path& blob, const disk::entry& there, const incoming& in) {
  if (!there.file || there.size_bytes != in.size_bytes) return true;
  const auto same = same_content(blob, in.at, in.size_bytes);
  return !same || !*same;
}

// All that takes long: to the disk, and compared to what is there. Without the store's lock.
result<incoming_by_digest> prepare(const layout& at, const std::vector<fetched_file>& files, const fs::path& folder) {
  incoming_by_digest out;
  for (const auto& f : files) {
    if (!lies_in(f.at, folder)) return not_as_told(f.at, "it does not lie in " + folder.string());
    const auto is = disk::look(f.at);
    if (!is) return disk::refused("look at", f.at, errno);
    if (!is->file) return not_as_told(f.at, "it is not a regular file");
    if (is->size_bytes != f.as.size_bytes)
      return not_as_told(
          f.at, "it has " + std::to_string(is->size_bytes) + " bytes instead of " + std::to_string(f.as.size_bytes));
    const auto [mine, is_new] = out.try_emplace(f.as.sha256, incoming{f.at, f.as.size_bytes, {}});
    if (!is_new) {
      if (mine->second.size_bytes == f.as.size_bytes) continue;
      return not_as_told(f.at, "another file has the same digest and another size");
    }
    if (auto ok = disk::seal_file(f.at); !ok) return tl::unexpected(ok.error());
    const auto blob = at.blob(f.as.sha256);
    const auto there = disk::look(blob);
    if (there && there->is_same_as(*is)) continue;
    if (is->links > 1) return not_as_told(f.at, "the file has other names");
    if (there && is_damaged(blob, *there, mine->second)) mine->second.damaged = there;
  }
  return out;
}

// Makes blobs of them; gives the digests of those that are new.
result<std::set<std::string>> place(const layout& at, const incoming_by_digest& content, const fs::path& folder,
                                    scratch& beside) {
  std::set<std::string> placed;
  for (const auto& [digest, in] : content) {
    const auto there = disk::look(at.blob(digest));
    if (there && !(in.damaged && there->is_same_as(*in.damaged))) continue;
    // Under its digest it is found by reuse() if this fails; where it was, a download might write into it.
    const auto whole = folder / partial_whole_name / digest;
    if (auto ok = disk::make_folder(whole.parent_path()); !ok) return tl::unexpected(ok.error());
    if (in.at.lexically_normal() != whole)
      if (auto ok = disk::move(in.at, whole); !ok) return tl::unexpected(ok.error());
    if (auto ok = disk::link_over(whole, at.blob(digest), beside.next()); !ok) return tl::unexpected(ok.error());
    placed.insert(digest);
  }
  // Also for what is there: who placed it may have been killed before this.
  if (auto ok = disk::sync_folder(at.blobs); !ok) return tl::unexpected(ok.error());
  return placed;
}

// Models that name content which was not there, or damaged, get the new.
void mend(store_parts& parts, const std::set<std::string>& placed, scratch& beside) {
  if (placed.empty()) return;
  for (const auto& m : parts.known.usable()) {
    if (std::none_of(m->files.begin(), m->files.end(), [&](const auto& f) { return placed.contains(f.sha256); }))
      continue;
    if (auto ok = complete_snapshot(parts, *m, beside); !ok)
      spdlog::warn("artifacts: model '{}' was not mended: {}", m->name, ok.error().message);
  }
}

}  // namespace

result<manifest> store::publish(manifest m, const std::vector<fetched_file>& files, partial_folder folder) {
  if (auto ok = describe(m, files); !ok) return tl::unexpected(ok.error());
  const auto content = prepare(state_->at, files, folder.path());
  if (!content) return tl::unexpected(content.error());
  scratch beside(state_->work);
  const auto held = lock_store(state_->at);
  if (!held) return tl::unexpected(held.error());
  const auto placed = place(state_->at, *content, folder.path(), beside);
  if (!placed) return tl::unexpected(placed.error());
  mend(*state_, *placed, beside);
  if (const auto old = state_->known.find(m.name)) m.pinned = m.pinned || (*old)->pinned;
  auto done = install(*state_, m, beside);
  if (!done) return done;
  beside.take(folder.path());
  return done;
}

result<manifest> store::copy(const std::string& from, const std::string& to) {
  if (auto ok = check_stored_name(to); !ok) return tl::unexpected(ok.error());
  scratch beside(state_->work);
  const auto held = lock_store(state_->at);
  if (!held) return tl::unexpected(held.error());
  const auto original = state_->known.find(from);
  if (!original) return tl::unexpected(original.error());
  if (disk::look(state_->at.manifest_of(to)))
    return fail(error_code::conflict, "Model '" + to + "' is in the artifact store already");
  auto m = **original;
  m.name = to;
  m.pinned = false;
  return install(*state_, m, beside);
}

result<void> store::pin(const std::string& name, bool pinned) {
  scratch beside(state_->work);
  const auto held = lock_store(state_->at);
  if (!held) return tl::unexpected(held.error());
  const auto found = state_->known.find(name);
  if (!found) return tl::unexpected(found.error());
  if ((*found)->pinned == pinned) return {};
  auto m = **found;
  m.pinned = pinned;
  const auto done = commit(*state_, m, beside);
  return done ? result<void>() : result<void>(tl::unexpected(done.error()));
}

}  // namespace troupe::cache
