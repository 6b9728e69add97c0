#include "app/cli.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "app/before_main.hpp"
#include "app/cli_commands.hpp"
#include "app/signals.hpp"
#include "config/located_json.hpp"
#include "config/version.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::app {
namespace {

// OpenMP and oneDNN read their environment while they are loaded: the process starts once more where that must
// change. Only for commands that compute.
void restart_with_environment(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command != "serve" && command != "predict") return;
  if (!inference::prepare_environment()) return;
  std::error_code ignored;
  const auto itself = std::filesystem::read_symlink("/proc/self/exe", ignored);  // by its name: ps and pgrep show it
  const in_lost_folder as_it_was;
  execv(itself.empty() ? argv[0] : itself.c_str(), argv);
  // Where exec fails the process goes on: slower, but right.
}

// Null where the first argument is a command, or an option of `troupe` itself.
std::optional<error> problem_of_command(const CLI::App& app, const std::string& first) {
  if (first.starts_with('-')) return std::nullopt;
  std::vector<std::string> commands;
  std::string all;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands.push_back(command->get_name());
    all += (all.empty() ? "" : ", ") + command->get_name();
    if (command->get_name() == first) return std::nullopt;
  }
  const auto near = first.empty() ? std::string() : config::nearest(first, commands);
  return error{error_code::bad_request,
               first.empty() ? "a command is missing" : "unknown command " + first,
               (near.empty() ? "" : "did you mean " + near + "? ") + "There are: " + all +
                   "; `troupe COMMAND --help` tells more",
               {}};
}

}  // namespace

int run_cli(int argc, char** argv, const composition& extra) {
  if (argc > 1 && std::string_view(argv[1]) == "serve") prepare_signals();
  restart_with_environment(argc, argv);

  CLI::App app("troupe: many PyTorch models from one process", "troupe");
  app.set_version_flag("--version,-V", "troupe " + std::string(version::project));
  app.require_subcommand(1);
  app.get_formatter()->column_width(38);

  command_line line;
  line.help_all = std::any_of(argv, argv + argc, [](const char* a) { return std::string_view(a) == "--help-all"; });
  add_serve_command(app, line, extra);
  add_pull_command(app, line);
  add_model_commands(app, line);
  add_memory_commands(app, line);
  add_predict_command(app, line);
  add_transcribe_command(app, line);
  add_store_commands(app, line);
  add_bench_command(app, line);
  add_config_command(app, line);
  add_completion_command(app, line);
  add_version_command(app, line);
  for (auto* command : app.get_subcommands({})) command->set_help_flag("--help,-h,--help-all", "this help");

  if (const auto problem = problem_of_command(app, argc > 1 ? argv[1] : ""))
    return complain(*problem, exit_status::bad_usage);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : static_cast<int>(exit_status::bad_usage);
  }
  return line.run ? line.run() : static_cast<int>(exit_status::bad_usage);
}

}  // namespace troupe::app
