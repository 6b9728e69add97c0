#pragma once
// Models that are registered while the server runs: they stand in a file of troupe's own (settings::registered_file),
// beside the operator's registry and in the same format. What a change makes of them, and what is in force when both
// are put together: the operator's file wins for a name in both. Pure functions, except load_registered.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/registry.hpp"

namespace troupe::config {

// As they stand in their file: without the defaults of tasks, which are the operator's file's to say.
using registered_models = std::map<std::string, registered_model>;

enum class registration_outcome : std::uint8_t { created, replaced, unchanged, removed };
std::string_view to_string(registration_outcome o) noexcept;

// The model as it will be read back from the file. Errors (bad_request): its name is bad or reserved, its path is not
// absolute, or an option cannot be used.
result<registered_model> check_registration(const registered_model& model, const reserved_names& reserved);

// One change. REQUIRES: `model` has passed check_registration. Errors: conflict where the operator's file has the name
// (the change would not last), or where `most` models are registered; model_not_found where there is nothing to remove.
// Then nothing has changed.
result<registration_outcome> put_registered(registered_models& models, const registry& operators,
                                            registered_model model, std::uint32_t most);
result<registration_outcome> remove_registered(registered_models& models, const registry& operators,
                                               const std::string& name);

// What is in force for a model that was registered at run time, and for all of both.
registered_model in_force(registered_model model, const registry& operators);
registry merge(const registry& operators, const registered_models& models);
// Names that stand in both: what was registered at run time is not in force.
std::vector<std::string> names_in_both(const registry& operators, const registered_models& models);

// Such a file, as far as it can be used. One that is not there is empty.
struct loaded_models {
  registered_models models;
  std::vector<error> refused;       // entries that cannot be used, or all of it
  std::optional<error> unreadable;  // it is there, but what it says is not known
};
loaded_models load_registered(const std::filesystem::path& file, const reserved_names& reserved);
inline constexpr std::uint64_t max_registered_file_bytes = 256ull << 20;

}  // namespace troupe::config
