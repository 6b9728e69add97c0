#pragma once
// The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes. The rules are
// those of the reference implementation: every byte of the data belongs to exactly one tensor.
// Everything is checked against the file's size before a byte of data is read.

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "inference/files/files.hpp"

namespace troupe::inference {

inline constexpr std::uint64_t safetensors_header_bytes_max = 100'000'000;

struct stored_tensor {
  std::string name;
  std::string type;  // "F32", "BF16", ..
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes of the file
  // Of a matrix that does not lie row by row, as files of torch.save may have them: how many elements on the next row
  // and the next column are. Both 0: the tensor lies row by row, without gaps; always so in safetensors.
  std::uint64_t row_step = 0, column_step = 0;
  std::uint64_t elements() const noexcept {  // cannot overflow: checked when read
    std::uint64_t n = 1;
    for (const auto d : shape) n *= static_cast<std::uint64_t>(d);
    return n;
  }
};

struct safetensors_header {
  std::vector<stored_tensor> tensors;  // by place in the file
  std::map<std::string, std::string> metadata;
};

// Reads and checks the header of a file, or of memory that holds a whole file. `what` names it in
// errors.
result<safetensors_header> read_safetensors(int fd, std::uint64_t file_bytes, const std::filesystem::path& path);
result<safetensors_header> read_safetensors(std::span<const std::byte> file, const std::string& what);

// The head of a file (length and JSON) for tensors whose `type` and `shape` are set; sets `begin` and
// `end` in the order given, each tensor 64-byte aligned in the file by padding tensors named "__pad.N".
std::string make_safetensors_head(std::vector<stored_tensor>& tensors,
                                  const std::map<std::string, std::string>& metadata);

// "F32" -> 4; 0: not a type whose elements are whole bytes, or unknown.
std::uint64_t stored_type_bytes(std::string_view type) noexcept;

// [2, 3]
std::string shape_text(std::span<const std::int64_t> shape);

}  // namespace troupe::inference
