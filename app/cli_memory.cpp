// `troupe ps`, `load`, `unload`, `stop`: what the running server has in memory.

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"
#include "inference/files/model_json.hpp"

namespace troupe::app {
namespace {

using inference::member;
using inference::text_of;
using std::chrono::system_clock;

struct model_in_memory {
  std::string name, device, precision;
  std::uint64_t size_bytes = 0, instances = 0, requests = 0;
  std::optional<std::uint64_t> expires_s;  // null: it stays
  std::optional<system_clock::time_point> last_used;
};

std::uint64_t count_of(simdjson::dom::element object, const char* key) {
  std::uint64_t n = 0;
  const auto value = member(object, key);
  return value && !value->get(n) ? n : 0;
}

model_in_memory read_model(const std::string& name, simdjson::dom::element about) {
  model_in_memory out;
  out.name = name;
  out.size_bytes = bytes_of_mb(about, "memory_usage_mb");
  out.instances = count_of(about, "instances");
  out.requests = count_of(about, "access_count");
  if (member(about, "expires_in_seconds")) out.expires_s = count_of(about, "expires_in_seconds");
  out.last_used = parse_utc(text_of(about, "last_accessed"));
  if (const auto info = member(about, "model_info")) {
    out.device = text_of(*info, "device");
    out.precision = text_of(*info, "precision");
  }
  return out;
}

outcome<std::vector<model_in_memory>> in_memory(server_client& server) {
  const auto all = server.get("/models");
  if (!all) return tl::unexpected(all.error());
  std::vector<model_in_memory> out;
  simdjson::dom::object models;
  if (const auto found = member((*all)->root, "models"); !found || found->get(models)) return out;
  for (const auto [key, about] : models) {
    if (!inference::flag_of(about, "loaded", false)) continue;
    const std::string name(key);
    const auto one = server.get(model_path(name));
    if (!one && one.error().status == exit_status::not_found) continue;  // taken out meanwhile
    if (!one) return tl::unexpected(one.error());
    out.push_back(read_model(name, (*one)->root));
  }
  return out;
}

std::optional<std::int64_t> idle_s(const model_in_memory& m, system_clock::time_point now) {
  if (!m.last_used) return std::nullopt;
  return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now - *m.last_used).count());
}

outcome<void> run_ps(const command_line& line) {
  auto server = need_server(line.server);
  if (!server) return tl::unexpected(std::move(server.error()));
  const auto models = in_memory(*server);
  if (!models) return tl::unexpected(models.error());
  const auto now = system_clock::now();
  if (line.json) {
    http::json_out json;
    json.object().key("models").array();
    for (const auto& m : *models) {
      json.object().field("name", m.name).field("size_bytes", m.size_bytes).field("device", m.device);
      json.field("precision", m.precision).field("last_used", m.last_used).field("idle_s", idle_s(m, now));
      json.field("expires_s", m.expires_s).field("instances", m.instances).field("requests", m.requests);
      json.end_object();
    }
    print(json.end_array().end_object().str() + '\n');
    return {};
  }
  std::vector<table_row> rows;
  for (const auto& m : *models) {
    const auto idle = idle_s(m, now);
    rows.push_back({m.name, human_bytes(m.size_bytes), m.device, m.precision,
                    idle ? human_seconds(static_cast<double>(*idle)) : "",
                    m.expires_s ? "in " + human_seconds(static_cast<double>(*m.expires_s)) : "never",
                    std::to_string(m.instances), std::to_string(m.requests)});
  }
  print(text_table({"NAME", "SIZE", "DEVICE", "PRECISION", "IDLE", "EXPIRES", "INSTANCES", "REQUESTS"}, rows));
  return {};
}

outcome<void> run_change(const command_line& line, const std::string& name, const char* action) {
  auto server = need_server(line.server);
  if (!server) return tl::unexpected(std::move(server.error()));
  const auto done = server->post(model_path(name, "/models/", action), "{}");
  if (!done) return tl::unexpected(done.error());
  const auto& answer = (*done)->root;
  const bool load = member(answer, "already_loaded").has_value();
  const bool already = inference::flag_of(answer, load ? "already_loaded" : "already_unloaded", false);
  const auto bytes = bytes_of_mb(answer, load ? "memory_usage_mb" : "memory_freed_mb");
  if (line.json) {
    http::json_out json;
    json.object().field("name", name).field("loaded", load).field("already", already);
    json.field(load ? "size_bytes" : "freed_bytes", bytes).end_object();
    print(json.str() + '\n');
    return {};
  }
  const std::string what = load ? "loaded" : "unloaded";
  print(name + (already ? ": is " + what + " already" : ": " + what) +
        (bytes == 0 ? "" : ", " + human_bytes(bytes) + (load ? "" : " freed")) + '\n');
  return {};
}

}  // namespace

void add_memory_commands(CLI::App& app, command_line& line) {
  auto* ps = app.add_subcommand("ps", "the models that the running server has in memory");
  add_json_option(*ps, line);
  add_server_options(*ps, line.server);
  ps->callback([&line] { line.run = reporting([&line] { return run_ps(line); }); });

  struct change {
    const char *command, *action, *help;
  };
  for (const auto& [command, action, help] : {change{"load", "/load", "load a model into the running server's memory"},
                                              change{"unload", "/unload", "take a model out of its memory"},
                                              change{"stop", "/unload", "the same as unload"}}) {
    auto* sub = app.add_subcommand(command, help);
    const auto name = std::make_shared<std::string>();
    sub->add_option("name", *name, "the model")->required();
    add_json_option(*sub, line);
    add_server_options(*sub, line.server);
    sub->callback([&line, name, to = action] {
      line.run = reporting([&line, name, to] { return run_change(line, *name, to); });
    });
  }
}

}  // namespace troupe::app
