#include "inference/files/ready_copies.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "inference/files/files.hpp"
#include "inference/files/safetensors.hpp"

namespace troupe::inference {

namespace fs = std::filesystem;

std::string ready_key(const fs::path& source) {
  std::error_code ignored;
  const auto whole = fs::weakly_canonical(source, ignored);
  return ready_key_of_real(whole.empty() ? source : whole);
}

std::string ready_key_of_real(const fs::path& source) { return name_hash{}.add(source.native()).hex(); }

std::map<std::string, std::uint64_t> ready_copies(const fs::path& store) {
  std::map<std::string, std::uint64_t> bytes;
  std::error_code ignored;
  for (const auto& e : fs::directory_iterator(store, ignored)) {
    const auto name = e.path().filename().native();
    if (!name.ends_with(".safetensors")) continue;
    if (const auto state = state_of(e.path())) bytes[name.substr(0, name.find('-'))] += state->size_bytes;
  }
  return bytes;
}

bool remove_abandoned(const fs::path& file) {
  const file_descriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return false;
  std::error_code ignored;
  return fs::remove(file, ignored);
}

namespace {

bool is_orphaned(const fs::path& copy, std::uint64_t size_bytes) {
  const file_descriptor fd{::open(copy.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!fd) return false;
  const auto header = read_safetensors(fd.get(), size_bytes, copy);
  if (!header) return false;  // the load that it is for makes it anew
  const auto source = header->metadata.find(ready_source);
  if (source == header->metadata.end() || !fs::path(source->second).is_absolute()) return false;
  struct stat found {};
  return ::stat(source->second.c_str(), &found) != 0 && errno == ENOENT;
}

}  // namespace

std::uint64_t remove_orphaned_copies(const fs::path& store) {
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& e : fs::directory_iterator(store, ignored)) {
    const auto name = e.path().filename().native();
    if (name.ends_with(".tmp")) {
      remove_abandoned(e.path());
    } else if (name.ends_with(".safetensors")) {
      const auto state = state_of(e.path());
      if (state && is_orphaned(e.path(), state->size_bytes) && fs::remove(e.path(), ignored))
        bytes += state->size_bytes;
    }
  }
  return bytes;
}

std::uint64_t remove_ready_copies(const fs::path& store, const fs::path& source) {
  const auto prefix = ready_key(source) + '-';
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& e : fs::directory_iterator(store, ignored)) {
    if (!e.path().filename().native().starts_with(prefix)) continue;
    const auto state = state_of(e.path());
    if (fs::remove(e.path(), ignored) && state) bytes += state->size_bytes;
  }
  return bytes;
}

}  // namespace troupe::inference
