#include "cache/artifacts/manifest.hpp"

#include <algorithm>

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/file_names.hpp"
#include "config/json_fault.hpp"
#include "config/names.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

constexpr std::int64_t format_written = 1;
constexpr std::int64_t number_max = std::int64_t{1} << 53;  // others read JSON's numbers as doubles
constexpr std::size_t tags_max = 1000;

// -- reading

struct reader {
  simdjson::dom::object object;
  std::string where;  // for errors

  tl::unexpected<error> wrong(const std::string& key, const std::string& why) const {
    return fail(error_code::unprocessable, where + ": \"" + key + "\" " + why);
  }
  result<void> text(const std::string& key, std::string& out) const {
    std::string_view value;
    if (object.at_key(key).get(value)) return wrong(key, "must be a text");
    out = value;
    return {};
  }
  result<void> flag(const std::string& key, bool& out) const {
    if (object.at_key(key).get(out)) return wrong(key, "must be true or false");
    return {};
  }
  result<std::int64_t> number(const std::string& key) const {
    std::int64_t value = 0;
    if (object.at_key(key).get(value) || value < 0 || value > number_max)
      return wrong(key, "must be a whole number from 0 to 2^53");
    return value;
  }
};

result<std::vector<std::string>> read_tags(const reader& in) {
  simdjson::dom::array list;
  if (in.object.at_key("tags").get(list) || list.size() > tags_max)
    return in.wrong("tags", "must be a list of at most " + std::to_string(tags_max) + " texts");
  std::vector<std::string> out;
  for (const auto item : list) {
    std::string_view tag;
    if (item.get(tag)) return in.wrong("tags", "must be a list of texts");
    out.emplace_back(tag);
  }
  return out;
}

result<stored_file> read_file(const reader& in) {
  stored_file f;
  if (auto ok = in.text("path", f.path); !ok) return tl::unexpected(ok.error());
  if (auto ok = in.text("sha256", f.sha256); !ok) return tl::unexpected(ok.error());
  if (auto ok = in.text("etag", f.etag); !ok) return tl::unexpected(ok.error());
  const auto size = in.number("size_bytes");
  if (!size) return tl::unexpected(size.error());
  f.size_bytes = static_cast<std::uint64_t>(*size);
  if (!is_sha256_hex(f.sha256)) return in.wrong("sha256", "must be 64 hexadecimal digits in lower case");
  return f;
}

result<std::vector<stored_file>> read_files(const reader& in) {
  simdjson::dom::array list;
  if (in.object.at_key("files").get(list)) return in.wrong("files", "must be a list");
  std::vector<stored_file> out;
  std::vector<std::string> paths;
  std::uint64_t together = 0;
  for (const auto item : list) {
    reader one{{}, in.where + ": files[" + std::to_string(out.size()) + "]"};
    if (out.size() == artifact_files_max) return in.wrong("files", "are too many");
    if (item.get(one.object)) return in.wrong("files", "must be a list of objects");
    auto file = read_file(one);
    if (!file) return tl::unexpected(file.error());
    together += file->size_bytes;
    if (together > static_cast<std::uint64_t>(number_max)) return in.wrong("files", "are larger than 2^53 bytes");
    paths.push_back(file->path);
    out.push_back(std::move(*file));
  }
  if (auto ok = check_file_names(paths); !ok)
    return fail(error_code::unprocessable, in.where + ": " + ok.error().message, ok.error().detail);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return out;
}

result<void> read_names(const reader& in, manifest& m) {
  if (auto ok = in.text("name", m.name); !ok) return ok;
  if (auto ok = config::check_model_name(m.name); !ok) return in.wrong("name", "is none: " + ok.error().message);
  if (auto ok = in.text("vocoder", m.vocoder); !ok) return ok;
  if (!m.vocoder.empty())
    if (auto ok = config::check_model_name(m.vocoder); !ok)
      return in.wrong("vocoder", "is no name: " + ok.error().message);
  std::string source;
  if (auto ok = in.text("source", source); !ok) return ok;
  const auto kind = parse_source(source);
  if (!kind) return in.wrong("source", "is not known");
  m.source = *kind;
  return {};
}

