// `troupe ls`, `show`, `rm`, `cp`: the models of the store, through the running server or on the disk.

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"
#include "config/names.hpp"
#include "inference/files/model_json.hpp"
#include "inference/files/ready_copies.hpp"

namespace troupe::app {
namespace {

using inference::member;
using std::chrono::system_clock;

// The server, or else the store on the disk: one of them is there.
struct asked_one {
  std::optional<server_client> server;
  std::optional<here> at;
};

outcome<asked_one> who_is_asked(const command_line& line) {
  auto server = server_or_store(line);
  if (!server) return tl::unexpected(std::move(server.error()));
  if (*server) return asked_one{std::move(*server), {}};
  auto opened = open_here(line);
  if (!opened) return tl::unexpected(std::move(opened.error()));
  return asked_one{{}, std::move(*opened)};
}

// -- ls -----------------------------------------------------------------------------------------------------------

outcome<std::vector<model_facts>> list_of_server(server_client& server) {
  const auto managed = server.get("/models/managed");
  if (!managed) return tl::unexpected(managed.error());
  std::vector<model_facts> out;
  simdjson::dom::array rows;
  if (const auto list = member((*managed)->root, "downloaded_models"); !list || list->get(rows)) return out;
  for (const auto row : rows)
    if (auto facts = facts_of(row)) out.push_back(std::move(*facts));
  return out;
}

// For completion: what the commands that take a name can take.
outcome<std::vector<std::string>> names_of_server(server_client& server) {
  const auto answer = server.get("/models");
  if (!answer) return tl::unexpected(answer.error());
  std::vector<std::string> out;
  simdjson::dom::object models;
  if (const auto all = member((*answer)->root, "models"); !all || all->get(models)) return out;
  for (const auto [name, about] : models) out.emplace_back(name);
  return out;
}

outcome<void> run_ls(const command_line& line, bool names_only) {
  auto asked = who_is_asked(line);
  if (!asked) return tl::unexpected(std::move(asked.error()));
  auto& [server, at] = *asked;
  if (names_only) {
    std::vector<std::string> names;
    if (at) {
      for (const auto& m : at->store->list()) names.push_back(m.name);
    } else {
      auto told = names_of_server(*server);
      if (!told) return tl::unexpected(std::move(told.error()));
      names = std::move(*told);
    }
    std::string text;
    for (const auto& name : names)
      if (config::check_model_name(name)) text += name + '\n';
    print(text);
    return {};
  }
  std::vector<model_facts> models;
  if (at) {
    for (const auto& m : at->store->list()) models.push_back(look_at(at->settings, *at->store, m));
  } else {
    auto told = list_of_server(*server);
    if (!told) return tl::unexpected(std::move(told.error()));
    models = std::move(*told);
  }
  if (!line.json) {
    print(facts_table(models, system_clock::now()));
    return {};
  }
  http::json_out json;
  json.object().key("models").array();
  for (const auto& m : models) {
    json.object();
    write_facts(json, m, false);
    json.end_object();
  }
  print(json.end_array().end_object().str() + '\n');
  return {};
}

// -- show ---------------------------------------------------------------------------------------------------------

outcome<void> run_show(const command_line& line, const std::string& name) {
  auto asked = who_is_asked(line);
  if (!asked) return tl::unexpected(std::move(asked.error()));
  auto& [server, at] = *asked;
  model_facts facts;
  if (server) {
    const auto info = server->get(model_path(name, "/models/download/", "/info"));
    if (!info) return tl::unexpected(info.error());
    auto read = facts_of((*info)->root);
    if (!read) return failed(std::move(read.error()));
    facts = std::move(*read);
  } else {
    const auto found = at->store->find(name);
    if (!found) return failed(found.error());
    facts = look_at(at->settings, *at->store, *found);
  }
  if (!line.json) {
    print(facts_text(facts, system_clock::now()));
    return {};
  }
  http::json_out json;
  json.object();
  write_facts(json, facts, true);
  json.end_object();
  print(json.str() + '\n');
  return {};
}

// -- rm -----------------------------------------------------------------------------------------------------------

outcome<std::uint64_t> remove_by(server_client& server, const std::string& name) {
  const auto done = server.remove(model_path(name, "/models/download/"));
  if (!done) return tl::unexpected(done.error());
  return bytes_of_mb((*done)->root, "freed_mb");
}

outcome<std::uint64_t> remove_from(const here& at, const std::string& name) {
  const auto stored = at.store->find(name);
  std::uint64_t bytes = at.store->discard_partial(name);
  // Its manifest may be what cannot be read: it goes all the same.
  const auto freed = at.store->remove(name);
  if (!freed && (freed.error().code != error_code::model_not_found || bytes == 0)) return failed(freed.error());
  bytes += freed.value_or(0);
  if (stored) bytes += inference::remove_ready_copies(at.settings.ready_directory(), at.store->folder_of(*stored));
  if (auto taken_out = take_out_of_registry(at.settings, name); !taken_out)
    return tl::unexpected(std::move(taken_out.error()));
  return bytes;
}

outcome<exit_status> run_rm(const command_line& line, const std::vector<std::string>& names) {
  auto asked = who_is_asked(line);
  if (!asked) return tl::unexpected(std::move(asked.error()));
  auto& [server, at] = *asked;
  auto worst = exit_status::done;
  http::json_out json;
  json.object().key("models").array();
  for (const auto& name : names) {
    const auto freed = at ? remove_from(*at, name) : remove_by(*server, name);
    json.object().field("name", name).field("removed", freed.has_value());
    if (freed) {
      json.field("freed_bytes", *freed);
      if (!line.json) print(name + ": removed, " + human_bytes(*freed) + " freed\n");
    } else {
      json.field("error", freed.error().why.message);
      complain(freed.error());
      if (worst == exit_status::done || worst == exit_status::not_found) worst = freed.error().status;
    }
    json.end_object();
  }
  json.end_array().end_object();
  if (line.json) print(json.str() + '\n');
  return worst;
}

// -- cp -----------------------------------------------------------------------------------------------------------

outcome<model_facts> copy_by(server_client& server, const std::string& from, const std::string& to) {
  http::json_out body;
  body.object().field("name", to).end_object();
  const auto done = server.post(model_path(from, "/models/download/", "/copy"), body.str());
  if (!done) return tl::unexpected(done.error());
  auto facts = facts_of((*done)->root);
  if (!facts) return failed(std::move(facts.error()));
  return std::move(*facts);
}

outcome<model_facts> copy_in_store(const here& at, const std::string& from, const std::string& to) {
  if (auto good = config::check_model_name(to); !good) return failed(std::move(good.error()));
  const auto made = at.store->copy(from, to);
  if (!made) return failed(made.error());
  return look_at(at.settings, *at.store, *made);
}

outcome<void> run_cp(const command_line& line, const std::string& from, const std::string& to) {
  auto asked = who_is_asked(line);
  if (!asked) return tl::unexpected(std::move(asked.error()));
  auto& [server, at] = *asked;
  const auto made = at ? copy_in_store(*at, from, to) : copy_by(*server, from, to);
  if (!made) return tl::unexpected(made.error());
  if (!line.json) {
    print(to + ": the same as " + from + '\n');
    return {};
  }
  http::json_out json;
  json.object();
  write_facts(json, *made, true);
  json.end_object();
  print(json.str() + '\n');
  return {};
}

void finish(CLI::App& command, command_line& line) {
  add_json_option(command, line);
  add_server_options(command, line.server);
  add_settings_options(command, line.settings, shown_settings::of_store);
}

}  // namespace

void add_model_commands(CLI::App& app, command_line& line) {
  auto* ls = app.add_subcommand("ls", "the models of the store");
  const auto names_only = std::make_shared<bool>(false);
  ls->add_flag("--names", *names_only, "names alone, also of registered models that are not in the store");
  finish(*ls, line);
  ls->callback(
      [&line, names_only] { line.run = reporting([&line, names_only] { return run_ls(line, *names_only); }); });

  auto* show = app.add_subcommand("show", "what is known of a model of the store");
  const auto shown = std::make_shared<std::string>();
  show->add_option("name", *shown, "the model")->required();
  finish(*show, line);
  show->callback([&line, shown] { line.run = reporting([&line, shown] { return run_show(line, *shown); }); });

  auto* rm = app.add_subcommand("rm", "take models out of the store");
  const auto removed = std::make_shared<std::vector<std::string>>();
  rm->add_option("name", *removed, "the models")->required();
  finish(*rm, line);
  rm->callback([&line, removed] { line.run = reporting([&line, removed] { return run_rm(line, *removed); }); });

  auto* cp = app.add_subcommand("cp", "a second name for a model of the store; no byte is copied");
  const auto from = std::make_shared<std::string>(), to = std::make_shared<std::string>();
  cp->add_option("from", *from, "the model")->required();
  cp->add_option("to", *to, "its second name")->required();
  finish(*cp, line);
  cp->callback([&line, from, to] { line.run = reporting([&line, from, to] { return run_cp(line, *from, *to); }); });
}

}  // namespace troupe::app
