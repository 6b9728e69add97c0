// `troupe predict`: loads a model in this process and runs texts through it, or asks a server. Prints document 001's
// answer to one text, a list to several.

#include <filesystem>
#include <iostream>

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"
#include "app/compose.hpp"
#include "config/default_model.hpp"
#include "config/machine.hpp"
#include "http/api/write_output.hpp"
#include "http/json/json_write.hpp"
#include "http/json/text.hpp"
#include "inference/loader.hpp"
#include "inference/torch/runtime.hpp"
#include "inference/torch/thread_share.hpp"

namespace troupe::app {
namespace {

struct predict_options {
  std::string model;               // a registered name, or a folder or file; empty: the default model
  std::vector<std::string> texts;  // "-": one a line from stdin
};

result<inference::artifact_spec> find_artifact(const config::settings& settings, std::string model) {
  auto registry = known_registry(settings);
  if (!registry) return tl::unexpected(registry.error());
  if (model.empty()) model = config::default_model(settings, *registry);
  if (model.empty()) {
    return fail(error_code::bad_request, "no model is registered", "name a folder or file with --model");
  }
  inference::artifact_spec spec;
  spec.name = model;
  spec.wanted = inference::parse_precision(settings.precision).value_or(inference::precision::automatic);
  const auto found = registry->models.find(model);
  if (found == registry->models.end()) {
    std::error_code ec;
    if (!std::filesystem::exists(model, ec)) {
      return fail(error_code::model_not_found,
                  "neither a registered model nor a folder or file: " + http::shown(model));
    }
    spec.path = std::filesystem::absolute(model, ec);
    return spec;
  }
  auto registered = inference::spec_of(found->second);
  if (registered.wanted == inference::precision::automatic) registered.wanted = spec.wanted;
  return registered;
}

std::vector<std::string> read_texts(const std::vector<std::string>& given) {
  std::vector<std::string> texts;
  for (const auto& text : given) {
    if (text != "-") {
      texts.push_back(text);
      continue;
    }
    for (std::string line; std::getline(std::cin, line);) {
      if (!http::is_blank(line)) texts.push_back(line);
    }
  }
  return texts;
}

// One text, alone; a model that steps is stepped until it is done.
result<void> predict_one(const inference::model& model, inference::instance& instance, const std::string& text,
                         bool cache_hit, const std::string& name, http::json_out& json) {
  if (http::is_blank(text)) return fail(error_code::unprocessable, "the text is empty");
  if (!http::is_utf8(text)) return fail(error_code::unprocessable, "the text is not UTF-8");
  const auto start = steady_clock::now();
  auto prepared = model.prepare(text);
  if (!prepared) return tl::unexpected(prepared.error());
  const auto state = model.open_state(**prepared);
  std::vector<inference::output> outputs;
  bool again = true;
  while (again) {
    inference::row row;
    row.in = prepared->get();
    row.st = state.get();
    instance.step({&row, 1});
    if (!row.problem.empty()) return fail(error_code::model_failed, row.problem);
    if (!std::holds_alternative<std::monostate>(row.out)) outputs.push_back(std::move(row.out));
    again = row.again;
  }
  const std::chrono::duration<double, std::milli> took = steady_clock::now() - start;
  json.object().field("text", text);
  if (outputs.size() == 1) {
    http::write_output(json, model.info().labels, outputs.front());
  } else {
    json.key("steps").array();
    for (const auto& out : outputs) {
      json.object();
      http::write_output(json, model.info().labels, out);
      json.end_object();
    }
    json.end_array();
  }
  json.field("model_used", name).field("cache_hit", cache_hit).field("processing_time_ms", took.count());
  if ((*prepared)->truncated) json.field("truncated", true);
  json.field("timestamp", std::chrono::system_clock::now()).end_object();
  return {};
}

// In this process.
outcome<std::string> predict_here(const config::settings& settings, const std::string& named,
                                  const std::vector<std::string>& texts) {
  auto spec = find_artifact(settings, named);
  if (!spec) {
    const bool unknown = spec.error().code == error_code::model_not_found;
    return tl::unexpected(failure{std::move(spec.error()), unknown ? exit_status::not_found : exit_status::bad_usage});
  }
  inference::initialise_runtime();
  const auto compute = choose_compute(settings);
  inference::use_threads({.threads = static_cast<int>(compute.lone_threads)});
  auto loaded = inference::load(*spec, compute.load);
  if (!loaded) return tl::unexpected(failure{std::move(loaded.error()), exit_status::failed});
  try {
    const auto& model = **loaded;
    const auto instance = model.make_instance();
    http::json_out json;
    if (texts.size() > 1) json.array();
    bool resident = false;  // document 001's cache_hit: the first text loaded the model
    for (const auto& text : texts) {
      if (auto done = predict_one(model, *instance, text, std::exchange(resident, true), spec->name, json); !done)
        return tl::unexpected(failure{std::move(done.error()), exit_status::failed});
    }
    if (texts.size() > 1) json.end_array();
    return json.str();
  } catch (const std::exception& e) {
    return failed({error_code::model_failed, std::string("the model failed: ") + e.what(), {}, {}});
  }
}

// By the server, one text after the other.
outcome<std::string> predict_there(server_client server, const std::string& named,
                                   const std::vector<std::string>& texts) {
  http::json_out answers;
  if (texts.size() > 1) answers.array();
  for (const auto& text : texts) {
    http::json_out body;
    body.object().field("text", text);
    if (!named.empty()) body.field("model_name", named);
    body.end_object();
    const auto answer = server.post("/predict", body.str());
    if (!answer) return tl::unexpected(answer.error());
    answers.raw(simdjson::minify((*answer)->root));
  }
  if (texts.size() > 1) answers.end_array();
  return answers.str();
}

outcome<std::string> run_predict(const command_line& line, const predict_options& o) {
  const auto texts = read_texts(o.texts);
  if (texts.empty()) return failed({error_code::bad_request, "no text", "troupe predict TEXT.., or - for stdin", {}});
  if (!line.server.url.empty() && line.server.url != "none") {
    auto server = need_server(line.server);
    if (!server) return tl::unexpected(std::move(server.error()));
    return predict_there(std::move(*server), o.model, texts);
  }
  return with_models_here(
      line, [](const config::settings&) { return 1 + config::usable_cores(); },
      [&](const config::settings& settings) { return predict_here(settings, o.model, texts); });
}

}  // namespace

void add_predict_command(CLI::App& app, command_line& line) {
  const auto o = std::make_shared<predict_options>();
  auto* command = app.add_subcommand("predict", "run texts through a model: here, or by a server");
  command->add_option("--model", o->model, "registered name, or a folder or file");
  command->add_option("text", o->texts, "texts; - reads lines from stdin")->required();
  add_server_options(*command, line.server);
  add_settings_options(*command, line.settings, line.help_all ? shown_settings::all : shown_settings::of_models);
  command->callback([&line, o] {
    line.run = reporting([&line, o]() -> outcome<void> {
      const auto answer = run_predict(line, *o);
      if (!answer) return tl::unexpected(answer.error());
      print(*answer + '\n');
      return {};
    });
  });
}

}  // namespace troupe::app
