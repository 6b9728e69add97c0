#include "cache/artifacts/store/workspace.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>

#include <spdlog/spdlog.h>

#include "cache/artifacts/store/disk.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_name = "@lock";
constexpr const char* spare_name = "spare";

std::string random_name() {
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

bool is_spare(const fs::path& path) { return path.filename() == spare_name; }

void make_spare(const layout& at) {
  const auto path = at.tmp / spare_name;
  if (disk::look(path / lock_name)) return;
  if (disk::make_folder(path))
    if (auto lock = disk::try_lock(path / lock_name); !lock) spdlog::warn("artifacts: {}", lock.error().message);
}

// A full disk is told by whoever needs room on it.
result<void> check_hard_links(const fs::path& folder) {
  const auto link = folder / "link";
  if (::link((folder / lock_name).c_str(), link.c_str()) != 0 && errno != ENOSPC && errno != EDQUOT)
    return fail(error_code::unavailable,
                "the file system of " + folder.string() +
                    " has no hard links, which the artifact store needs: " + inference::describe_errno(errno),
                "set cache_directory to a folder on another one");
  ::unlink(link.c_str());
  return {};
}

}  // namespace

result<workspace> workspace::make_in(const fs::path& path) {
  const auto made = disk::make_folder(path);
  if (!made) return tl::unexpected(made.error());
  auto lock = disk::try_lock(path / lock_name);
  if (!lock) {
    ::rmdir(path.c_str());
    return tl::unexpected(lock.error());
  }
  if (!*lock) return fail(error_code::unavailable, (path / lock_name).string() + " is held by another process", {}, 1);
  workspace out(path, std::move(**lock));
  if (is_spare(path)) out.empty();
  if (auto ok = check_hard_links(path); !ok) return tl::unexpected(ok.error());
  return out;
}

result<workspace> workspace::make(const layout& at) {
  auto made = make_in(at.tmp / random_name());
  if (made) {
    make_spare(at);
  } else if (disk::look(at.tmp / spare_name / lock_name)) {
    if (auto spare = make_in(at.tmp / spare_name)) return spare;
  }
  return made;
}

workspace::workspace(workspace&& o) noexcept
    : path_(std::exchange(o.path_, {})), lock_(std::move(o.lock_)), names_(o.names_.load()) {}

workspace::~workspace() {
  if (path_.empty()) return;
  if (is_spare(path_)) {
    empty();
  } else {
    disk::remove_tree(path_);
  }
}

void workspace::empty() const {
  for (const auto& name : disk::names_in(path_))
    if (name != lock_name) disk::remove_tree(path_ / name);
}

void workspace::sweep(const layout& at, scratch& trash) const {
  for (const auto& name : disk::names_in(at.tmp)) {
    const auto path = at.tmp / name;
    if (path == path_) continue;
    if (!disk::is_folder(path) || !disk::look(path / lock_name)) {
      trash.take(path);
      continue;
    }
    const auto lock = disk::try_lock(path / lock_name);
    if (!lock || !*lock) continue;
    if (!is_spare(path)) {
      trash.take(path);
      continue;
    }
    for (const auto& left : disk::names_in(path))
      if (left != lock_name) trash.take(path / left);
  }
}

scratch::~scratch() {
  for (const auto& name : names_)
    if (disk::look(name)) disk::remove_tree(name);
}

fs::path scratch::next() {
  names_.push_back(in_.path_ / std::to_string(++in_.names_));
  return names_.back();
}

void scratch::take(const fs::path& what) {
  if (auto ok = disk::move(what, next()); !ok) spdlog::warn("artifacts: {}", ok.error().message);
}

std::uint64_t scratch::drop_links() const {
  std::uint64_t last_ones = 0;
  const auto visit = [&](const fs::path& path, const disk::entry& e) {
    if (e.links < 2 || ::unlink(path.c_str()) != 0) last_ones += e.kept_bytes();
  };
  for (const auto& name : names_) {
    const auto found = disk::look(name);
    if (found && found->folder) disk::each_file(name, visit);
    if (found && !found->folder) visit(name, *found);
  }
  return last_ones;
}

}  // namespace troupe::cache
