#include "inference/files/temporary_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;

tl::unexpected<error> refused(const fs::path& path, const std::string& why) {
  return fail(error_code::internal, "cannot write " + path.string() + ": " + why);
}

// File systems that know no sync say EINVAL: there is nothing more to be had there.
bool synced(int fd) {
  int done = 0;
  do done = ::fsync(fd);
  while (done != 0 && errno == EINTR);
  return done == 0 || errno == EINVAL || errno == ENOTSUP;
}

result<void> sync_folder(const fs::path& folder) {
  const file_descriptor fd{::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd || !synced(fd.get())) return refused(folder, describe_errno(errno));
  return {};
}

// With the names of the folders that it makes on the disk.
result<void> make_folder(const fs::path& folder) {
  std::error_code why;
  if (folder.empty() || fs::is_directory(folder, why)) return {};
  if (folder.has_parent_path() && folder.parent_path() != folder)
    if (auto ok = make_folder(folder.parent_path()); !ok) return ok;
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return refused(folder, describe_errno(errno));
  if (!fs::is_directory(folder, why)) return refused(folder, describe_errno(ENOTDIR));
  return sync_folder(folder.parent_path());
}

}  // namespace

result<temporary_file> temporary_file::create(const fs::path& target) {
  if (auto ok = make_folder(target.parent_path()); !ok) return tl::unexpected(ok.error());
  auto name = target.string() + ".XXXXXX.tmp";
  file_descriptor fd{::mkostemps(name.data(), 4, O_CLOEXEC)};
  if (!fd) return refused(target.parent_path(), describe_errno(errno));
  ::flock(fd.get(), LOCK_EX | LOCK_NB);
  temporary_file made;
  made.fd_ = std::move(fd);
  made.path_ = std::move(name);
  return made;
}

temporary_file::~temporary_file() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

result<void> temporary_file::reserve(std::uint64_t size_bytes) {
  const int why = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(size_bytes));
  if (why != 0 && why != EOPNOTSUPP && why != EINVAL) return refused(path_, describe_errno(why));
  return {};
}

result<void> temporary_file::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto put = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return refused(path_, put == 0 ? "nothing was written" : describe_errno(errno));
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

result<void> temporary_file::publish(const fs::path& target) {
  if (::fchmod(fd_.get(), 0644) != 0 || !synced(fd_.get()) || ::rename(path_.c_str(), target.c_str()) != 0)
    return refused(target, describe_errno(errno));
  path_.clear();
  return sync_folder(target.parent_path());
}

}  // namespace troupe::inference
