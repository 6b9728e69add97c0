#include "inference/files/checkpoint.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "inference/files/model_json.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t index_bytes_max = 32U << 20U;
constexpr std::size_t shards_max = 1000;

// What an index says: which shard holds a tensor. Shards are plain file names in the index's own folder.
result<std::map<std::string, std::string>> read_index(const fs::path& index) {
  const auto json = model_json::read(index, index_bytes_max);
  if (!json) return tl::unexpected(json.error());
  simdjson::dom::object weights;
  const auto map = member(json->root(), "weight_map");
  if (!map || map->get(weights)) return json->problem({"weight_map"}, "must be an object");
  std::map<std::string, std::string> places;
  for (const auto [tensor, file] : weights) {
    std::string_view name;
    if (file.get(name) || name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
        name.find('\0') != name.npos || !name.ends_with(".safetensors"))
      return json->problem({"weight_map", tensor}, "is " + simdjson::to_string(file).substr(0, 120),
                           "the name of a .safetensors file in the same folder");
    places.insert_or_assign(std::string(tensor), std::string(name));  // of two the last, as JSON readers do
  }
  return places;
}

struct weight_files {
  std::vector<fs::path> shards;
  fs::path index;                             // empty: none
  std::map<std::string, std::string> places;  // the index's: tensor -> shard
};
result<weight_files> find_weights(const fs::path& folder) {
  if (file_exists(folder / "model.safetensors")) return weight_files{{folder / "model.safetensors"}, {}, {}};
  const auto index = folder / "model.safetensors.index.json";
  if (file_exists(index)) {
    auto places = read_index(index);
    if (!places) return tl::unexpected(places.error());
    std::set<std::string> shards;
    for (const auto& [tensor, shard] : *places) shards.insert(shard);
    if (shards.empty()) return fail(error_code::unprocessable, index.string() + " names no file");
    if (shards.size() > shards_max)
      return fail(error_code::unprocessable, index.string() + " names more than 1000 files");
    weight_files files{{}, index, std::move(*places)};
    for (const auto& name : shards) files.shards.push_back(folder / name);
    return files;
  }
  if (file_exists(folder / "pytorch_model.bin"))
    return fail(error_code::unprocessable,
                folder.string() + " has pickled weights only (pytorch_model.bin), which can run code when read",
                "save it with save_pretrained(.., safe_serialization=True)");
  return fail(error_code::load_failed, folder.string() + " has no model.safetensors");
}

}  // namespace

result<void> checkpoint::add(fs::path path, const std::map<std::string, std::string>& places) {
  auto file = open_for_reading(path);
  if (!file) return tl::unexpected(file.error());
  auto header = read_safetensors(file->fd.get(), file->size_bytes, path);
  if (!header) return tl::unexpected(header.error());
  size_bytes_ += file->size_bytes;
  auto& s =
      *shards_.emplace_back(std::make_unique<shard>(shard{std::move(path), std::move(*file), std::move(*header)}));
  const auto own_name = s.path.filename().string();
  for (const auto& t : s.header.tensors) {
    const auto place = places.find(t.name);
    if (place != places.end() && place->second != own_name) continue;  // an old copy: the index decides
    // What the index does not name is read as transformers reads it: of several the last shard's.
    tensors_.erase(t.name);
    tensors_.emplace(t.name, located{&t, &s.file, &s.path});
  }
  return {};
}

result<checkpoint> checkpoint::open(const fs::path& folder, std::uint64_t size_bytes_max) {
  auto files = find_weights(folder);
  if (!files) return tl::unexpected(files.error());
  checkpoint c;
  for (const auto& file : files->shards) {
    if (auto ok = c.add(file, files->places); !ok) return tl::unexpected(ok.error());
    if (size_bytes_max != 0 && c.size_bytes_ > size_bytes_max)
      return fail(error_code::payload_too_large, folder.string() + " is larger than an artifact may be",
                  "at most " + std::to_string(size_bytes_max) + " bytes");
  }
  for (const auto& [tensor, shard] : files->places)
    if (!c.tensors_.contains(tensor))
      return fail(error_code::unprocessable,
                  (folder / shard).string() + " lacks tensor '" + tensor.substr(0, 120) + "'",
                  files->index.filename().string() + " says that it is there");
  return c;
}

checkpoint::located checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? located{} : found->second;
}

result<std::vector<fs::path>> artifact_files(const fs::path& folder) {
  auto weights = find_weights(folder);
  if (!weights) return tl::unexpected(weights.error());
  auto files = std::move(weights->shards);
  if (!weights->index.empty()) files.insert(files.begin(), weights->index);
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "added_tokens.json",
                           "special_tokens_map.json", "sentence_bert_config.json"})
    if (file_exists(folder / name)) files.push_back(folder / name);
  return files;
}

result<std::string> fingerprint_of(const std::vector<fs::path>& files) {
  name_hash hash;
  for (const auto& file : files) {
    struct stat st {};
    if (::stat(file.c_str(), &st) != 0) return tl::unexpected(path_error("cannot look at", file, errno));
    hash.add(file.filename().native()).add(static_cast<std::uint64_t>(st.st_size)).add(st.st_ino).add(st.st_dev);
    hash.add(static_cast<std::uint64_t>(st.st_mtim.tv_sec)).add(static_cast<std::uint64_t>(st.st_mtim.tv_nsec));
  }
  return hash.hex();
}

}  // namespace troupe::inference
