#pragma once
// A folder with an FSMN-VAD to a model: config.yaml, model.pt, am.mvn.

#include <memory>

#include "inference/speech/funasr_folder.hpp"

namespace troupe::inference {

// load_failed: something is not there; unprocessable: it is not known, or does not fit; both say what and where.
result<memory_estimate> estimate_fsmn_vad(const funasr_folder& folder);
result<std::unique_ptr<const model>> load_fsmn_vad(const funasr_folder& folder);

}  // namespace troupe::inference
