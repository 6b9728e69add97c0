#pragma once
// From an artifact on disk to a loaded model. Blocking; called on loader threads (and by tests and
// `troupe predict`), never on an actor. No Torch types here.

#include <cstdint>
#include <memory>
#include <string>

#include "inference/model/artifact.hpp"
#include "inference/model/model.hpp"

namespace troupe::inference {

// The artifact's own files, all together. Errors as load() gives them.
result<std::uint64_t> artifact_bytes(const artifact_spec& spec);

// What a load will need, close to the truth and not below it; no weights are read, the tokenizer is.
// Fails like load() does for what can be seen early (missing, unreadable, unknown layout).
result<memory_estimate> estimate_memory(const artifact_spec& spec, const load_options& options);

// Changes whenever the artifact's files change (names, sizes, times); cheap, used for re-validation.
result<std::string> fingerprint(const artifact_spec& spec);

// Loads. The returned model has not run yet: the caller warms it. Its info().version is the fingerprint of the
// files that were read: where they change meanwhile, they are read again, and after a few times it is an error.
result<std::unique_ptr<const model>> load(const artifact_spec& spec, const load_options& options);

}  // namespace troupe::inference
