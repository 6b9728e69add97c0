#pragma once
// What a load is told: which artifact, where it is kept, and how it is to compute. Plain data, checked by those who
// read it.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/registry.hpp"
#include "inference/model/task.hpp"
#include "inference/model/tensor.hpp"

namespace troupe::inference {

// int8: the products of layers alone, with a scale a row of the weights and a token; the rest is fp32.
enum class precision { automatic, fp32, bf16, int8 };
std::string_view to_string(precision p) noexcept;  // "auto", "fp32", "bf16", "int8"
// Null: no such precision.
std::optional<precision> parse_precision(std::string_view name) noexcept;

// What the registry says about a model, as far as loading needs it.
struct artifact_spec {
  std::string name;
  std::filesystem::path path;           // a Hugging Face folder, or a .pt file
  std::optional<inference::task> task;  // not set: from the artifact
  precision wanted = precision::automatic;
  std::uint32_t max_length = 0;     // 0: the model's own
  std::vector<std::string> labels;  // empty: the checkpoint's own
  std::vector<tensor_spec> inputs;  // TorchScript: what the file does not tell
  bool batching = true;             // false: one row a batch (a graph with a fixed batch size)
};

// Of a registered model; `path` as the registry has it.
artifact_spec spec_of(const config::registered_model& m);

struct load_options {
  std::filesystem::path store;  // troupe's own artifact store; empty: no store, private memory
  std::string device = "cpu";   // "cpu", "cuda", "cuda:1"
  // What `automatic` means. `automatic` again: the fastest of fp32 and `candidates` that agrees with fp32, measured
  // once for each artifact (inference/precision_choice.hpp).
  precision automatic_precision = precision::fp32;
  std::vector<precision> candidates;  // whose products are faster than fp32's on this CPU
  // The most by which a probability may differ from fp32's. 0: a named precision is not compared.
  double precision_tolerance = 0;
  std::uint64_t max_artifact_bytes = 0;          // 0: unbounded
  const std::atomic<bool>* cancelled = nullptr;  // polled; a cancelled load fails with `cancelled`
};

}  // namespace troupe::inference
