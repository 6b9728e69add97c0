#pragma once
// What is shipped with the program: it lies in share/troupe/models, beside the program or above it.

#include <filesystem>
#include <optional>
#include <string_view>

namespace troupe::config {

// Null: there is none.
std::optional<std::filesystem::path> shipped_file(std::string_view name);

}  // namespace troupe::config
