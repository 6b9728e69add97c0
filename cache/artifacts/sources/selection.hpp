#pragma once
// Which files of a listing serving needs: settings, the tokenizer, and the weights once, in the format that is
// preferred (safetensors, then .bin, then what torch.save and torch.export write). Pure.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::cache {

inline constexpr std::size_t listed_files_max = 50'000;

struct listed_file {
  std::string path;
  std::optional<std::uint64_t> size_bytes;
};

struct selection {
  std::vector<std::size_t> files;  // places in the listing, in order of path
  std::vector<std::string> notes;  // what was left out and why, for people
};

// The content of a listed file: an index of shards, modules.json. At most listed_text_bytes_max.
using listed_reader = std::function<result<std::string>(std::size_t place)>;
inline constexpr std::uint64_t listed_text_bytes_max = 32U << 20U;

// Of several copies the one that the loader would take: a single file before shards, and of shards exactly the ones
// that the index names. `what` names the listing in errors: unprocessable (nothing to serve, with what is there
// instead; a name that no file may have; shards that are missing), or the reader's.
result<selection> select_files(const std::vector<listed_file>& listing, const std::string& what,
                               const listed_reader& read);

// By its ending, ignoring case: weights that make a model by themselves.
bool is_weights_name(std::string_view name);
inline constexpr std::string_view weights_endings = ".pt .pth .bin .safetensors .pt2";

}  // namespace troupe::cache
