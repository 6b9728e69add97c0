#include "inference/checkpoint.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t index_bytes_max = 32U << 20U;
constexpr std::size_t shards_max = 1000;

// The shards that an index names: plain file names in the index's own folder.
result<std::set<std::string>> shards_of(const fs::path& index) {
  json_document document;
  if (auto ok = read_json_object(index, index_bytes_max, document); !ok)
    return tl::unexpected(ok.error());
  simdjson::dom::object weights;
  if (document.root["weight_map"].get(weights))
    return fail(error_code::unprocessable, index.string() + ": 'weight_map' must be an object");
  std::set<std::string> names;
  for (const auto [tensor, file] : weights) {
    std::string_view name;
    if (file.get(name) || name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
        name.find('\0') != name.npos || !name.ends_with(".safetensors"))
      return fail(error_code::unprocessable, index.string() + ": tensor '" +
                                                 std::string(tensor.substr(0, 120)) +
                                                 "' must name a .safetensors file of the same folder");
    names.emplace(name);
    if (names.size() > shards_max)
      return fail(error_code::unprocessable, index.string() + " names more than 1000 files");
  }
  if (names.empty()) return fail(error_code::unprocessable, index.string() + " names no file");
  return names;
}

result<std::vector<fs::path>> weight_files(const fs::path& folder) {
  if (file_exists(folder / "model.safetensors")) return std::vector{folder / "model.safetensors"};
  const auto index = folder / "model.safetensors.index.json";
  if (file_exists(index)) {
    auto names = shards_of(index);
    if (!names) return tl::unexpected(names.error());
    std::vector<fs::path> files{index};
    for (const auto& name : *names) files.push_back(folder / name);
    return files;
  }
  if (file_exists(folder / "pytorch_model.bin"))
    return fail(
        error_code::unprocessable,
        folder.string() + " has pickled weights only (pytorch_model.bin), which can run code when read",
        "save it with save_pretrained(.., safe_serialization=True)");
  return fail(error_code::load_failed, folder.string() + " has no model.safetensors");
}

}  // namespace

result<void> checkpoint::add(fs::path path) {
  auto file = open_for_reading(path);
  if (!file) return tl::unexpected(file.error());
  auto header = read_safetensors(file->fd.get(), file->size_bytes, path);
  if (!header) return tl::unexpected(header.error());
  size_bytes_ += file->size_bytes;
  auto& s = *shards_.emplace_back(
      std::make_unique<shard>(shard{std::move(path), std::move(*file), std::move(*header)}));
  for (const auto& t : s.header.tensors)
    if (!tensors_.emplace(t.name, located{&t, &s.file, &s.path}).second)
      return fail(error_code::unprocessable, "tensor '" + t.name.substr(0, 120) +
                                                 "' is in two shards, one of them " + s.path.string());
  return {};
}

result<checkpoint> checkpoint::open(const fs::path& folder, std::uint64_t size_bytes_max) {
  auto files = weight_files(folder);
  if (!files) return tl::unexpected(files.error());
  checkpoint c;
  for (auto& file : *files) {
    if (file.extension() == ".json") continue;
    if (auto ok = c.add(std::move(file)); !ok) return tl::unexpected(ok.error());
    if (size_bytes_max != 0 && c.size_bytes_ > size_bytes_max)
      return fail(error_code::payload_too_large, folder.string() + " is larger than an artifact may be",
                  "at most " + std::to_string(size_bytes_max) + " bytes");
  }
  return c;
}

checkpoint::located checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? located{} : found->second;
}

result<std::vector<fs::path>> artifact_files(const fs::path& folder) {
  auto files = weight_files(folder);
  if (!files) return files;
  for (const char* name :
       {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "added_tokens.json",
        "special_tokens_map.json", "sentence_bert_config.json"})
    if (file_exists(folder / name)) files->push_back(folder / name);
  return files;
}

result<std::string> fingerprint_of(const std::vector<fs::path>& files) {
  name_hash hash;
  for (const auto& file : files) {
    struct stat st{};
    if (::stat(file.c_str(), &st) != 0) {
      const auto why = describe_errno(errno);
      return fail(error_code::load_failed, "cannot read " + file.string() + ": " + why);
    }
    hash.add(file.filename().native())
        .add(static_cast<std::uint64_t>(st.st_size))
        .add(st.st_ino)
        .add(st.st_dev);
    hash.add(static_cast<std::uint64_t>(st.st_mtim.tv_sec))
        .add(static_cast<std::uint64_t>(st.st_mtim.tv_nsec));
  }
  return hash.hex();
}

}  // namespace troupe::inference
