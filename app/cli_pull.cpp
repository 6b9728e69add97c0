// `troupe pull`: by the running server, or into the store on the disk.

#include <thread>

#include <CLI/CLI.hpp>

#include "app/cli_commands.hpp"
#include "app/interrupts.hpp"
#include "inference/files/model_json.hpp"

namespace troupe::app {
namespace {

using namespace std::chrono_literals;
using inference::member;
using inference::text_of;
constexpr auto between_polls = 300ms;

struct pull_options {
  wanted_model what;
  bool no_load = false;
};

struct pulled_model {
  model_facts facts;
  bool unchanged = false;
  std::string load_error;  // a server could not load it
};

void tell(const pulled_model& p, bool as_json) {
  const auto& m = p.facts;
  if (!p.load_error.empty()) say("troupe: it is not loaded: " + p.load_error);
  if (m.servable == false) say("troupe: it cannot be served yet: " + m.reason);
  if (as_json) {
    http::json_out json;
    json.object().field("unchanged", p.unchanged);
    p.load_error.empty() ? json.field("load_error", nullptr) : json.field("load_error", p.load_error);
    write_facts(json, m, true);
    json.end_object();
    return print(json.str() + '\n');
  }
  // "org/name: pulled, 12 files, 91.0 MiB"
  print(m.name + (p.unchanged ? ": up to date, " : ": pulled, ") + std::to_string(m.files.size()) +
        (m.files.size() == 1 ? " file, " : " files, ") + human_bytes(m.size_bytes) + '\n');
}

progress_view view_of(simdjson::dom::element status) {
  progress_view v;
  v.message = text_of(status, "message");
  double number = 0;
  if (const auto speed = member(status, "speed_mb_s"); speed && !speed->get(number)) v.bytes_per_s = number * 1048576.0;
  if (const auto eta = member(status, "eta"); eta && !eta->get(number)) v.left_s = number;
  simdjson::dom::array files;
  if (const auto list = member(status, "files"); list && !list->get(files)) {
    for (const auto f : files) {
      auto& bar = v.files.emplace_back();
      bar.path = text_of(f, "path");
      if (const auto done = member(f, "bytes_done"); done && done->get(bar.done)) bar.done = 0;
      std::uint64_t total = 0;
      if (const auto all = member(f, "bytes_total"); all && !all->get(total)) bar.total = total;
    }
  }
  return v;
}

// How a download of the server's has ended.
struct download_end {
  std::string status, message, detail, code, load_error;
};

class server_pull {
 public:
  server_pull(server_client& server, const cache::pull_request& what, bool load)
      : server_(server), what_(what), load_(load) {}

  outcome<pulled_model> run() {
    const interruptible until_asked;
    server_.heed(&interruptible::flag());
    auto done = pull();
    display_.clear();
    server_.heed(nullptr);
    if (!done && done.error().status == exit_status::interrupted) call_off(done.error());
    return done;
  }

 private:
  outcome<pulled_model> pull() {
    http::json_out body;
    body.object().field("source", cache::to_string(what_.source)).field("model_id", what_.model_id);
    body.field("name", what_.name).field("load", load_);
    if (!what_.revision.empty()) body.field("revision", what_.revision);
    if (!what_.task.empty()) body.field("task", what_.task);
    body.end_object();
    auto started = server_.post("/models/download", body.str());
    if (!started) return tl::unexpected(std::move(started.error()));
    std::string before;  // the snapshot that it had
    if (text_of((*started)->root, "status") == "already_exists") {
      const auto have = facts();
      if (!have) return tl::unexpected(taken(have.error(), text_of((*started)->root, "message")));
      if (auto other = another(*have)) return tl::unexpected(std::move(*other));
      before = have->snapshot;
      http::json_out update;
      update.object().field("action", "update").field("model_name", what_.name).end_object();
      started = server_.post("/models/manage", update.str());
      if (!started) return tl::unexpected(std::move(started.error()));
    } else {
      ours_ = true;
    }
    id_ = text_of((*started)->root, "download_id");
    const auto end = follow();
    if (!end) return tl::unexpected(end.error());
    if (end->status != "completed") return tl::unexpected(failure_of(*end));
    auto now = facts();
    if (!now) return tl::unexpected(std::move(now.error()));
    const bool unchanged = now->snapshot == before;
    return pulled_model{std::move(*now), unchanged, end->load_error};
  }

  outcome<model_facts> facts() {
    const auto info = server_.get(model_path(what_.name, "/models/download/", "/info"));
    if (!info) return tl::unexpected(info.error());
    auto read = facts_of((*info)->root);
    if (!read) return failed(std::move(read.error()));
    return std::move(*read);
  }

