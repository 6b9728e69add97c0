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

namespace troupe::app {

// What the command line says about settings; filled while CLI11 parses.
struct settings_options {
  std::string config_file;
  std::vector<std::pair<std::string, std::string>> overrides;
  result<config::loaded_settings> load() const;  // with this process's environment
};

// Which of them the help of a command shows; all of them are understood.
enum class shown_settings { basic, of_models, of_store, all };

// Adds --config and an option a setting: --max-models for max_models.
void add_settings_options(CLI::App& command, settings_options& into, shown_settings shown);

std::string settings_table(const config::loaded_settings& loaded);
std::string settings_json(const config::loaded_settings& loaded);

}  // namespace troupe::app
