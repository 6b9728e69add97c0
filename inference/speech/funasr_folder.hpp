#pragma once
// Folders as FunASR's publishers ship them: config.yaml, model.pt, am.mvn, tokens.json and the like. The class that
// config.yaml names decides who reads the rest.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "inference/files/model_yaml.hpp"
#include "inference/model/format.hpp"
#include "inference/model/task.hpp"

namespace troupe::inference {

// A row of the table of formats: "funasr".
format funasr_format();

// A folder, its config.yaml read, and what its load is told. All outlive a call.
struct funasr_folder {
  const artifact_spec& spec;
  const load_options& options;
  const std::string& version;
  const model_yaml& config;

  const std::filesystem::path& path() const noexcept { return spec.path; }
};

// One class of config.yaml's `model`. Its functions may throw: load() (inference/loader.hpp) catches.
struct speech_class {
  std::string class_name;
  task what;
  bool fed;                        // it hears while it is fed (inference/model/live.hpp)
  std::vector<std::string> files;  // beside config.yaml and model.pt, where they are there: they decide what is served
  result<memory_estimate> (*estimate)(const funasr_folder& folder);
  result<std::unique_ptr<const model>> (*load)(const funasr_folder& folder);
};
// What is known; a further class is a row here.
const std::vector<speech_class>& speech_classes();

// Whether the folder's class is a fed one; false where it cannot be told. Reads config.yaml.
bool is_fed(const std::filesystem::path& folder);
// The rate of the sound that the folder's model hears, as its front-end says; the usual one where it cannot be told.
std::uint32_t heard_rate_hz(const std::filesystem::path& folder);

}  // namespace troupe::inference
