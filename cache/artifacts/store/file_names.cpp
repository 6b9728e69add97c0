#include "cache/artifacts/store/file_names.hpp"

#include <algorithm>
#include <unordered_map>

#include "config/json_fault.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t parts_max = 8, part_bytes_max = 200, shown_bytes_max = 120;

bool is_control(std::string_view text, std::size_t at) noexcept {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c == 0xC2) return at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xA0;  // U+0080 to U+009F
  return c < 0x20 || c == 0x7F;
}

// For an error message: all but printable ASCII as \xNN.
std::string shown(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, shown_bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return text.size() > shown_bytes_max ? out + ".." : out;
}

tl::unexpected<error> refused(std::string_view path, const std::string& why) {
  return fail(error_code::bad_request, "a file of the artifact cannot be named '" + shown(path) + "': " + why);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

}  // namespace

result<void> check_file_name(std::string_view path) {
  if (path.empty()) return refused(path, "it is empty");
  if (path.front() == '/') return refused(path, "it is absolute");
  if (config::find_bad_utf8(path) != path.npos) return refused(path, "it is not UTF-8");
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\') return refused(path, "it has a backslash");
    if (is_control(path, i)) return refused(path, "it has a control character");
  }
  std::size_t parts = 0;
  for (auto rest = path;;) {
    const auto part = rest.substr(0, rest.find('/'));
    if (part.empty()) return refused(path, "it has an empty part");
    if (part == "." || part == "..") return refused(path, "a part of it is '" + std::string(part) + "'");
    if (part.front() == '@') return refused(path, "a part of it begins with '@'");
    if (part.size() > part_bytes_max)
      return refused(path, "a part of it is longer than " + std::to_string(part_bytes_max) + " bytes");
    if (++parts > parts_max) return refused(path, "it has more than " + std::to_string(parts_max) + " parts");
    if (part.size() == rest.size()) return {};
    rest.remove_prefix(part.size() + 1);
  }
}

result<void> check_file_names(const std::vector<std::string>& paths) {
  if (paths.empty()) return fail(error_code::bad_request, "the artifact has no files");
  if (paths.size() > artifact_files_max)
    return fail(error_code::bad_request, "the artifact has " + std::to_string(paths.size()) + " files",
                "at most " + std::to_string(artifact_files_max));
  std::unordered_map<std::string, const std::string*> seen;
  for (const auto& path : paths) {
    if (auto ok = check_file_name(path); !ok) return ok;
    if (const auto [other, is_new] = seen.emplace(lower(path), &path); !is_new)
      return refused(path, *other->second == path ? "it occurs twice"
                                                  : "'" + shown(*other->second) + "' differs from it in case only");
  }
  for (const auto& [path, as_given] : seen) {
    for (auto end = path.rfind('/'); end != path.npos; end = end == 0 ? path.npos : path.rfind('/', end - 1))
      if (const auto folder = seen.find(path.substr(0, end)); folder != seen.end())
        return refused(*folder->second, "it is the folder of '" + shown(*as_given) + "'");
  }
  return {};
}

}  // namespace troupe::cache
