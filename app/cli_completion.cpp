// `troupe completion bash`: a script made from the command line itself, so that it knows what there is.

#include <algorithm>

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"

namespace troupe::app {
namespace {

// In single quotes of the shell. Commands and options are ours: they hold no quote.
std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : " ") + w;
  return out;
}

// What the help shows: all others are known, but would hide those.
std::vector<std::string> shown_options(const CLI::App& command) {
  std::vector<std::string> out;
  for (const auto* option : command.get_options()) {
    if (option->get_group().empty()) continue;
    for (const auto& name : option->get_lnames()) out.push_back("--" + name);
  }
  return out;
}

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    out.push_back(command->get_name());
  return out;
}

std::string bash_script(const CLI::App& app) {
  std::string cases;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const auto below = names_of(*command);
    auto options = shown_options(*command);
    for (const auto* sub : command->get_subcommands([](const CLI::App*) { return true; }))
      for (auto& option : shown_options(*sub))
        if (std::find(options.begin(), options.end(), option) == options.end()) options.push_back(std::move(option));
    cases += "    " + command->get_name() + ") words='" + joined(below) + "' options='" + joined(options) + "' ;;\n";
  }
  std::string sources;
  for (int i = 0; i <= static_cast<int>(cache::source_kind::local); ++i)
    sources += (i > 0 ? " " : "") + std::string(cache::to_string(static_cast<cache::source_kind>(i)));
  // Names come from a server, perhaps: they are compared, and never read by the shell (as compgen -W would).
  return R"(# bash completion of troupe: source <(troupe completion bash)
_troupe_names() {
  local name
  while IFS= read -r name; do
    [[ $name == "$2"* ]] && COMPREPLY+=("$name")
  done < <("$1" ls --names 2>/dev/null)
}

_troupe() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
  local words='' options=''
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W ')" +
         joined(names_of(app)) + R"( --help --version' -- "$word")
    return
  fi
  case $command in
)" + cases +
         R"(  esac
  if [[ $before == --source ]]; then
    mapfile -t COMPREPLY < <(compgen -W ')" +
         sources + R"(' -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  elif [[ -n $words && $COMP_CWORD -eq 2 ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  else
    case $command:$before in
      show:* | rm:* | cp:* | load:* | unload:* | stop:* | predict:--model | transcribe:--model) _troupe_names "${COMP_WORDS[0]}" "$word" ;;
    esac
  fi
}
complete -o default -F _troupe troupe
)";
}

}  // namespace

void add_completion_command(CLI::App& app, command_line& line) {
  auto* command = app.add_subcommand("completion", "a script for a shell: source <(troupe completion bash)");
  command->require_subcommand(1);
  auto* bash = command->add_subcommand("bash", "for bash");
  bash->set_help_flag("--help,-h,--help-all", "this help");
  bash->callback([&app, &line] {
    line.run = [&app] {
      print(bash_script(app));
      return 0;
    };
  });
}

}  // namespace troupe::app
