#pragma once
// From a checkpoint's tensors to the one layout that our architectures run on: names of ours, one
// precision, q, k and v in one matrix, 64-byte aligned, in the order of use. Made once and kept in
// troupe's store, from where it is mapped; without a store, or where it cannot be written, made in
// private memory.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "inference/files/checkpoint.hpp"
#include "inference/files/mapped_file.hpp"
#include "inference/model/artifact.hpp"

namespace troupe::inference {

// One tensor of the layout, as a recipe: the source tensors below one another (along dimension 0).
struct planned_tensor {
  std::string name;
  std::vector<std::int64_t> shape;
  bool full_precision = false;     // F32 whatever the model's precision is
  std::vector<std::string> parts;  // names in the checkpoint; each has shape[0] / parts.size() rows
  std::string plus_row;            // the first row of this tensor is added to every row; empty: none
  bool product = false;            // a matrix that a layer multiplies with: in int8 where that is the model's precision
};

// The scales of a tensor that is kept in int8, a tensor of their own: one a row, in fp32.
inline std::string scales_of(const std::string& tensor) { return tensor + ":scale"; }
// The name of a tensor whose values are in panels (torch/panels.hpp); its shape is the matrix'.
inline std::string panels_of(const std::string& tensor) { return tensor + ":panels"; }

// What a layout is made of, and where it may be kept.
struct weight_request {
  std::vector<planned_tensor> plan;
  precision target = precision::fp32;  // not automatic
  std::filesystem::path source;        // the artifact's folder, names the store's entry
  std::string fingerprint;             // of the source's files
  std::filesystem::path store;         // empty: private memory
  bool panels = false;                 // products in fp32 or bf16 are in panels where these divide
  std::shared_ptr<memory_account> account;
  cancel_flag cancelled = nullptr;
};

struct loaded_weights {
  std::shared_ptr<const weight_memory> memory;
  std::vector<stored_tensor> tensors;  // in the plan's order, each with its scales after it; offsets into `memory`
  std::filesystem::path entry;         // the store's file that is mapped; empty: private memory
  std::string notes;                   // what went wrong with the store, if anything did
};

// The store's entry is used when it fits the plan and the fingerprint and holds, by its digest, what was written
// to it; else it is made anew. `source` (whose plan was
// checked) is only read when not. A store that cannot be written is no error: then the weights are
// private.
result<loaded_weights> load_weights(const weight_request& request, const checkpoint& source);

// Bytes of the store's entry; in private memory the layout takes as many but for the entry's head.
std::uint64_t entry_bytes(const weight_request& request);

// Every source tensor is there, with the right shape and a type that can be converted.
result<void> check_plan(const std::vector<planned_tensor>& plan, const checkpoint& source);

// A file of notes beside the layouts of `source`, which goes when they go: `store`/..`name`.json.
std::filesystem::path store_note(const std::filesystem::path& store, const std::filesystem::path& source,
                                 const std::string& name);

// Where the layout of `source` is kept.
std::filesystem::path store_entry(const weight_request& request);

}  // namespace troupe::inference
