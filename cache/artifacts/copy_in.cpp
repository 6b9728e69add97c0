#include "cache/artifacts/copy_in.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include "cache/artifacts/sha256.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t piece_bytes = 1U << 20U;

tl::unexpected<error> cannot_write(const std::filesystem::path& path, int why) {
  return fail(error_code::unavailable, "cannot write " + path.string() + ": " + inference::describe_errno(why));
}

result<void> write_whole(int fd, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return cannot_write(path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

result<copied_file> copy_in(const std::filesystem::path& from, const std::filesystem::path& to,
                            const std::function<void(std::uint64_t)>& progress, const std::atomic<bool>* cancelled) {
  auto source = inference::open_for_reading(from);
  if (!source) return tl::unexpected(source.error());
  ::unlink(to.c_str());  // a publish that failed may have sealed it
  const inference::file_descriptor target(
      ::open(to.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!target) return cannot_write(to, errno);
  const bool shared = ::ioctl(target.get(), FICLONE, source->fd.get()) == 0;
  // What has been shared is read from the copy, which nobody else can change.
  const int reads = shared ? target.get() : source->fd.get();
  copied_file out;
  sha256 digest;
  std::vector<std::byte> piece(piece_bytes);
  for (;;) {
    if (inference::is_cancelled(cancelled)) return fail(error_code::cancelled, "the download was cancelled");
    const auto n = ::read(reads, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::unexpected(inference::path_error("cannot read", from, errno));
    if (n == 0) break;
    const auto bytes = std::span(piece).first(static_cast<std::size_t>(n));
    digest.add(bytes);
    if (!shared) {
      if (auto written = write_whole(target.get(), bytes, to); !written) return tl::unexpected(written.error());
    }
    out.size_bytes += bytes.size();
    progress(out.size_bytes);
  }
  out.sha256 = digest.hex();
  return out;
}

}  // namespace troupe::cache
