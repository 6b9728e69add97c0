#pragma once
// What loading a speech network shares with loading another: its precision, its weights in the store, the bytes that it
// will take. On a CPU. No Torch.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inference/audio/front_end.hpp"
#include "inference/encoders/encoder.hpp"
#include "inference/files/checkpoint.hpp"
#include "inference/files/weights.hpp"
#include "inference/model/memory_account.hpp"
#include "inference/model/memory_use.hpp"
#include "inference/model/model.hpp"
#include "inference/speech/funasr_folder.hpp"

namespace troupe::inference {

// What the registry asks for, or else the options; where both leave it open, fp32: nothing is measured. unprocessable:
// a GPU, or int8 where there is no kernel for it.
result<precision> speech_precision(const artifact_spec& spec, const load_options& options);

// `beside`: bytes that are kept beside the weights and what the plan tells.
memory_estimate speech_estimate(const funasr_folder& folder, const weight_plan& plan, precision what,
                                std::uint64_t beside);

// What every speech model says of itself.
model_info speech_info(const funasr_folder& folder, std::string architecture, task does, const weight_plan& plan,
                       precision what);

// The front-end, normalised as the folder's am.mvn says.
result<std::shared_ptr<const front_end>> speech_front_end(const funasr_folder& folder,
                                                          const front_end_settings& settings);

// What is private of them is charged to `account`; what an operator should know of the load is added to info.notes.
result<loaded_weights> load_speech_weights(const funasr_folder& folder, const weight_plan& plan,
                                           const checkpoint& source, precision what,
                                           std::shared_ptr<memory_account> account, model_info& info);

std::vector<mapping_use> mappings_of(const loaded_weights& weights);

}  // namespace troupe::inference
