#pragma once
// The files in which torch.save keeps a state dict (pytorch_model.bin): where each tensor lies in them. The ZIP
// archives of torch 1.6 and later, and what was written before: pickles, then raw storages. The pickle is data to us
// (inference/files/pickle.hpp); no tensor's bytes are read here.

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "inference/files/safetensors.hpp"

namespace troupe::inference {

// Tensors by their names in the dict, in its order; several may have the same bytes. Every one lies inside its storage,
// and every storage inside the file, apart from the others. Entries that are no tensors are passed over, as
// transformers does.
//
// `wrappers`: dicts in the dict that are gone into where they are there, one after another: a training program's state
// dict lies in them.
//
// unprocessable: not such a file, truncated, written on a big-endian machine; it asks for something that no state dict
// needs; a tensor is sparse, quantized, or a view that is neither contiguous nor a matrix whose rows or columns are.
result<std::vector<stored_tensor>> read_torch_file(const opened_file& file, const std::filesystem::path& path,
                                                   std::span<const std::string_view> wrappers = {});

}  // namespace troupe::inference
