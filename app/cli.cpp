#include "app/cli.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "app/before_main.hpp"
#include "app/cli_predict.hpp"
#include "app/cli_settings.hpp"
#include "app/load_generator.hpp"
#include "app/logging.hpp"
#include "app/signals.hpp"
#include "config/located_json.hpp"
#include "config/machine.hpp"
#include "config/threads.hpp"
#include "config/version.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::app {
namespace {

constexpr int bad_usage = 2;

int complain(const error& why, int status) {
  std::fprintf(stderr, "troupe: %s\n", why.message.c_str());
  if (!why.detail.empty()) std::fprintf(stderr, "  %s\n", why.detail.c_str());
  return status;
}

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

std::string cpu_features() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("flags", 0) != 0) continue;
    line += ' ';
    std::string found;
    for (const char* name : {"sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512_vnni", "avx512_bf16",
                             "avx512_fp16", "amx_bf16", "amx_int8"}) {
      if (line.find(' ' + std::string(name) + ' ') != std::string::npos) found += (found.empty() ? "" : " ") + std::string(name);
    }
    return found;
  }
  return "unknown";
}

int print_version() {
  const auto git = version::git.empty() ? std::string() : " (" + std::string(version::git) + ')';
  std::printf("troupe    %s%s, %s%s\n", version::project.data(), git.c_str(), version::build_type.data(),
              version::sanitized ? ", sanitized" : "");
  std::printf("LibTorch  %s\n", inference::torch_version().c_str());
  std::printf("CAF       %s\n", version::caf.data());
  std::printf("RESTinio  %s\n", version::restinio.data());
  std::printf("compiler  g++ %s, C++ %ld\n", __VERSION__, __cplusplus);
  std::printf("CPU       %s\n", cpu_features().c_str());
  return 0;
}

struct bench_options {
  load_plan plan;
  std::string texts_file;
  bool no_cache = false, json = false;
};

int run_bench(bench_options options) {
  if (!options.texts_file.empty()) {
    std::ifstream in(options.texts_file);
    if (!in) return complain({error_code::bad_request, options.texts_file + ": cannot be opened", {}, {}}, bad_usage);
    for (std::string line; std::getline(in, line);) {
      if (!line.empty()) options.plan.texts.push_back(line);
    }
  }
  if (options.no_cache) options.plan.headers.push_back("Cache-Control: no-cache");
  const auto r = generate_load(options.plan);
  if (!r) return complain(r.error(), r.error().code == error_code::unavailable ? 1 : bad_usage);
  std::printf("%s\n", options.json ? to_json(options.plan, *r).c_str() : to_text(options.plan, *r).c_str());
  return r->latency.count() > 0 ? 0 : 1;
}

void add_bench_options(CLI::App& command, bench_options& o) {
  command.add_option("url", o.plan.url, "http://HOST:PORT asks /predict; with a path, that path")->required();
  command.add_option("--concurrency,-c", o.plan.concurrency, "connections [16]");
  command.add_option("--requests,-n", o.plan.requests, "how many; 0: until the time is over");
  command.add_option("--seconds", o.plan.seconds, "how long [10 without --requests]")->check(CLI::PositiveNumber);
  command.add_option("--warmup", o.plan.warmup_seconds, "seconds before it that are not counted");
  command.add_option("--rate", o.plan.rate, "requests a second (open loop); 0: as fast as answers come");
  command.add_option("--text", o.plan.texts, "text to send; more than one in turn")->allow_extra_args(false);
  command.add_option("--texts", o.texts_file, "file of texts, one a line");
  command.add_option("--body", o.plan.body, "JSON body to send instead");
  command.add_option("--model", o.plan.model, "model_name to send");
  command.add_option("--header,-H", o.plan.headers, "header to send, 'Name: value'")->allow_extra_args(false);
  command.add_option("--timeout", o.plan.timeout_seconds, "seconds until a request is given up [30]");
  command.add_flag("--no-cache", o.no_cache, "past the prediction cache");
  command.add_flag("--json", o.json, "the result as JSON");
  command.add_flag("--allow-remote", o.plan.allow_remote, "also load another machine");
}

