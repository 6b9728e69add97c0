#pragma once
// What sentence-transformers keeps beside config.json: modules.json, config_sentence_transformers.json, and the
// settings of its Transformer. Read as its version 6 reads them; both generations of class names are known.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/files/model_json.hpp"
#include "inference/tasks/text_rules.hpp"
#include "inference/text/tokenizer.hpp"

namespace troupe::inference {

struct sentence_module {
  std::string type;              // "Pooling"
  std::string place;             // in modules.json, for messages
  std::filesystem::path folder;  // its own, inside the model's
};

struct sentence_config {
  std::vector<sentence_module> modules;  // after the Transformer
  bool listed = false;                   // there is a modules.json, and it counts
  text_rules rules;
  std::string activation_fn;                  // of a CrossEncoder; empty: it does not say
  std::optional<std::uint32_t> truncate_dim;  // the vectors' width, where it is less than the modules give
  std::string notes;                          // what an operator should know; empty: nothing
};

enum class sentence_model { embedder, cross_encoder };

// A folder that was saved as the other kind is read as one without modules, as sentence-transformers does.
// unprocessable: broken files, unknown values, kinds and classes; told by name and place.
result<sentence_config> read_sentence_config(const std::filesystem::path& folder, sentence_model wanted,
                                             const tokenizer& tokens);

// Where config.json, weights and tokenizer of a folder lie: in its Transformer's own, where modules.json names one and
// it has a config.json (as sentence-transformers before version 2 saved them), else in the folder itself.
std::filesystem::path checkpoint_folder(const std::filesystem::path& folder);

// The longest input of a folder with a modules.json, as its Transformer's settings say; 0: there is no limit; null:
// they do not say. What is broken in modules.json is told by the tasks that read it. unprocessable: a value that cannot
// be.
result<std::optional<std::uint32_t>> sentence_length(const std::filesystem::path& folder);

// A module's own config.json; an empty object where there is none.
result<model_json> read_module_config(const std::filesystem::path& folder);

}  // namespace troupe::inference
