// `troupe config`.

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"

namespace troupe::app {
namespace {

int run_config(const settings_options& options, bool as_json) {
  const auto loaded = options.load();
  if (!loaded) return complain(loaded.error(), exit_status::bad_usage);
  for (const auto& warning : loaded->warnings) say("troupe: " + warning);
  print(as_json ? settings_json(*loaded) + '\n' : settings_table(*loaded));
  return 0;
}

}  // namespace

void add_config_command(CLI::App& app, command_line& line) {
  const auto as_markdown = std::make_shared<bool>(false);
  auto* command = app.add_subcommand("config", "each setting in force, and where it came from");
  add_json_option(*command, line, "as JSON");
  command->add_flag("--markdown", *as_markdown, "the reference of all settings (docs/settings.md)");
  add_settings_options(*command, line.settings, line.help_all ? shown_settings::all : shown_settings::basic);
  command->callback([&line, as_markdown] {
    line.run = [&line, as_markdown] {
      if (!*as_markdown) return run_config(line.settings, line.json);
      print(config::settings_markdown());
      return 0;
    };
  });
}

}  // namespace troupe::app
