#include "cache/artifacts/store/last_uses.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "cache/artifacts/store/disk.hpp"

namespace troupe::cache {

result<void> last_uses::begin(const std::string& name) {
  const auto path = at_.used_of(name);
  const inference::file_descriptor fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644)};
  if (!fd || ::futimens(fd.get(), nullptr) != 0) return disk::refused("write", path, errno);
  return {};
}

void last_uses::now(const std::string& name) {
  constexpr auto written_every = std::chrono::minutes(1);
  if (!check_stored_name(name)) return;
  const auto time = clock::now();
  const std::lock_guard guard(mutex_);
  if (const auto u = uses_.find(name); u != uses_.end()) {
    u->second.at = time;
    if (time - u->second.written < written_every && time >= u->second.written) return;
  }
  // The file is not made here, without the store's lock: the model may be going just now.
  const bool written =
      at_.has_folder(name) && ::utimensat(AT_FDCWD, at_.used_of(name).c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0;
  if (written || disk::look(at_.manifest_of(name))) {
    uses_[name] = {time, time};
  } else {
    uses_.erase(name);
  }
}

last_uses::clock::time_point last_uses::of(const manifest& m) const {
  auto out = m.downloaded_at;
  if (const auto file = disk::look(at_.used_of(m.name)))
    out = clock::time_point(std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(file->modified_ns)));
  const std::lock_guard guard(mutex_);
  const auto u = uses_.find(m.name);
  return u == uses_.end() ? out : std::max(out, u->second.at);
}

}  // namespace troupe::cache
