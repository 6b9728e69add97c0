#include "inference/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

namespace troupe::inference {

std::string describe_errno(int number) {
  return std::generic_category().message(number);
}

bool file_exists(const std::filesystem::path& path) noexcept {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

file_descriptor::~file_descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

result<opened_file> open_for_reading(const std::filesystem::path& path) {
  file_descriptor fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) {
    const auto why = describe_errno(errno);
    return fail(error_code::load_failed, "cannot open " + path.string() + ": " + why);
  }
  struct stat st{};
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode))
    return fail(error_code::load_failed, path.string() + " is not a regular file");
  return opened_file{std::move(fd), static_cast<std::uint64_t>(st.st_size)};
}

result<void> read_exactly(int fd, std::uint64_t offset, std::span<std::byte> out,
                          const std::filesystem::path& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto got =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (got == 0) {
      return fail(error_code::load_failed,
                  path.string() + " ended early: it is truncated, or changed while it was read");
    } else if (errno != EINTR) {
      const auto why = describe_errno(errno);
      return fail(error_code::load_failed, "cannot read " + path.string() + ": " + why);
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

result<void> read_json_object(const std::filesystem::path& path, std::uint64_t size_bytes_max,
                              json_document& out) {
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
