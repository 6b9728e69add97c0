#pragma once
// The weights of a Hugging Face folder as they lie on disk: one file, or several and an index, which decides where a
// tensor is; safetensors before pickled ones (pytorch_model.bin), as transformers looks for them. Read with pread,
// never mapped: the files are not ours.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inference/files/safetensors.hpp"

namespace troupe::inference {

class checkpoint {
 public:
  // Opens all shards and checks all headers. `size_bytes_max` 0: unbounded.
  static result<checkpoint> open(const std::filesystem::path& folder, std::uint64_t size_bytes_max);
  // One file of torch.save, as FunASR's models bring it (model.pt): the state dict may lie in a training program's.
  static result<checkpoint> open_torch_file(const std::filesystem::path& file, std::uint64_t size_bytes_max);

  struct located {
    const stored_tensor* tensor = nullptr;
    const opened_file* file = nullptr;
    const std::filesystem::path* path = nullptr;

    // The elements from number `first` on, row by row, however they lie in the file, as many as `out` has room for.
    // REQUIRES a tensor, of a type that stored_type_bytes() knows; they are there, and fill `out`.
    result<void> read(std::uint64_t first, std::span<std::byte> out) const;
  };
  // tensor == nullptr: not there.
  located find(std::string_view name) const;
  std::uint64_t size_bytes() const noexcept { return size_bytes_; }
  std::string_view format() const noexcept;  // "safetensors", "pytorch" (pickled)

 private:
  struct shard {
    std::filesystem::path path;
    opened_file file;
    std::vector<stored_tensor> tensors;
  };
  using reader = result<std::vector<stored_tensor>> (*)(const opened_file& file, const std::filesystem::path& path);
  // `places`: which shard holds a tensor, where an index says so.
  result<void> add(std::filesystem::path path, const std::map<std::string, std::string>& places, reader read);
  result<void> check_size(const std::filesystem::path& named, std::uint64_t size_bytes_max) const;

  std::vector<std::unique_ptr<shard>> shards_;
  std::unordered_map<std::string_view, located> tensors_;
  std::uint64_t size_bytes_ = 0;
};

// The files of a folder that decide what is served: weights, config, tokenizer. What is missing is left out. `weights`:
// where the checkpoint lies, the same folder or one inside.
result<std::vector<std::filesystem::path>> artifact_files(const std::filesystem::path& folder,
                                                          const std::filesystem::path& weights);

// Names, sizes, times and inodes of files, as one short text.
result<std::string> fingerprint_of(const std::vector<std::filesystem::path>& files);

}  // namespace troupe::inference