result<manifest> read(const reader& in) {
  const auto format = in.number("format");
  if (!format) return tl::unexpected(format.error());
  if (*format != format_written)
    return fail(error_code::unprocessable, in.where + " has the format " + std::to_string(*format),
                "this version reads format " + std::to_string(format_written));
  manifest m;
  if (auto ok = read_names(in, m); !ok) return tl::unexpected(ok.error());
  for (const auto& [key, text] : {std::pair{"model_id", &m.model_id}, std::pair{"revision", &m.revision},
                                  std::pair{"requested_revision", &m.requested_revision}, std::pair{"task", &m.task},
                                  std::pair{"description", &m.description}, std::pair{"asked_task", &m.asked_task},
                                  std::pair{"snapshot", &m.snapshot}})
    if (auto ok = in.text(key, *text); !ok) return tl::unexpected(ok.error());
  for (const auto& [key, flag] : {std::pair{"convert_to_tts", &m.convert_to_tts}, std::pair{"pinned", &m.pinned}})
    if (auto ok = in.flag(key, *flag); !ok) return tl::unexpected(ok.error());
  const auto at_ms = in.number("downloaded_at_ms");
  if (!at_ms) return tl::unexpected(at_ms.error());
  // The clock counts nanoseconds: about the year 2262 is as far as it goes.
  constexpr auto clock_max = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::duration(std::chrono::system_clock::duration::max()));
  m.downloaded_at += std::min(std::chrono::milliseconds(*at_ms), clock_max);
  auto tags = read_tags(in);
  if (!tags) return tl::unexpected(tags.error());
  m.tags = std::move(*tags);
  auto files = read_files(in);
  if (!files) return tl::unexpected(files.error());
  m.files = std::move(*files);
  if (m.snapshot != snapshot_id(m.files)) return in.wrong("snapshot", "does not fit the files");
  return m;
}

// -- writing

std::string make_utf8(std::string_view text) {
  std::string out;
  for (;;) {
    const auto bad = config::find_bad_utf8(text);
    out += text.substr(0, bad);
    if (bad == text.npos) return out;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(bad + 1);
  }
}

using json_writer = rapidjson::PrettyWriter<rapidjson::StringBuffer>;

void write(json_writer& out, const char* key, const std::string& text) {
  const auto utf8 = make_utf8(text);
  out.Key(key);
  out.String(utf8.data(), static_cast<rapidjson::SizeType>(utf8.size()));
}

}  // namespace

std::uint64_t size_bytes(const manifest& m) noexcept {
  std::uint64_t sum = 0;
  for (const auto& f : m.files) sum += f.size_bytes;
  return sum;
}

std::string snapshot_id(const std::vector<stored_file>& files) {
  std::vector<const stored_file*> ordered;
  ordered.reserve(files.size());
  for (const auto& f : files) ordered.push_back(&f);
  std::sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) { return a->path < b->path; });
  sha256 digest;
  for (const auto* f : ordered) {
    digest.add(f->path);
    digest.add(std::string_view("\0", 1));
    digest.add(f->sha256);
    digest.add("\n");
  }
  return digest.hex().substr(0, 16);
}

std::string manifest_json(const manifest& m) {
  rapidjson::StringBuffer buffer;
  json_writer out(buffer);
  out.SetIndent(' ', 1);
  out.StartObject();
  out.Key("format");
  out.Int64(format_written);
  write(out, "name", m.name);
  write(out, "source", std::string(to_string(m.source)));
  write(out, "model_id", m.model_id);
  write(out, "revision", m.revision);
  write(out, "requested_revision", m.requested_revision);
  write(out, "task", m.task);
  write(out, "description", m.description);
  write(out, "asked_task", m.asked_task);
  out.Key("tags");
  out.StartArray();
  for (const auto& tag : m.tags) {
    const auto utf8 = make_utf8(tag);
    out.String(utf8.data(), static_cast<rapidjson::SizeType>(utf8.size()));
  }
  out.EndArray();
  write(out, "vocoder", m.vocoder);
  out.Key("convert_to_tts");
  out.Bool(m.convert_to_tts);
  out.Key("pinned");
  out.Bool(m.pinned);
  out.Key("downloaded_at_ms");
  out.Int64(std::chrono::duration_cast<std::chrono::milliseconds>(m.downloaded_at.time_since_epoch()).count());
  write(out, "snapshot", m.snapshot);
  out.Key("files");
  out.StartArray();
  for (const auto& f : m.files) {
    out.StartObject();
    write(out, "path", f.path);
    out.Key("size_bytes");
    out.Uint64(f.size_bytes);
    write(out, "sha256", f.sha256);
    write(out, "etag", f.etag);
    out.EndObject();
  }
  out.EndArray();
  out.EndObject();
  return std::string(buffer.GetString(), buffer.GetSize()) + '\n';
}

result<manifest> parse_manifest(std::string_view json, const std::filesystem::path& path) {
  if (json.size() > manifest_bytes_max)
    return fail(error_code::unprocessable, path.string() + " is too large: " + std::to_string(json.size()) + " bytes",
                "at most " + std::to_string(manifest_bytes_max) + " bytes");
  inference::json_document document;
  if (auto ok = inference::parse_json_object(json, path.string(), document); !ok) return tl::unexpected(ok.error());
  reader in{{}, path.string()};
  if (document.root.get(in.object)) return fail(error_code::unprocessable, path.string() + " must be an object");
  return read(in);
}

}  // namespace troupe::cache
