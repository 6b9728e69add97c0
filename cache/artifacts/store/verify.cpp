#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include <spdlog/spdlog.h>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/parts.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

// Reads files and tells how far it is.
class reading {
 public:
  reading(std::uint64_t all_bytes, const std::function<bool(std::uint64_t, std::uint64_t)>& progress)
      : all_bytes_(all_bytes), progress_(progress) {}
  bool stopped() const noexcept { return stopped_; }

  // What is wrong with a file that should have this content; empty: nothing, or it was stopped.
  std::string fault_of(const fs::path& path, const std::string& digest) {
    const inference::file_descriptor fd{::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (!fd) return "it cannot be read: " + inference::describe_errno(errno);
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    sha256 content;
    for (std::uint64_t offset = 0;;) {
      const auto got = ::pread(fd.get(), piece_.data(), piece_.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return "it cannot be read: " + inference::describe_errno(errno);
      if (got == 0) break;
      content.add(std::span(piece_.data(), static_cast<std::size_t>(got)));
      offset += static_cast<std::uint64_t>(got);
      done_bytes_ += static_cast<std::uint64_t>(got);
      if (progress_ && !progress_(std::min(done_bytes_, all_bytes_), all_bytes_)) {
        stopped_ = true;
        return {};
      }
    }
    const auto is = content.hex();
    return is == digest ? std::string() : "its content is damaged: its SHA-256 is " + is;
  }

 private:
  const std::uint64_t all_bytes_;
  const std::function<bool(std::uint64_t, std::uint64_t)>& progress_;
  std::uint64_t done_bytes_ = 0;
  bool stopped_ = false;
  std::vector<std::byte> piece_ = std::vector<std::byte>(std::size_t{1} << 20);
};

struct damage {
  disk::entry blob;
  std::string what;
};

// A blob that was removed meanwhile is none.
std::map<std::string, damage> damaged_blobs(const layout& at, reading& in) {
  std::map<std::string, damage> out;
  for (const auto& name : disk::names_in(at.blobs)) {
    const auto path = at.blob(name);
    const auto blob = disk::look(path);
    if (!is_sha256_hex(name) || !blob) continue;
    auto what = blob->file ? in.fault_of(path, name) : "it is not a regular file";
    if (in.stopped()) break;
    const auto now = disk::look(path);
    if (!what.empty() && now && now->is_same_as(*blob)) out.emplace(name, damage{*blob, std::move(what)});
  }
  return out;
}

// Models keep what they have; a new download finds nothing under that name.
void take_names(const layout& at, workspace& work, const std::map<std::string, damage>& damaged) {
  if (damaged.empty()) return;
  scratch trash(work);
  const auto held = lock_store(at);
  if (!held) return spdlog::warn("artifacts: damaged content stays: {}", held.error().message);
  for (const auto& [digest, d] : damaged) {
    const auto now = disk::look(at.blob(digest));
    if (!now || !now->is_same_as(d.blob)) continue;
    trash.take(at.blob(digest));
  }
}

// What is wrong with a file of a snapshot by its looks; empty: nothing.
std::string fault_by_looks(const fs::path& path, const stored_file& f) {
  const auto is = disk::look(path);
  if (!is) return "it is missing: " + inference::describe_errno(errno);
  if (!is->file) return "it is not a regular file";
  if (is->size_bytes != f.size_bytes)
    return "it has " + std::to_string(is->size_bytes) + " bytes instead of " + std::to_string(f.size_bytes);
  return {};
}

// And by its content.
std::string fault_inside(const layout& at, const fs::path& path, const stored_file& f,
                         const std::map<std::string, damage>& damaged, reading& in) {
  const auto is = disk::look(path);
  if (!is) return {};
  const auto known = damaged.find(f.sha256);
  if (known != damaged.end() && known->second.blob.is_same_as(*is)) return known->second.what;
  if (const auto blob = disk::look(at.blob(f.sha256)); blob && blob->is_same_as(*is)) return {};
  auto what = in.fault_of(path, f.sha256);  // not the store's own link any more
  return disk::look(path) ? what : std::string();
}

std::vector<store_fault> faults_by_looks(const layout& at, const manifest& m) {
  std::vector<store_fault> out;
  for (const auto& f : m.files)
    if (auto what = fault_by_looks(at.snapshot(m) / f.path, f); !what.empty())
      out.push_back({m.name, f.path, std::move(what)});
  return out;
}

// A model that is replaced or removed meanwhile may miss files: what is missed is looked for once more under the lock.
std::vector<store_fault> sure_faults_by_looks(const store_parts& parts, const manifest& m) {
  auto out = faults_by_looks(parts.at, m);
  if (out.empty()) return out;
  const auto held = lock_store(parts.at);
  if (!held) return out;
  const auto now = parts.known.find(m.name);
  return now ? faults_by_looks(parts.at, **now) : std::vector<store_fault>();
}

}  // namespace

std::vector<store_fault> store::verify(const std::function<bool(std::uint64_t, std::uint64_t)>& progress) {
  const auto& at = state_->at;
  reading in(size_bytes(), progress);
  const auto damaged = damaged_blobs(at, in);
  std::vector<store_fault> out;
  std::set<std::string> named;
  for (const auto& m : state_->known.all()) {
    if (in.stopped()) break;
    if (!m.what) {
      out.push_back({m.name, "manifest.json", m.what.error().message});
      continue;
    }
    auto found = sure_faults_by_looks(*state_, **m.what);
    for (const auto& f : (*m.what)->files) {
      named.insert(f.sha256);
      if (in.stopped() || std::any_of(found.begin(), found.end(), [&](const auto& o) { return o.file == f.path; }))
        continue;
      auto what = fault_inside(at, at.snapshot(**m.what) / f.path, f, damaged, in);
      if (!what.empty()) found.push_back({m.name, f.path, std::move(what)});
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.file < b.file; });
    out.insert(out.end(), found.begin(), found.end());
  }
  if (!in.stopped())
    for (const auto& [digest, d] : damaged)
      if (!named.contains(digest)) out.push_back({{}, digest, d.what});
  take_names(at, state_->work, damaged);
  return out;
}

}  // namespace troupe::cache
