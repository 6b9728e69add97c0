#pragma once
// Files as the inference room reads them: bounded, by descriptor, every failure an `error`.
// Nothing here maps foreign files: a file that shrinks while it is read is an error, not a SIGBUS.

#include <atomic>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include <simdjson.h>

#include "config/error.hpp"

namespace troupe::inference {

using cancel_flag = const std::atomic<bool>*;
inline bool is_cancelled(cancel_flag flag) noexcept { return flag != nullptr && flag->load(std::memory_order_relaxed); }
inline tl::unexpected<error> cancelled_error() { return fail(error_code::cancelled, "the load was cancelled"); }

// "No space left on device" and the like, without strerror's shared buffer.
std::string describe_errno(int number);

// A name out of a file, fit for one line of an error: cut, without control characters, valid UTF-8.
std::string printable(std::string_view name);

// False only where there is surely nothing. What cannot be looked at (no permission, a loop of links, a link
// to nothing) counts as there, so that opening it tells why.
bool file_exists(const std::filesystem::path& path) noexcept;

// `doing` + path + the errno's meaning, and what may be done about it; for artifacts.
error path_error(const std::string& doing, const std::filesystem::path& path, int number);

class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int fd) noexcept : fd_(fd) {}
  file_descriptor(file_descriptor&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  file_descriptor& operator=(file_descriptor&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~file_descriptor();
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Tells one state of a file from another: it is another file, or its contents, name or rights were changed.
struct file_state {
  std::uint64_t device = 0, inode = 0, size_bytes = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  auto operator<=>(const file_state&) const = default;  // NOLINT(modernize-use-nullptr): the compiler's own 0
};
// Follows links. Null: it cannot be looked at; errno tells why.
std::optional<file_state> state_of(const std::filesystem::path& path) noexcept;

struct opened_file : file_state {  // as it was when it was opened
  file_descriptor fd;
};
// Regular files only: a FIFO or a device in an artifact would block the loader. What is there in a file's
// stead (a Git LFS pointer, a web page) is told as such.
result<opened_file> open_for_reading(const std::filesystem::path& path);

// Exactly `out.size()` bytes at `offset`; a shorter file is an error.
result<void> read_exactly(int fd, std::uint64_t offset, std::span<std::byte> out, const std::filesystem::path& path);

// A whole small file; larger than `size_bytes_max` is an error.
result<std::string> read_small_file(const std::filesystem::path& path, std::uint64_t size_bytes_max);

// A parsed document and the parser that owns it.
struct json_document {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
};
// Checks UTF-8, depth (1,024) and that the root is an object. `what` names the document in errors.
result<void> parse_json_object(std::string_view text, const std::string& what, json_document& out);
result<void> read_json_object(const std::filesystem::path& path, std::uint64_t size_bytes_max, json_document& out);

// 64-bit FNV-1a, as 16 hex digits: names and fingerprints, nothing adversarial.
class name_hash {
 public:
  name_hash& add(std::string_view bytes) noexcept;
  name_hash& add(std::uint64_t number) noexcept;
  std::string hex() const;
  std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 14695981039346656037ULL;
};

}  // namespace troupe::inference