int run_config(const settings_options& options, bool json) {
  const auto loaded = options.load();
  if (!loaded) return complain(loaded.error(), bad_usage);
  for (const auto& warning : loaded->warnings) std::fprintf(stderr, "troupe: %s\n", warning.c_str());
  std::printf("%s", (json ? settings_json(*loaded) + '\n' : settings_table(*loaded)).c_str());
  return 0;
}

int run_serve(const settings_options& options, const composition& extra) {
  const auto loaded = options.load();
  if (!loaded) return complain(loaded.error(), bad_usage);
  // Asked beforehand: several libraries abort when they get no thread.
  if (const auto enough = config::check_threads(threads_needed(loaded->values)); !enough)
    return complain(enough.error(), 1);
  try {
    return serve(*loaded, extra);
  } catch (const std::exception& e) {
    return complain({error_code::internal, std::string("the server could not start: ") + e.what(), {}, {}}, 1);
  }
}

int run_predict_command(const settings_options& options, const predict_options& what) {
  auto loaded = options.load();
  if (!loaded) return complain(loaded.error(), bad_usage);
  if (const auto enough = config::check_threads(1 + config::usable_cores()); !enough) return complain(enough.error(), 1);
  auto log = loaded->values;
  log.log_level = "warn";
  start_logging(log);
  const int status = run_predict(loaded->values, what);
  stop_logging();
  return status;
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
  return error{error_code::bad_request, first.empty() ? "a command is missing" : "unknown command " + escape_for_terminal(first),
               (near.empty() ? "" : "did you mean " + near + "? ") + "There are: " + all + "; `troupe COMMAND --help` tells more",
               {}};
}

}  // namespace

int run_cli(int argc, char** argv, const composition& extra) {
  if (argc > 1 && std::string_view(argv[1]) == "serve") prepare_signals();
  restart_with_environment(argc, argv);
  const bool help_all = std::any_of(argv, argv + argc, [](const char* a) { return std::string_view(a) == "--help-all"; });
  const auto basic = help_all ? shown_settings::all : shown_settings::basic;

  CLI::App app("troupe: many PyTorch models from one process", "troupe");
  app.set_version_flag("--version,-V", "troupe " + std::string(version::project));
  app.require_subcommand(1);
  app.get_formatter()->column_width(38);

  settings_options settings;
  auto* serve_command = app.add_subcommand("serve", "serve models over HTTP");
  add_settings_options(*serve_command, settings, basic);

  predict_options predict;
  auto* predict_command = app.add_subcommand("predict", "run texts through a model, without a server");
  predict_command->add_option("--model", predict.model, "registered name, or a folder or file");
  predict_command->add_option("text", predict.texts, "texts; - reads lines from stdin")->required();
  add_settings_options(*predict_command, settings, help_all ? basic : shown_settings::of_models);

  bench_options bench;
  auto* bench_command = app.add_subcommand("bench", "measure a running server");
  add_bench_options(*bench_command, bench);

  bool as_json = false, as_markdown = false;
  auto* config_command = app.add_subcommand("config", "each setting in force, and where it came from");
  config_command->add_flag("--json", as_json, "as JSON");
  config_command->add_flag("--markdown", as_markdown, "the reference of all settings (docs/settings.md)");
  add_settings_options(*config_command, settings, basic);

  auto* version_command = app.add_subcommand("version", "versions of troupe and its libraries, CPU features");
  for (auto* command : app.get_subcommands({})) command->set_help_flag("--help,-h,--help-all", "this help");

  if (const auto problem = problem_of_command(app, argc > 1 ? argv[1] : "")) return complain(*problem, bad_usage);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : bad_usage;
  }
  if (version_command->parsed()) return print_version();
  if (config_command->parsed()) {
    if (!as_markdown) return run_config(settings, as_json);
    std::printf("%s", config::settings_markdown().c_str());
    return 0;
  }
  if (bench_command->parsed()) return run_bench(std::move(bench));
  if (predict_command->parsed()) return run_predict_command(settings, predict);
  if (serve_command->parsed()) return run_serve(settings, extra);
  return bad_usage;
}

}  // namespace troupe::app