  // The name is the operator's, of a model that the store does not have.
  static failure taken(failure why, const std::string& message) {
    if (why.status == exit_status::not_found)
      return {{error_code::conflict, message, "--name gives this one another name", {}}, exit_status::failed};
    return why;
  }

  std::optional<failure> another(const model_facts& have) const {
    const auto from = have.source + ' ' + have.model_id;
    const auto what_to_do = "--name gives this one another name; `troupe rm " + what_.name + "` takes that one away";
    if (have.source != cache::to_string(what_.source) || have.model_id != what_.model_id)
      return failure{{error_code::conflict, what_.name + " is another model there, from " + from, what_to_do, {}},
                     exit_status::failed};
    const bool same = what_.revision.empty() || what_.revision == have.requested_revision ||
                      have.revision.starts_with(what_.revision);
    if (same) return std::nullopt;
    return failure{{error_code::conflict, what_.name + " is there, at revision " + have.revision, what_to_do, {}},
                   exit_status::failed};
  }

  outcome<download_end> follow() {
    std::optional<download_end> end;
    const auto path = "/models/download/status/" + http_call::encoded(id_);
    const auto see = [&](simdjson::dom::element status) {
      display_.show(view_of(status));
      const auto state = text_of(status, "status");
      if (state != "completed" && state != "failed" && state != "cancelled") return true;
      end = download_end{state, text_of(status, "message"), text_of(status, "detail"), text_of(status, "code"),
                         text_of(status, "load_error")};
      return false;
    };
    const auto streamed = server_.follow(path + "/events", [&](const std::string& name, simdjson::dom::element status) {
      return name == "error" ? false : see(status);
    });
    if (!streamed) return tl::unexpected(streamed.error());
    while (!end) {  // no stream, or it was cut
      const auto status = server_.get(path);
      if (!status) return tl::unexpected(status.error());
      if (!see((*status)->root)) break;
      std::this_thread::sleep_for(between_polls);
    }
    return std::move(*end);
  }

  static failure failure_of(const download_end& end) {
    failure out{{error_code::unavailable, end.message, end.detail, {}}, exit_status::failed};
    for (const auto code : {error_code::bad_request, error_code::model_not_found})
      if (to_string(code) == end.code) out.status = status_of(code);
    return out;
  }

  // Only what this command has begun: to cancel an update would take the model away.
  void call_off(failure& why) {
    why.why = {error_code::cancelled, "interrupted", {}, {}};
    if (id_.empty()) return;
    if (!ours_) {
      why.why.detail = "the server goes on with the update of " + what_.name;
      return;
    }
    const auto status = server_.get("/models/download/status/" + http_call::encoded(id_));
    if (status && text_of((*status)->root, "status") == "completed") {
      why.why.detail = what_.name + " is there all the same";
      return;
    }
    const auto cancelled = server_.remove(model_path(what_.name, "/models/download/"));
    why.why.detail = cancelled ? "the server has cancelled the download"
                               : "the server could not be told to cancel: " + cancelled.error().why.message;
  }

  server_client& server_;
  const cache::pull_request& what_;
  const bool load_;
  progress_display display_;
  std::string id_;     // of the download
  bool ours_ = false;  // it was not there before
};

outcome<exit_status> run_pull(const command_line& line, const pull_options& o) {
  auto request = read_wanted(o.what, current_folder());
  if (!request) return failed(std::move(request.error()));
  auto server = server_or_store(line);
  if (!server) return tl::unexpected(std::move(server.error()));
  if (*server) {
    auto done = server_pull(**server, *request, !o.no_load).run();
    if (!done) return tl::unexpected(std::move(done.error()));
    tell(*done, line.json);
    return exit_status::done;
  }
  auto at = open_here(line);
  if (!at) return tl::unexpected(std::move(at.error()));
  const auto got = pull_shown(*at, *request);
  if (!got) return tl::unexpected(got.error());
  tell({look_at(at->settings, *at->store, got->model), got->unchanged, {}}, line.json);
  return exit_status::done;
}

}  // namespace

void add_pull_command(CLI::App& app, command_line& line) {
  const auto o = std::make_shared<pull_options>();
  auto* command = app.add_subcommand("pull", "fetch a model: by the running server, or into the store on the disk");
  command->add_option("id", o->what.id, "org/model, torchvision:resnet50, a URL, s3://.., ./folder")->required();
  add_wanted_options(*command, o->what);
  command->add_flag("--no-load", o->no_load, "a server leaves it on the disk");
  add_json_option(*command, line);
  add_server_options(*command, line.server);
  add_settings_options(*command, line.settings, shown_settings::of_store);
  command->callback([&line, o] { line.run = reporting([&line, o] { return run_pull(line, *o); }); });
}

}  // namespace troupe::app
