#include "app/cli_predict.hpp"

#include <cstdio>
#include <filesystem>
#include <iostream>

#include "app/compose.hpp"
#include "config/default_model.hpp"
#include "config/registered_models.hpp"
#include "http/api/write_output.hpp"
#include "http/json/json_write.hpp"
#include "http/json/text.hpp"
#include "inference/loader.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::app {
namespace {

result<inference::artifact_spec> find_artifact(const config::settings& settings, std::string model) {
  auto registry = find_registry(settings, *http::make_routes());
  if (!registry) return tl::unexpected(registry.error());
  *registry = config::merge(*registry, config::load_registered(settings.registered_file(), registry->reserved).models);
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
      return fail(error_code::model_not_found, "neither a registered model nor a folder or file: " + http::shown(model));
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

int complain(const error& why, int status) {
  std::fprintf(stderr, "troupe predict: %s\n", why.message.c_str());
  if (!why.detail.empty()) std::fprintf(stderr, "  %s\n", why.detail.c_str());
  return status;
}

}  // namespace

int run_predict(const config::settings& settings, const predict_options& options) {
  auto spec = find_artifact(settings, options.model);
  if (!spec) return complain(spec.error(), 2);
  const auto texts = read_texts(options.texts);
  if (texts.empty()) return complain({error_code::bad_request, "no text", "troupe predict TEXT.., or - for stdin", {}}, 2);
  inference::initialise_runtime();
  const auto compute = choose_compute(settings);
  inference::set_thread_intra_op_threads(static_cast<int>(compute.lone_threads));
  auto loaded = inference::load(*spec, compute.load);
  if (!loaded) return complain(loaded.error(), 1);
  try {
    const auto& model = **loaded;
    const auto instance = model.make_instance();
    http::json_out json;
    if (texts.size() > 1) json.array();
    bool resident = false;  // document 001's cache_hit: the first text loaded the model
    for (const auto& text : texts) {
      if (auto done = predict_one(model, *instance, text, std::exchange(resident, true), spec->name, json); !done) {
        return complain(done.error(), 1);
      }
    }
    if (texts.size() > 1) json.end_array();
    std::printf("%s\n", json.str().c_str());
    return 0;
  } catch (const std::exception& e) {
    return complain({error_code::model_failed, std::string("the model failed: ") + e.what(), {}, {}}, 1);
  }
}

}  // namespace troupe::app
