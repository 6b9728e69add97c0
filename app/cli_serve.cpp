// `troupe serve`, and `troupe serve org/model`, which pulls it first where it is not there.

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"
#include "config/machine.hpp"
#include "config/threads.hpp"

namespace troupe::app {
namespace {

// The model in the store: as it is there, without asking its source, or pulled.
outcome<cache::manifest> in_store(const here& at, const wanted_model& what) {
  if (what.source.empty() && what.revision.empty()) {
    if (auto named = at.store->find(what.id)) return std::move(*named);
  }
  auto request = read_wanted(what, current_folder());
  if (!request) return failed(std::move(request.error()));
  auto have = at.store->find(request->name);
  if (have && have->source == request->source && have->model_id == request->model_id &&
      have->requested_revision == request->revision)
    return std::move(*have);
  auto got = pull_shown(at, *request);
  if (!got) return tl::unexpected(std::move(got.error()));
  return std::move(got->model);
}

// The name of a model that the registry has by the time this returns.
outcome<std::string> make_available(const command_line& line, const wanted_model& what) {
  const auto at = open_here(line);
  if (!at) return tl::unexpected(at.error());
  auto operators = find_registry(at->settings, *http::make_routes());
  if (!operators) return tl::unexpected(failure{std::move(operators.error()), exit_status::bad_usage});
  if (operators->models.contains(what.id)) return what.id;
  const auto stored = in_store(*at, what);
  if (!stored) return tl::unexpected(stored.error());
  if (auto entered = enter_in_registry(at->settings, *operators, at->store->folder_of(*stored), *stored); !entered)
    return tl::unexpected(std::move(entered.error()));
  return stored->name;
}

int run_serve(const command_line& line, const wanted_model& what, const composition& extra) {
  auto loaded = line.settings.load();
  if (!loaded) return complain(loaded.error(), exit_status::bad_usage);
  if (what.id.empty() && !(what.source + what.name + what.revision + what.task).empty())
    return complain({error_code::bad_request, "which model? None is named", {}, {}}, exit_status::bad_usage);
  // Asked beforehand: several libraries abort when they get no thread.
  if (const auto enough = config::check_threads(threads_needed(loaded->values)); !enough)
    return complain(enough.error(), exit_status::failed);
  try {
    if (!what.id.empty()) {
      const auto name = make_available(line, what);
      if (!name) return complain(name.error());
      loaded->values.preload_models.push_back(*name);
      if (loaded->values.default_model.empty()) loaded->values.default_model = *name;
    }
    return serve(*loaded, extra);
  } catch (const std::exception& e) {
    return complain({error_code::internal, std::string("the server could not start: ") + e.what(), {}, {}},
                    exit_status::failed);
  }
}

}  // namespace

void add_serve_command(CLI::App& app, command_line& line, const composition& extra) {
  const auto what = std::make_shared<wanted_model>();
  auto* command = app.add_subcommand("serve", "serve models over HTTP; one that is named is pulled first");
  command->add_option("model", what->id, "org/model, torchvision:resnet50, ./folder, ..: loaded, and the default");
  add_wanted_options(*command, *what);
  add_settings_options(*command, line.settings, line.help_all ? shown_settings::all : shown_settings::basic);
  command->callback(
      [&line, what, &extra] { line.run = [&line, what, &extra] { return run_serve(line, *what, extra); }; });
}

}  // namespace troupe::app
