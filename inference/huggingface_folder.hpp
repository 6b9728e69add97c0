#pragma once
// A Hugging Face folder, opened: which class it is, where its weights are, which tasks it does.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "inference/encoder_model.hpp"
#include "inference/encoders/encoder.hpp"
#include "inference/files/checkpoint.hpp"
#include "inference/files/model_json.hpp"

namespace troupe::inference {

struct chosen_architecture {
  const architecture* what = nullptr;
  std::string notes;  // what was concluded, not read; empty: nothing
};

struct huggingface_folder {
  model_json config_json;
  chosen_architecture chosen;
  std::vector<task> tasks;  // of the class, the folder's own first; some may not apply to it
  std::unique_ptr<const encoder_config> config;
  checkpoint source;
  weight_plan plan;
};

// Its answers are stored by those who ask, and compared with later ones.
bool is_vector(task what) noexcept;

// Every header is checked, no weights are read. load_failed: something is not there; unprocessable: it is not known, or
// does not fit; both say what and where.
result<huggingface_folder> open_folder(const artifact_spec& spec, const load_options& options);

// The tasks that the folder does, its own first. unprocessable: what it says of one cannot be.
result<std::vector<task_and_head>> make_heads(const huggingface_folder& folder, const artifact_spec& spec,
                                              const tokenizer& tokens);

// The folder's tokenizer, with what its tasks need of it. unprocessable: it has ids that the network has not.
result<std::shared_ptr<const tokenizer>> open_tokenizer(const huggingface_folder& folder, const artifact_spec& spec);
// What it and the tasks keep beside the network, from a look at the vocabulary and at the settings of
// sentence-transformers' modules: tens of milliseconds, once for each version.
result<std::uint64_t> memory_beside(const huggingface_folder& folder, const artifact_spec& spec,
                                    const std::string& version);

// The longest input: what was asked for, what sentence-transformers' settings say, or else the tokenizer, what has
// positions; the least of them. unprocessable: no room for text, or a value that cannot be.
result<std::uint32_t> length_of(const artifact_spec& spec, const encoder_shape& shape, const tokenizer& tokens);

}  // namespace troupe::inference
