// `troupe store verify` and `troupe store gc`: the store on the disk itself.

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"
#include "app/interrupts.hpp"
#include "inference/files/model_json.hpp"
#include "inference/files/ready_copies.hpp"

namespace troupe::app {
namespace {

outcome<exit_status> run_verify(const command_line& line) {
  const auto at = open_here(line);
  if (!at) return tl::unexpected(at.error());
  std::vector<cache::store_fault> faults;
  std::uint64_t read_bytes = 0;
  {
    const interruptible until_asked;
    progress_display display;
    faults = at->store->verify([&](std::uint64_t done, std::uint64_t total) {
      read_bytes = done;
      display.show({"Reading", {{"store", done, total}}, 0, {}});
      return !interruptible::flag().load();
    });
    if (interruptible::flag().load())
      return failed({error_code::cancelled, "interrupted", "not all of the store was read", {}});
  }
  const auto status = faults.empty() ? exit_status::done : exit_status::failed;
  if (line.json) {
    http::json_out json;
    json.object().field("bytes", read_bytes).key("faults").array();
    for (const auto& f : faults)
      json.object().field("name", f.name).field("file", f.file).field("what", f.what).end_object();
    print(json.end_array().end_object().str() + '\n');
    return status;
  }
  if (faults.empty()) {
    print("all is as it was written, " + human_bytes(read_bytes) + '\n');
    return status;
  }
  std::vector<table_row> rows;
  rows.reserve(faults.size());
  for (const auto& f : faults) rows.push_back({f.name, f.file, f.what});
  print(text_table({"NAME", "FILE", "WHAT"}, rows));
  say("`troupe pull` brings what is damaged anew");
  return status;
}

// A server collects by itself, and knows what it has in use.
outcome<void> no_server_uses(const command_line& line, const here& at) {
  auto server = find_server(line.server);
  if (!server) return tl::unexpected(std::move(server.error()));
  if (!*server) return {};
  const auto info = (**server).get("/models/cache/info");
  if (!info && info.error().status == exit_status::no_server) return {};
  std::error_code ec;
  if (info && !std::filesystem::equivalent(inference::text_of((*info)->root, "cache_directory"), at.store->root(), ec))
    return {};
  return failed({error_code::conflict,
                 "the server at " + (**server).url() + (info ? " uses this store" : " may use this store"),
                 "it collects by itself, each minute; --server none leaves it out of account",
                 {}});
}

outcome<void> run_gc(const command_line& line) {
  const auto at = open_here(line);
  if (!at) return tl::unexpected(at.error());
  if (auto alone = no_server_uses(line, *at); !alone) return alone;
  auto done = at->store->collect({});
  if (!done) return failed(done.error());
  done->freed_bytes += inference::remove_orphaned_copies(at->settings.ready_directory());
  for (const auto& name : done->evicted)
    if (auto taken_out = take_out_of_registry(at->settings, name); !taken_out) return taken_out;
  if (line.json) {
    http::json_out json;
    json.object().field("freed_bytes", done->freed_bytes).key("evicted").array();
    for (const auto& name : done->evicted) json.value(name);
    print(json.end_array().end_object().str() + '\n');
    return {};
  }
  for (const auto& name : done->evicted) print(name + ": removed, for store_limit_gb\n");
  print(human_bytes(done->freed_bytes) + " freed\n");
  return {};
}

}  // namespace

void add_store_commands(CLI::App& app, command_line& line) {
  auto* store = app.add_subcommand("store", "upkeep of the store on the disk: verify, gc");
  store->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, auto run) {
    auto* command = store->add_subcommand(name, help);
    add_json_option(*command, line);
    add_settings_options(*command, line.settings, shown_settings::of_store);
    command->set_help_flag("--help,-h,--help-all", "this help");
    command->callback([&line, run] { line.run = reporting([&line, run] { return run(line); }); });
    return command;
  };
  add("verify", "read everything again, and compare it with its digest", run_verify);
  auto* gc = add("gc", "remove what no model names, and models over store_limit_gb", run_gc);
  add_server_options(*gc, line.server);
}

}  // namespace troupe::app
