#pragma once
// How one kind of artifact is found, measured and loaded.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "inference/model/artifact.hpp"
#include "inference/model/model.hpp"

namespace troupe::inference {

// A layout of artifacts. Its functions are called on loader threads and may throw: load() (inference/loader.hpp)
// catches. `version`: the fingerprint of the files, taken before they are opened; load() takes it again afterwards.
struct format {
  std::string name;  // "safetensors", "torchscript": model_info::format
  // By its path and what lies there; an artifact belongs to the first format that claims it.
  bool (*claims)(const artifact_spec& spec) = nullptr;
  // The files that decide what is served.
  result<std::vector<std::filesystem::path>> (*files)(const artifact_spec& spec) = nullptr;
  result<memory_estimate> (*estimate)(const artifact_spec& spec, const load_options& options,
                                      const std::string& version) = nullptr;
  result<std::unique_ptr<const model>> (*load)(const artifact_spec& spec, const load_options& options,
                                               const std::string& version) = nullptr;
};

}  // namespace troupe::inference
