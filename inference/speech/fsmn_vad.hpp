#pragma once
// FSMN-VAD (FunASR's FsmnVADStreaming): how probably each frame of 10 ms is silence. What speech is, endpoints.hpp
// decides. No Torch types.
//
//   samples --front_end_stream--> features --fsmn_vad::run--> silence --endpoint_detector--> spans
//
// Folder: config.yaml, am.mvn, model.pt. On a CPU.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "inference/audio/front_end.hpp"
#include "inference/model/artifact.hpp"
#include "inference/model/model.hpp"
#include "inference/speech/endpoints.hpp"
#include "inference/torch/device_lane.hpp"

namespace troupe::inference {

// What a sound's memory blocks still see of its past: kernel - 1 frames a layer (19; 39 KB in fp32 for the published
// model), zero at its begin. Of one fsmn_vad.
struct fsmn_past {
  std::vector<std::byte> lines;  // [layers, kernel - 1, memory_size]
};

// The next frames of one sound.
struct fsmn_vad_row {
  std::span<const float> features;  // [frames, width()]
  fsmn_past* past = nullptr;        // moves on with them
};

// With its weights. Immutable; any number of threads may run it at the same time, each with its own lane.
class fsmn_vad {
 public:
  virtual ~fsmn_vad() = default;
  virtual const model_info& info() const noexcept = 0;
  virtual const std::shared_ptr<const front_end>& front() const noexcept = 0;
  // As the checkpoint has them: the fixed rules.
  virtual const endpoint_settings& endpoints() const noexcept = 0;
  virtual fsmn_past make_past() const = 0;
  virtual std::unique_ptr<device_lane> make_lane() const = 0;
  // The probability of silence of each frame of each row, 0 to 1, for endpoint_detector::feed(). Sounds of every age
  // share a batch; rows without frames are fine. A row's numbers depend on its neighbours in last bits at most.
  // REQUIRES rows of different pasts. Throws std::exception.
  virtual std::vector<std::vector<double>> run(std::span<const fsmn_vad_row> rows, device_lane& lane) const = 0;
  virtual memory_use memory() const = 0;
};

std::vector<std::filesystem::path> fsmn_vad_files(const std::filesystem::path& folder);
// As a format's functions (model/format.hpp), for a folder whose config.yaml names FsmnVADStreaming.
result<memory_estimate> estimate_fsmn_vad(const artifact_spec& spec, const load_options& options,
                                          const std::string& version);
result<std::shared_ptr<const fsmn_vad>> load_fsmn_vad(const artifact_spec& spec, const load_options& options,
                                                      const std::string& version);

}  // namespace troupe::inference
