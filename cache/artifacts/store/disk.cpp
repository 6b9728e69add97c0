#include "cache/artifacts/store/disk.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <system_error>
#include <thread>

#include <spdlog/spdlog.h>

namespace troupe::cache::disk {

namespace fs = std::filesystem;
using inference::file_descriptor;

tl::unexpected<error> refused(const std::string& doing, const fs::path& path, int number) {
  auto e = inference::path_error("cannot " + doing, path, number);
  e.code = error_code::unavailable;
  if (number == EACCES || number == EPERM) {
    e.detail = "the user that troupe runs as (uid " + std::to_string(::geteuid()) +
               ") must be able to write there; or set cache_directory to another folder";
  } else if (number == EROFS) {
    e.detail = "set cache_directory to a folder that can be written";
  } else if (number == ENOSPC || number == EDQUOT) {
    e.detail = "remove models, or set cache_directory to a folder on a larger disk";
  } else if (number == EMLINK) {
    e.detail = "as many models as the file system allows have this content already";
  }
  return tl::unexpected(std::move(e));
}

std::optional<entry> look(const fs::path& path) noexcept {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return std::nullopt;
  const auto ns = [](const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  return entry{st.st_dev,
               st.st_ino,
               st.st_nlink,
               static_cast<std::uint64_t>(st.st_size),
               static_cast<std::uint64_t>(st.st_blocks) * 512,
               ns(st.st_mtim),
               ns(st.st_ctim),
               S_ISREG(st.st_mode),
               S_ISDIR(st.st_mode)};
}

bool is_folder(const fs::path& path) noexcept {
  const auto found = look(path);
  return found && found->folder;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code why;
  for (auto i = fs::directory_iterator(folder, why); !why && i != fs::directory_iterator(); i.increment(why))
    out.push_back(i->path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

void each_file(const fs::path& folder, const std::function<void(const fs::path&, const entry&)>& visit) {
  for (const auto& name : names_in(folder)) {
    const auto path = folder / name;
    const auto found = look(path);
    if (!found) continue;
    if (found->folder) {
      each_file(path, visit);
    } else {
      visit(path, *found);
    }
  }
}

namespace {

// File systems that know no sync say EINVAL: there is nothing more to be had there.
bool synced(int fd) noexcept {
  int done = 0;
  do done = ::fsync(fd);
  while (done != 0 && errno == EINTR);
  return done == 0 || errno == EINVAL || errno == ENOTSUP;
}

}  // namespace

result<void> sync_folder(const fs::path& folder) {
  const file_descriptor fd{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!fd || !synced(fd.get())) return refused("write the folder", folder, errno);
  return {};
}

result<void> seal_file(const fs::path& path) {
  const file_descriptor fd{::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
  if (!fd || ::fchmod(fd.get(), 0444) != 0 || !synced(fd.get())) return refused("write", path, errno);
  return {};
}

result<bool> make_folder(const fs::path& path) {
  if (::mkdir(path.c_str(), 0755) != 0) {
    if (errno == EEXIST && is_folder(path)) return false;
    return refused("make the folder", path, errno == EEXIST ? ENOTDIR : errno);
  }
  // Another process may have taken it already, as one that is empty.
  if (::chmod(path.c_str(), 0755) != 0 && errno != ENOENT) return refused("make the folder", path, errno);
  return true;
}

result<void> make_lasting_folder(const fs::path& path) {
  const auto made = make_folder(path);
  if (!made) return tl::unexpected(made.error());
  return *made ? sync_folder(path.parent_path()) : result<void>();
}

result<void> move(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return {};
  return refused("move " + from.string() + " to", to, errno);
}

result<void> link_over(const fs::path& file, const fs::path& name, const fs::path& beside) {
  if (::link(file.c_str(), beside.c_str()) != 0) return refused("link " + file.string() + " as", name, errno);
  auto moved = move(beside, name);
  if (!moved) ::unlink(beside.c_str());
  return moved;
}

result<void> write_synced(const fs::path& path, std::string_view text) {
  const file_descriptor fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644)};
  if (!fd) return refused("write", path, errno);
  while (!text.empty()) {
    const auto put = ::write(fd.get(), text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return refused("write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fchmod(fd.get(), 0644) != 0 || !synced(fd.get())) return refused("write", path, errno);
  return {};
}

void remove_tree(const fs::path& path) noexcept {
  std::error_code why;
  fs::remove_all(path, why);
  if (why) spdlog::warn("artifacts: cannot remove {}: {}", path.string(), why.message());
}

result<std::optional<file_descriptor>> try_lock(const fs::path& path) {
  file_descriptor fd{::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644)};
  if (!fd) return refused("write", path, errno);
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return std::optional<file_descriptor>();
    return refused("lock", path, errno);
  }
  return std::optional<file_descriptor>(std::move(fd));
}

result<file_descriptor> lock(const fs::path& path, std::chrono::milliseconds patience,
                             const std::atomic<bool>* cancelled) {
  constexpr auto pause_max = std::chrono::milliseconds(50);
  const auto begin = steady_clock::now();
  for (auto pause = std::chrono::milliseconds(1);; pause = std::min(2 * pause, pause_max)) {
    auto got = try_lock(path);
    if (!got) return tl::unexpected(got.error());
    if (*got) return std::move(**got);
    if (inference::is_cancelled(cancelled)) return fail(error_code::cancelled, "the download was cancelled");
    if (steady_clock::now() - begin >= patience)
      return fail(error_code::unavailable, path.string() + " is held by another process", {}, 1);
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace troupe::cache::disk
