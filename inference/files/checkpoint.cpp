#include "inference/files/checkpoint.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "inference/files/model_json.hpp"
#include "inference/files/torch_file.hpp"

namespace troupe::inference {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t index_bytes_max = 32U << 20U;
constexpr std::size_t shards_max = 1000;

// What an index says: which shard holds a tensor. Shards are plain file names in the index's own folder.
result<std::map<std::string, std::string>> read_index(const fs::path& index, std::string_view ending) {
  const auto json = model_json::read(index, index_bytes_max);
  if (!json) return tl::unexpected(json.error());
  simdjson::dom::object weights;
  const auto map = member(json->root(), "weight_map");
  if (!map || map->get(weights)) return json->problem({"weight_map"}, "must be an object");
  std::map<std::string, std::string> places;
  for (const auto [tensor, file] : weights) {
    std::string_view name;
    if (file.get(name) || name.empty() || name == "." || name == ".." || name.find('/') != name.npos ||
        name.find('\0') != name.npos || !name.ends_with(ending))
      return json->problem({"weight_map", tensor}, "is " + simdjson::to_string(file).substr(0, 120),
                           "the name of a " + std::string(ending) + " file in the same folder");
    places.insert_or_assign(std::string(tensor), std::string(name));  // of two the last, as JSON readers do
  }
  return places;
}

struct weight_files {
  std::vector<fs::path> shards;
  fs::path index;                             // empty: none
  std::map<std::string, std::string> places;  // the index's: tensor -> shard
};
result<weight_files> read_index_of(const fs::path& index, std::string_view ending) {
  auto places = read_index(index, ending);
  if (!places) return tl::unexpected(places.error());
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : *places) shards.insert(shard);
  if (shards.empty()) return fail(error_code::unprocessable, index.string() + " names no file");
  if (shards.size() > shards_max)
    return fail(error_code::unprocessable, index.string() + " names more than 1000 files");
  weight_files files{{}, index, std::move(*places)};
  for (const auto& name : shards) files.shards.push_back(index.parent_path() / name);
  return files;
}
// In transformers' order.
result<weight_files> find_weights(const fs::path& folder) {
  for (const auto& [name, ending] :
       {std::pair("model.safetensors", ".safetensors"), std::pair("pytorch_model.bin", ".bin")}) {
    const auto single = folder / name, index = folder / (std::string(name) + ".index.json");
    if (file_exists(single)) return weight_files{{single}, {}, {}};
    if (file_exists(index)) return read_index_of(index, ending);
  }
  return fail(error_code::load_failed, folder.string() + " has no model.safetensors and no pytorch_model.bin");
}

result<std::vector<stored_tensor>> read_tensors(const opened_file& file, const fs::path& path) {
  if (path.extension() == ".bin") return read_torch_file(file, path);
  auto header = read_safetensors(file.fd.get(), file.size_bytes, path);
  if (!header) return tl::unexpected(header.error());
  return std::move(header->tensors);
}

// As FunASR looks for them.
result<std::vector<stored_tensor>> read_wrapped_tensors(const opened_file& file, const fs::path& path) {
  static constexpr std::array<std::string_view, 3> wrappers{"state_dict", "model_state_dict", "model"};
  return read_torch_file(file, path, wrappers);
}

}  // namespace

result<void> checkpoint::add(fs::path path, const std::map<std::string, std::string>& places, reader read) {
  auto file = open_for_reading(path);
  if (!file) return tl::unexpected(file.error());
  auto tensors = read(*file, path);
  if (!tensors) return tl::unexpected(tensors.error());
  size_bytes_ += file->size_bytes;
  auto& s =
      *shards_.emplace_back(std::make_unique<shard>(shard{std::move(path), std::move(*file), std::move(*tensors)}));
  const auto own_name = s.path.filename().string();
  for (const auto& t : s.tensors) {
    const auto place = places.find(t.name);
    if (place != places.end() && place->second != own_name) continue;  // an old copy: the index decides
    // What the index does not name is read as transformers reads it: of several the last shard's.
    tensors_.erase(t.name);
    tensors_.emplace(t.name, located{&t, &s.file, &s.path});
  }
  return {};
}

result<void> checkpoint::check_size(const fs::path& named, std::uint64_t size_bytes_max) const {
  if (size_bytes_max == 0 || size_bytes_ <= size_bytes_max) return {};
  return fail(error_code::payload_too_large, named.string() + " is larger than an artifact may be",
              "at most " + std::to_string(size_bytes_max) + " bytes");
}

result<checkpoint> checkpoint::open_torch_file(const fs::path& file, std::uint64_t size_bytes_max) {
  checkpoint c;
  if (auto ok = c.add(file, {}, read_wrapped_tensors); !ok) return tl::unexpected(ok.error());
  if (auto ok = c.check_size(file, size_bytes_max); !ok) return tl::unexpected(ok.error());
  return c;
}

