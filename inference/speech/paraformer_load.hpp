#pragma once
// A folder with a Paraformer to a model: config.yaml, model.pt, am.mvn, tokens.json.

#include <memory>

#include "inference/speech/funasr_folder.hpp"

namespace troupe::inference {

// load_failed: something is not there; unprocessable: it is not known, or does not fit; both say what and where.
result<memory_estimate> estimate_paraformer(const funasr_folder& folder);
result<std::unique_ptr<const model>> load_paraformer(const funasr_folder& folder);

}  // namespace troupe::inference
