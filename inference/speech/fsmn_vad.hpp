#pragma once
// FSMN-VAD's network (FunASR's FsmnVADStreaming): how probably each frame of 10 ms is silence. What speech is,
// endpoints.hpp decides; what the model is to everybody else, fsmn_vad_model.hpp. No Torch types.
//
//   samples --front_end_stream--> features --fsmn_vad::run--> silence --endpoint_detector--> spans

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "inference/files/weights.hpp"
#include "inference/speech/fsmn_vad_config.hpp"
#include "inference/torch/device_lane.hpp"

namespace troupe::inference {

// What a sound's memory blocks still see of its past: kernel - 1 frames a layer (19; 39 KB in fp32 for the published
// model), zero at its begin. Of one fsmn_vad.
struct fsmn_past {
  std::vector<std::byte> lines;  // [layers, kernel - 1, memory_size]
};

// The next frames of one sound.
struct fsmn_vad_row {
  std::span<const float> features;  // [frames, input_size]
  fsmn_past* past = nullptr;        // moves on with them
};

// With its weights. Immutable; any number of threads may run it at the same time, each with its own lane.
class fsmn_vad {
 public:
  virtual ~fsmn_vad() = default;
  virtual fsmn_past make_past() const = 0;
  virtual std::unique_ptr<device_lane> make_lane() const = 0;
  // The probability of silence of each frame of each row, 0 to 1, for endpoint_detector::feed(). Sounds of every age
  // share a batch; rows without frames are fine. A row's numbers depend on its neighbours in last bits at most.
  // REQUIRES rows of different pasts. Throws std::exception.
  virtual std::vector<std::vector<double>> run(std::span<const fsmn_vad_row> rows, device_lane& lane) const = 0;
};

// `weights` in the order of plan_fsmn_vad(). On a CPU. Throws std::exception.
std::shared_ptr<const fsmn_vad> make_fsmn_vad(const fsmn_vad_settings& settings, loaded_weights weights);

}  // namespace troupe::inference