result<checkpoint> checkpoint::open(const fs::path& folder, std::uint64_t size_bytes_max) {
  auto files = find_weights(folder);
  if (!files) return tl::unexpected(files.error());
  checkpoint c;
  for (const auto& file : files->shards) {
    if (auto ok = c.add(file, files->places, read_tensors); !ok) return tl::unexpected(ok.error());
    if (auto ok = c.check_size(folder, size_bytes_max); !ok) return tl::unexpected(ok.error());
  }
  for (const auto& [tensor, shard] : files->places)
    if (!c.tensors_.contains(tensor))
      return fail(error_code::unprocessable,
                  (folder / shard).string() + " lacks tensor '" + tensor.substr(0, 120) + "'",
                  files->index.filename().string() + " says that it is there");
  return c;
}

std::string_view checkpoint::format() const noexcept {
  return !shards_.empty() && shards_.front()->path.extension() == ".safetensors" ? "safetensors" : "pytorch";
}

checkpoint::located checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? located{} : found->second;
}

result<void> checkpoint::located::read(std::uint64_t first, std::span<std::byte> out) const {
  const auto& t = *tensor;
  const auto width = stored_type_bytes(t.type);
  const auto at = [&](std::uint64_t element) { return t.begin + element * width; };
  if (out.empty() || (t.row_step == 0 && t.column_step == 0))
    return read_exactly(file->fd.get(), at(first), out, *path);

  // A matrix whose rows, or columns, are in one piece each. Other dimensions are 1.
  const auto columns = static_cast<std::uint64_t>(
      *std::find_if(t.shape.rbegin(), t.shape.rend(), [](std::int64_t size) { return size != 1; }));
  const auto end = first + out.size() / width;  // elements [first, end) are asked for
  const auto place = [&](std::uint64_t row, std::uint64_t column) {
    return at(row * t.row_step + column * t.column_step);
  };
  const auto first_row = first / columns, last_row = (end - 1) / columns;
  if (t.column_step == 1) {
    for (auto row = first_row; row <= last_row; ++row) {
      const auto from = std::max(first, row * columns), to = std::min(end, (row + 1) * columns);
      const auto piece = out.subspan((from - first) * width, (to - from) * width);
      if (auto ok = read_exactly(file->fd.get(), place(row, from % columns), piece, *path); !ok) return ok;
    }
    return {};
  }
  // Some columns at a time, of all these rows, so that what is written lies together.
  constexpr std::uint64_t columns_at_once = 16;
  const auto rows = last_row - first_row + 1;
  std::vector<std::byte> pieces(std::min(columns_at_once, columns) * rows * width);
  for (std::uint64_t column = 0; column < columns; column += columns_at_once) {
    const auto count = std::min(columns_at_once, columns - column);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto piece = std::span(pieces).subspan(i * rows * width, rows * width);
      if (auto ok = read_exactly(file->fd.get(), place(first_row, column + i), piece, *path); !ok) return ok;
    }
    for (std::uint64_t row = 0; row < rows; ++row)
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto element = (first_row + row) * columns + column + i;
        if (element < first || element >= end) continue;  // of the first and the last row a part may be asked for
        std::memcpy(out.data() + (element - first) * width, pieces.data() + (i * rows + row) * width, width);
      }
  }
  return {};
}

namespace {

// sentence-transformers' modules have folders of their own: 1_Pooling, 2_Dense.
void add_module_files(const fs::path& folder, std::vector<fs::path>& files) {
  constexpr std::size_t files_max = 256;
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& sub : fs::directory_iterator(folder, ignored)) {
    const auto name = sub.path().filename().native();
    if (name.empty() || name.front() < '0' || name.front() > '9' || !sub.is_directory(ignored)) continue;
    for (const auto& file : fs::directory_iterator(sub.path(), ignored))
      if (file.is_regular_file(ignored) && found.size() < files_max &&
          std::find(files.begin(), files.end(), file.path()) == files.end())
        found.push_back(file.path());
  }
  std::sort(found.begin(), found.end());
  files.insert(files.end(), found.begin(), found.end());
}

void add_named_files(const fs::path& folder, std::vector<fs::path>& files) {
  const auto add = [&](const fs::path& file) {
    if (file_exists(file)) files.push_back(file);
  };
  for (const char* name :
       {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt",
        "sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model", "added_tokens.json",
        "special_tokens_map.json", "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"})
    add(folder / name);
  // The other names of sentence_bert_config.json. Last: the order is part of the fingerprints that notes are kept
  // under.
  for (const std::string name : {"roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"})
    add(folder / ("sentence_" + name + "_config.json"));
}

}  // namespace

result<std::vector<fs::path>> artifact_files(const fs::path& folder, const fs::path& weights) {
  auto found = find_weights(weights);
  if (!found) return tl::unexpected(found.error());
  auto files = std::move(found->shards);
  if (!found->index.empty()) files.insert(files.begin(), found->index);
  add_named_files(folder, files);
  if (weights != folder) add_named_files(weights, files);
  if (file_exists(folder / "modules.json")) add_module_files(folder, files);
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
