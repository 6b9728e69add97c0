// `troupe bench`.

#include <fstream>

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"
#include "app/load_generator.hpp"

namespace troupe::app {
namespace {

struct bench_options {
  load_plan plan;
  std::string texts_file;
  bool no_cache = false;
};

int run_bench(bench_options options, bool as_json) {
  if (!options.texts_file.empty()) {
    std::ifstream in(options.texts_file);
    if (!in)
      return complain({error_code::bad_request, options.texts_file + ": cannot be opened", {}, {}},
                      exit_status::bad_usage);
    for (std::string line; std::getline(in, line);) {
      if (!line.empty()) options.plan.texts.push_back(line);
    }
  }
  if (options.no_cache) options.plan.headers.push_back("Cache-Control: no-cache");
  const auto r = generate_load(options.plan);
  if (!r)
    return complain(r.error(),
                    r.error().code == error_code::unavailable ? exit_status::no_server : exit_status::bad_usage);
  print((as_json ? to_json(options.plan, *r) : to_text(options.plan, *r)) + '\n');
  return r->latency.count() > 0 ? 0 : static_cast<int>(exit_status::failed);
}

}  // namespace

void add_bench_command(CLI::App& app, command_line& line) {
  const auto o = std::make_shared<bench_options>();
  auto* command = app.add_subcommand("bench", "measure a running server");
  command->add_option("url", o->plan.url, "http://HOST:PORT asks /predict; with a path, that path")->required();
  command->add_option("--concurrency,-c", o->plan.concurrency, "connections [16]");
  command->add_option("--requests,-n", o->plan.requests, "how many; 0: until the time is over");
  command->add_option("--seconds", o->plan.seconds, "how long [10 without --requests]")->check(CLI::PositiveNumber);
  command->add_option("--warmup", o->plan.warmup_seconds, "seconds before it that are not counted");
  command->add_option("--rate", o->plan.rate, "requests a second (open loop); 0: as fast as answers come");
  command->add_option("--text", o->plan.texts, "text to send; more than one in turn")->allow_extra_args(false);
  command->add_option("--texts", o->texts_file, "file of texts, one a line");
  command->add_option("--body", o->plan.body, "JSON body to send instead");
  command->add_option("--model", o->plan.model, "model_name to send");
  command->add_option("--header,-H", o->plan.headers, "header to send, 'Name: value'")->allow_extra_args(false);
  command->add_option("--timeout", o->plan.timeout_seconds, "seconds until a request is given up [30]");
  command->add_flag("--no-cache", o->no_cache, "past the prediction cache");
  command->add_flag("--allow-remote", o->plan.allow_remote, "also load another machine");
  add_json_option(*command, line);
  command->callback([&line, o] { line.run = [&line, o] { return run_bench(std::move(*o), line.json); }; });
}

}  // namespace troupe::app
