#include "inference/files/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace troupe::inference {

std::string describe_errno(int number) { return std::generic_category().message(number); }

std::string printable(std::string_view name) {
  std::string shown(name.substr(0, 120));
  const bool whole = simdjson::validate_utf8(shown);
  std::replace_if(
      shown.begin(), shown.end(),
      [&](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 32 || byte == 127 || (byte >= 128 && !whole);
      },
      '?');
  return shown;
}

bool file_exists(const std::filesystem::path& path) noexcept {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

error path_error(const std::string& doing, const std::filesystem::path& path, int number) {
  error e{error_code::load_failed, doing + ' ' + path.string() + ": " + describe_errno(number), {}, {}};
  std::error_code ignored;
  if (number == EACCES || number == EPERM) {
    e.detail = "the user that troupe runs as (uid " + std::to_string(::geteuid()) +
               ") must be able to read it and to enter every folder of its path";
  } else if (number == ENOENT && std::filesystem::is_symlink(path, ignored)) {
    e.detail =
        "it is a symbolic link to " + std::filesystem::read_symlink(path, ignored).string() + ", which is not there";
  } else if (number == ELOOP) {
    e.detail = "its symbolic links lead in a circle, or are too many";
  } else if (number == ENOTDIR) {
    e.detail = "a part of its path is a file, not a folder";
  }
  return e;
}

namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view lower) noexcept {
  return text.size() >= lower.size() && std::equal(lower.begin(), lower.end(), text.begin(), [](char l, char c) {
           return l == (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
         });
}

// What people find in a file's place after a download that went wrong.
result<void> check_it_is_itself(int fd, const std::filesystem::path& path) {
  char first[512];
  ssize_t got = 0;
  do got = ::pread(fd, first, sizeof first, 0);
  while (got < 0 && errno == EINTR);
  if (got < 0) return tl::unexpected(path_error("cannot read", path, errno));
  std::string_view head(first, static_cast<std::size_t>(got));
  if (head.starts_with("version https://git-lfs.github.com/spec/"))
    return fail(error_code::unprocessable, path.string() + " is a Git LFS pointer, not the file that it stands for",
                "fetch the file: run 'git lfs install' and 'git lfs pull' in its repository, or download it again");
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n"), head.size()));
  if (starts_with_ignoring_case(head, "<!doctype html") ||
      (starts_with_ignoring_case(head, "<html") && head.find("<head") != head.npos))
    return fail(error_code::unprocessable, path.string() + " is an HTML page, not the file that its name tells",
                "download the file itself, not the page about it");
  return {};
}

std::int64_t nanoseconds(const timespec& t) noexcept { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

file_state state_from(const struct stat& st) noexcept {
  return {st.st_dev, st.st_ino, static_cast<std::uint64_t>(st.st_size), nanoseconds(st.st_mtim),
          nanoseconds(st.st_ctim)};
}

}  // namespace

std::optional<file_state> state_of(const std::filesystem::path& path) noexcept {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  return state_from(st);
}

file_descriptor::~file_descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

result<opened_file> open_for_reading(const std::filesystem::path& path) {
  file_descriptor fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) return tl::unexpected(path_error("cannot open", path, errno));
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0) return tl::unexpected(path_error("cannot look at", path, errno));
  if (!S_ISREG(st.st_mode)) return fail(error_code::load_failed, path.string() + " is not a regular file");
  if (auto ok = check_it_is_itself(fd.get(), path); !ok) return tl::unexpected(ok.error());
  return opened_file{state_from(st), std::move(fd)};
}

result<void> read_exactly(int fd, std::uint64_t offset, std::span<std::byte> out, const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto got = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (got == 0) {
      return fail(error_code::load_failed,
                  path.string() + " ended early: it is truncated, or changed while it was read");
    } else if (errno != EINTR) {
      return tl::unexpected(path_error("cannot read", path, errno));
    }
  }
  return {};
}

result<std::string> read_small_file(const std::filesystem::path& path, std::uint64_t size_bytes_max) {
  auto file = open_for_reading(path);
  if (!file) return tl::unexpected(file.error());
  if (file->size_bytes > size_bytes_max)
    return fail(error_code::unprocessable,
                path.string() + " is too large: " + std::to_string(file->size_bytes) + " bytes",
                "at most " + std::to_string(size_bytes_max) + " bytes");
  std::string text(file->size_bytes, '\0');
  if (auto ok = read_exactly(file->fd.get(), 0, std::as_writable_bytes(std::span(text)), path); !ok)
    return tl::unexpected(ok.error());
  return text;
}

result<void> parse_json_object(std::string_view text, const std::string& what, json_document& out) {
  simdjson::error_code why = out.parser.parse(text.data(), text.size()).get(out.root);
  if (why == simdjson::SUCCESS && !out.root.is_object()) why = simdjson::INCORRECT_TYPE;
  if (why == simdjson::SUCCESS) return {};
  std::string reason = why == simdjson::INCORRECT_TYPE ? "it must be an object"
                       : why == simdjson::UTF8_ERROR   ? "it is not valid UTF-8"
                       : why == simdjson::DEPTH_ERROR  ? "it is nested too deeply"
                       : why == simdjson::EMPTY        ? "it is empty"
                                                       : simdjson::error_message(why);
  return fail(error_code::unprocessable, what + " is not usable JSON: " + reason);
}

result<void> read_json_object(const std::filesystem::path& path, std::uint64_t size_bytes_max, json_document& out) {
  auto text = read_small_file(path, size_bytes_max);
  if (!text) return tl::unexpected(text.error());
  return parse_json_object(*text, path.string(), out);
}

name_hash& name_hash::add(std::string_view bytes) noexcept {
  for (const char c : bytes) value_ = (value_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return add(static_cast<std::uint64_t>(bytes.size()));
}

name_hash& name_hash::add(std::uint64_t number) noexcept {
  for (int i = 0; i < 8; ++i) value_ = (value_ ^ ((number >> (8 * i)) & 255U)) * 1099511628211ULL;
  return *this;
}

std::string name_hash::hex() const {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value_));
  return text;
}

}  // namespace troupe::inference
