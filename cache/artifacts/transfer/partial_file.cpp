#include "cache/artifacts/transfer/partial_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <spdlog/spdlog.h>

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

tl::unexpected<error> cannot_write(const fs::path& path, int why) {
  std::string remedy;
  if (why == ENOSPC || why == EDQUOT) remedy = "make room on its disk, or set cache_directory to another one";
  return fail(error_code::unavailable, "cannot write " + path.string() + ": " + inference::describe_errno(why), remedy);
}

}  // namespace

result<partial_file> partial_file::open(const fs::path& path, const std::string& identity,
                                        std::optional<std::uint64_t> size) {
  std::error_code why;
  fs::create_directories(path.parent_path(), why);
  if (why) return cannot_write(path, why.value());
  auto fd = std::make_shared<const inference::file_descriptor>(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644));
  if (!*fd) return cannot_write(path, errno);
  const auto on_disk = ::lseek(fd->get(), 0, SEEK_END);
  if (on_disk < 0) return cannot_write(path, errno);
  partial_file file(path, std::move(fd));
  if (on_disk > 0 && inference::file_exists(state_path(path))) {
    if (const auto state = read_partial_state(state_path(path))) {
      if (auto kept = usable(*state, identity, size, static_cast<std::uint64_t>(on_disk)))
        file.kept_ = std::move(*kept);
    } else {
      spdlog::warn("what is there of {} is not resumed: {}", path.string(), state.error().message);
    }
  }
  if (file.kept_.whole == 0) {
    file.kept_ = {};
    if (auto ok = file.start_over(); !ok) return tl::unexpected(ok.error());
  } else if (auto ok = file.cut(file.kept_.whole); !ok) {
    return tl::unexpected(ok.error());
  }
  return file;
}

result<void> partial_file::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto put = ::pwrite(fd_->get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return cannot_write(path_, put == 0 ? EIO : errno);
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

result<void> partial_file::record(const partial_state& state) { return write_partial_state(state_path(path_), state); }

result<void> partial_file::cut(std::uint64_t bytes) {
  if (::ftruncate(fd_->get(), static_cast<off_t>(bytes)) != 0) return cannot_write(path_, errno);
  return {};
}

result<void> partial_file::start_over() {
  ::unlink(state_path(path_).c_str());
  return cut(0);
}

void partial_file::remove() {
  ::unlink(state_path(path_).c_str());
  ::unlink(path_.c_str());
}

}  // namespace troupe::cache
