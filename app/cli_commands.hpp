#pragma once
// The groups of commands: each adds its own to the command line, a file a group (cli_pull.cpp, ..). What a command does
// is kept in `run` while the command line is parsed, and done afterwards.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "app/cli_outcome.hpp"
#include "app/cli_settings.hpp"
#include "app/compose.hpp"
#include "app/local_store.hpp"
#include "app/logging.hpp"
#include "app/model_ids.hpp"
#include "app/progress_display.hpp"
#include "app/server_client.hpp"

namespace troupe::app {

struct command_line {
  settings_options settings;
  server_options server;
  bool json = false;      // --json
  bool help_all = false;  // every setting is shown by --help
  std::function<int()> run;
};

void add_serve_command(CLI::App& app, command_line& line, const composition& extra);
void add_predict_command(CLI::App& app, command_line& line);
void add_transcribe_command(CLI::App& app, command_line& line);
void add_pull_command(CLI::App& app, command_line& line);
void add_model_commands(CLI::App& app, command_line& line);   // ls show rm cp
void add_memory_commands(CLI::App& app, command_line& line);  // ps load unload stop
void add_store_commands(CLI::App& app, command_line& line);   // store verify, store gc
void add_bench_command(CLI::App& app, command_line& line);
void add_config_command(CLI::App& app, command_line& line);
void add_completion_command(CLI::App& app, command_line& line);
void add_version_command(CLI::App& app, command_line& line);

// -- what groups share

void add_json_option(CLI::App& command, command_line& line, const char* what = "the result as JSON");
// --source, --name, --revision, --task
void add_wanted_options(CLI::App& command, wanted_model& into);

// Settings that the command line gives mean the store that they name, and no server that was not named.
outcome<std::optional<server_client>> server_or_store(const command_line& line);
// For commands on the store; their log is warnings on stderr.
struct here {
  config::settings settings;
  shared_store store;
};
outcome<here> open_here(const command_line& line);

// For commands that run models in this process, which takes so many threads: the settings of the command line. The
// log is warnings from then on, until stop_logging().
outcome<config::settings> begin_models_here(const command_line& line,
                                            const std::function<std::uint32_t(const config::settings&)>& threads);
// `f` is given them, and gives an outcome.
template <class F>
std::invoke_result_t<F, const config::settings&> with_models_here(
    const command_line& line, const std::function<std::uint32_t(const config::settings&)>& threads, F f) {
  const auto settings = begin_models_here(line, threads);
  if (!settings) return tl::unexpected(settings.error());
  auto done = f(*settings);
  stop_logging();
  return done;
}

// A pull into this store, with its progress on stderr, that Ctrl-C ends. What has come by then is kept for the next.
outcome<cache::pulled> pull_shown(const here& at, const cache::pull_request& request);
// The current folder, for paths; as it was when the process started.
std::filesystem::path current_folder();

// run = complain about what `f` gives, if it failed. `f` gives an outcome<void> or outcome<exit_status>.
template <class F>
std::function<int()> reporting(F f) {
  return [f = std::move(f)]() mutable -> int {
    const auto done = f();
    if (!done) return complain(done.error());
    if constexpr (std::is_same_v<std::decay_t<decltype(done)>, outcome<exit_status>>) return static_cast<int>(*done);
    return 0;
  };
}

}  // namespace troupe::app
