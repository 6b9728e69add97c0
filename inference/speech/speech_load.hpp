#pragma once
// What loading a speech network shares with loading another: its precision, its weights in the store, the bytes that it
// will take. On a CPU. No Torch.

#include <cstdint>
#include <string>
#include <vector>

#include "inference/encoders/encoder.hpp"
#include "inference/files/weights.hpp"
#include "inference/model/artifact.hpp"
#include "inference/model/memory_use.hpp"

namespace troupe::inference {

// What the registry asks for, or else the options; where both leave it open, fp32: nothing is measured. unprocessable:
// a GPU, or int8 where there is no kernel for it.
result<precision> speech_precision(const artifact_spec& spec, const load_options& options);

weight_request speech_weights(const artifact_spec& spec, const load_options& options, const weight_plan& plan,
                              const std::string& version, precision what);

// `beside`: what is kept beside the weights and what the plan tells.
memory_estimate speech_estimate(const weight_request& request, const weight_plan& plan, std::uint64_t beside);

std::vector<mapping_use> mappings_of(const loaded_weights& weights);

}  // namespace troupe::inference
