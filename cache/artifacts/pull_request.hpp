#pragma once
// What is asked of a pull, and what it is planned to fetch. Plain values.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::cache {

enum class source_kind : std::uint8_t { pytorch_hub, torchvision, huggingface, url, tts_auto, torchaudio, s3, local };
std::string_view to_string(source_kind s) noexcept;  // "pytorch_hub", ..: as clients write them
std::optional<source_kind> parse_source(std::string_view name) noexcept;

struct pull_request {
  source_kind source = source_kind::huggingface;
  std::string model_id;          // "org/name", "resnet50", a URL, a path: what the source calls it
  std::string revision;          // branch, tag or commit; empty: the source's default
  std::string name;              // the model's, checked (config/names.hpp)
  std::string task;              // empty: from the files
  bool convert_to_tts = false;   // auto_convert_tts
  bool include_vocoder = false;  // beside a speech model, as {name}_vocoder
  bool afresh = false;           // fetched though the store has it
  std::string vocoder_model;     // empty: the one that fits
};

// A model's id as others may see it: of a URL without user, password and query, which may prove who asks.
std::string public_id(const std::string& model_id);

using header_lines = std::vector<std::pair<std::string, std::string>>;

// Which addresses may be reached.
enum class reach : std::uint8_t {
  outside,   // public ones only
  anywhere,  // the operator configured where it goes
};

// Headers that prove who asks, for a request to the origin (scheme, host, port) that they are meant for; called for
// every request, since signatures age.
using authorizer = std::function<header_lines(std::string_view method, const std::string& url)>;

struct planned_file {
  std::string path;                         // inside the artifact: relative, checked by the plan (store/file_names.hpp)
  std::string url;                          // where it is fetched; empty: `local` only
  std::filesystem::path local;              // copied, never linked; fetched instead where it is not what was told
  std::optional<std::uint64_t> size_bytes;  // where the source tells it
  std::string sha256;                       // 64 lower-case hex digits where the source tells it; else empty
  std::string sha256_begins;                // published weights have its first digits in their names
  std::string identity;                     // of the content, for resuming: commit, ETag, size. Empty: not resumable
};

// What is to be fetched.
struct pull_plan {
  source_kind source = source_kind::huggingface;
  std::string model_id;
  std::string revision;            // what the source resolved it to: the commit; empty: it has none
  std::string requested_revision;  // as asked
  std::string task;                // as asked, or as the source says; empty: not known before the files are there
  std::vector<std::string> tags;
  std::string description;
  std::vector<planned_file> files;
  reach may_reach = reach::outside;
  authorizer authorize;            // null: nothing is proved
  std::vector<std::string> notes;  // what was left out and why, for people
};

}  // namespace troupe::cache
