#include "cache/artifacts/transfer/partial_state.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "cache/artifacts/sha256.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t state_bytes_max = 64 << 10;

tl::unexpected<error> cannot_write(const fs::path& path) {
  return fail(error_code::unavailable, "cannot write " + path.string() + ": " + inference::describe_errno(errno));
}

bool get(simdjson::dom::element root, const char* name, std::string& out) {
  std::string_view text;
  if (root[name].get(text) != simdjson::SUCCESS) return false;
  out = text;
  return true;
}

}  // namespace

fs::path state_path(const fs::path& file) { return file.string() + ".state"; }

std::string to_json(const partial_state& state) {
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> w(out);
  const auto text = [&](const char* name, const std::string& value) {
    w.Key(name);
    w.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  };
  w.StartObject();
  text("identity", state.identity);
  if (state.size) {
    w.Key("size");
    w.Uint64(*state.size);
  }
  w.Key("whole");
  w.Uint64(state.whole);
  text("sha256", state.sha256);
  text("etag", state.etag);
  w.EndObject();
  return out.GetString();
}

result<partial_state> read_partial_state(const fs::path& path) {
  inference::json_document read;
  if (auto ok = inference::read_json_object(path, state_bytes_max, read); !ok) return tl::unexpected(ok.error());
  partial_state out;
  std::uint64_t size = 0;
  if (const auto found = read.root["size"].get(size); found == simdjson::SUCCESS) {
    out.size = size;
  } else if (found != simdjson::NO_SUCH_FIELD) {
    return fail(error_code::unprocessable, path.string() + ": \"size\" is no number of bytes");
  }
  if (!get(read.root, "identity", out.identity) || !get(read.root, "sha256", out.sha256) ||
      !get(read.root, "etag", out.etag) || read.root["whole"].get(out.whole) != simdjson::SUCCESS ||
      !is_sha256_hex(out.sha256) || (out.size && out.whole > *out.size)) {
    return fail(error_code::unprocessable, path.string() + " is not the state of a partial file");
  }
  return out;
}

result<void> write_partial_state(const fs::path& path, const partial_state& state) {
  const auto text = to_json(state);
  const auto beside = path.string() + ".new";
  const inference::file_descriptor fd{
      ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644)};
  if (!fd) return cannot_write(beside);
  const auto put = ::write(fd.get(), text.data(), text.size());
  if (put != static_cast<ssize_t>(text.size())) {
    if (put >= 0) errno = ENOSPC;
    auto why = cannot_write(beside);
    ::unlink(beside.c_str());
    return why;
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) return cannot_write(path);
  return {};
}

std::optional<partial_state> usable(const partial_state& kept, const std::string& identity,
                                    std::optional<std::uint64_t> size, std::uint64_t on_disk) {
  if (identity.empty() || kept.identity != identity || kept.whole > on_disk) return std::nullopt;
  if (size && kept.size && *size != *kept.size) return std::nullopt;
  if (size && kept.whole > *size) return std::nullopt;
  return kept;
}

}  // namespace troupe::cache
