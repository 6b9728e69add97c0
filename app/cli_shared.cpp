// What the groups of commands share (cli_commands.hpp).

#include <CLI/CLI.hpp>

#include "app/before_main.hpp"
#include "app/cli_commands.hpp"
#include "app/interrupts.hpp"
#include "app/logging.hpp"
#include "config/threads.hpp"

namespace troupe::app {

void add_json_option(CLI::App& command, command_line& line, const char* what) {
  command.add_flag("--json", line.json, what);
}

void add_wanted_options(CLI::App& command, wanted_model& into) {
  command.add_option("--source", into.source,
                     "huggingface, torchvision, pytorch_hub, torchaudio, url, tts_auto, s3, local [from the id]");
  command.add_option("--name", into.name, "its name here [from the id]");
  command.add_option("--revision", into.revision, "branch, tag or commit");
  command.add_option("--task", into.task, "what it is served for [from its files]");
}

outcome<std::optional<server_client>> server_or_store(const command_line& line) {
  const bool of_disk = !line.settings.overrides.empty() || !line.settings.config_file.empty();
  if (line.server.url.empty() && of_disk) return std::nullopt;
  return find_server(line.server);
}

outcome<here> open_here(const command_line& line) {
  start_plain_logging();
  auto loaded = line.settings.load();
  if (!loaded) return tl::unexpected(failure{std::move(loaded.error()), exit_status::bad_usage});
  for (const auto& warning : loaded->warnings) say("troupe: " + warning);
  auto store = open_store(loaded->values);
  if (!store) return tl::unexpected(std::move(store.error()));
  return here{std::move(loaded->values), std::move(*store)};
}

outcome<config::settings> begin_models_here(const command_line& line,
                                            const std::function<std::uint32_t(const config::settings&)>& threads) {
  auto loaded = line.settings.load();
  if (!loaded) return tl::unexpected(failure{std::move(loaded.error()), exit_status::bad_usage});
  if (auto enough = config::check_threads(threads(loaded->values)); !enough)
    return tl::unexpected(failure{std::move(enough.error()), exit_status::failed});
  auto log = loaded->values;
  log.log_level = "warn";
  start_logging(log);
  return std::move(loaded->values);
}

outcome<cache::pulled> pull_shown(const here& at, const cache::pull_request& request) {
  const interruptible until_asked;
  progress_display display;
  auto got = pull_here(
      at.settings, at.store, request, [&](const progress_view& v) { display.show(v); }, &interruptible::flag());
  display.clear();
  if (!got && got.error().status == exit_status::interrupted)
    got.error().why = {error_code::cancelled, "interrupted", "the same pull goes on from here, for a day", {}};
  return got;
}

std::filesystem::path current_folder() {
  const in_lost_folder as_it_was;
  std::error_code ec;
  return std::filesystem::current_path(ec);
}

}  // namespace troupe::app
