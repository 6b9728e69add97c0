#include "app/cli_settings.hpp"

#include <algorithm>
#include <map>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "app/before_main.hpp"
#include "http/json/json_write.hpp"

namespace troupe::app {
namespace {

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string::npos) all.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return all;
}

std::string option_name(std::string setting) {
  std::replace(setting.begin(), setting.end(), '_', '-');
  return "--" + setting;
}

// A short hint of the value in the help: MS, MiB, N, TEXT.
std::string value_hint(const config::setting_description& d) {
  if (!d.unit.empty()) {
    auto unit = d.unit;
    if (unit != "MiB")
      std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::toupper(c); });
    return unit;
  }
  if (d.type == "integer") return "N";
  if (d.type == "path") return "PATH";
  if (d.type == "list of strings") return "A,B,..";
  if (d.type == "list of listeners") return "HOST:PORT,..";
  return "TEXT";
}

bool needed_for_store(const std::string& setting) { return setting == "data_dir" || setting == "cache_directory"; }

bool needed_to_predict(const std::string& setting) {
  return setting == "models_file" || setting == "data_dir" || setting == "precision" || setting == "default_model";
}

}  // namespace

result<config::loaded_settings> settings_options::load() const {
  const in_lost_folder relative_paths_are_errors;
  std::optional<std::filesystem::path> file;
  if (!config_file.empty()) file = config_file;
  return config::load_settings(file, overrides, environment());
}

void add_settings_options(CLI::App& command, settings_options& into, shown_settings shown) {
  const bool show_all = shown == shown_settings::all;
  command.add_option("--config", into.config_file, "JSON file of settings")
      ->type_name("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  for (const auto& d : config::describe_settings()) {
    const auto set = [&into, name = d.name](const std::string& text) { into.overrides.emplace_back(name, text); };
    // In the short help a description is its first clause.
    auto help = show_all ? d.description : d.description.substr(0, d.description.find_first_of(";(."));
    while (!help.empty() && help.back() == ' ') help.pop_back();
    if (!d.default_text.empty()) help += " [" + d.default_text + "]";
    CLI::Option* option = nullptr;
    if (d.type == "boolean") {
      option = command.add_option_function<std::string>(option_name(d.name), set, help)->expected(0, 1);
      option->default_str("true")->run_callback_for_default();
      option->type_name("[true|false]");
    } else {
      option = command.add_option_function<std::string>(option_name(d.name), set, help)->type_name(value_hint(d));
    }
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    const bool in_help = shown == shown_settings::basic      ? d.basic
                         : shown == shown_settings::of_store ? needed_for_store(d.name)
                                                             : needed_to_predict(d.name);
    option->group(show_all ? d.group : in_help ? "Settings (all: --help-all, docs/settings.md)" : "");
  }
}

std::string settings_table(const config::loaded_settings& loaded) {
  std::size_t name_width = 0, value_width = 0, unit_width = 0;
  for (const auto& p : loaded.table) {
    name_width = std::max(name_width, p.name.size());
    unit_width = std::max(unit_width, p.unit.size());
    if (p.value.size() <= 40) value_width = std::max(value_width, p.value.size());
  }
  const auto padded = [](std::string text, std::size_t width) {
    text.resize(std::max(width, text.size()), ' ');
    return text + "  ";
  };
  std::string out;
  for (const auto& p : loaded.table) {
    out += padded(p.name, name_width) + padded(p.value.empty() ? "-" : p.value, value_width) +
           padded(p.unit, unit_width) + p.source + '\n';
  }
  return out;
}

std::string settings_json(const config::loaded_settings& loaded) {
  http::json_out json;
  json.array();
  for (const auto& p : loaded.table) {
    json.object().field("name", p.name).field("value", p.value).field("unit", p.unit).field("source", p.source);
    json.field("env", p.env).field("description", p.description).end_object();
  }
  return json.end_array().str();
}

}  // namespace troupe::app
