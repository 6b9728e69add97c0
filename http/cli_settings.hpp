#pragma once
// The options that set settings, made from their table, and `troupe config`.

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.hpp"

namespace CLI {
class App;
}

namespace troupe::http {

// What the command line says about settings; filled while CLI11 parses.
struct settings_options {
  std::string config_file;
  std::vector<std::pair<std::string, std::string>> overrides;
  result<config::loaded_settings> load() const;  // with this process's environment
};

// Adds --config and an option a setting: --max-models for max_models. The help shows the basic ones, or all.
void add_settings_options(CLI::App& command, settings_options& into, bool show_all);

std::string settings_table(const config::loaded_settings& loaded);
std::string settings_json(const config::loaded_settings& loaded);

}  // namespace troupe::http
