#include "app/server_client.hpp"

#include <cstdlib>
#include <utility>

#include <CLI/CLI.hpp>

#include "http/core/errors.hpp"
#include "inference/files/model_json.hpp"

namespace troupe::app {
namespace {

using namespace std::chrono_literals;
constexpr auto probe_limit = 1s;
constexpr auto answer_limit = 60s;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

error_code code_named(std::string_view name, unsigned status) {
  for (int i = 0; i <= static_cast<int>(error_code::internal); ++i)
    if (to_string(static_cast<error_code>(i)) == name) return static_cast<error_code>(i);
  return http::code_of_status(status);
}

// The envelope that the server writes its errors in.
failure failure_of(const http_reply& reply, const std::string& url) {
  inference::json_document document;
  if (!inference::parse_json_object(reply.body, "the answer", document)) {
    return {{http::code_of_status(reply.status),
             "the server at " + url + " answers " + std::to_string(reply.status),
             "is it a troupe server?",
             {}},
            exit_status::failed};
  }
  error why;
  why.code = code_named(inference::text_of(document.root, "code"), reply.status);
  why.message = inference::text_of(document.root, "message", "the server answers " + std::to_string(reply.status));
  why.detail = inference::text_of(document.root, "detail");
  if (const auto repeated = why.message + ": "; why.detail.starts_with(repeated)) why.detail.erase(0, repeated.size());
  if (why.detail == why.message) why.detail.clear();
  // `interrupted` is what happened here.
  const auto status = why.code == error_code::cancelled ? exit_status::failed : status_of(why.code);
  if (why.code == error_code::unauthorized && why.detail.empty()) why.detail = "--api-key or TROUPE_API_KEY gives it";
  return {std::move(why), status};
}

failure failure_to_reach(error why) {
  const auto status = why.code == error_code::unavailable ? exit_status::no_server : status_of(why.code);
  return {std::move(why), status};
}

}  // namespace

void add_server_options(CLI::App& command, server_options& into) {
  command.add_option("--server", into.url, "the running server; none: the store on the disk [TROUPE_SERVER]")
      ->type_name("URL");
  command.add_option("--api-key", into.key, "the server's key [TROUPE_API_KEY]")->type_name("KEY");
}

outcome<json_answer> server_client::answer(const http_question& question) {
  auto reply = call_.ask(question);
  if (!reply) return tl::unexpected(failure_to_reach(std::move(reply.error())));
  if (reply->status < 200 || reply->status > 299) return tl::unexpected(failure_of(*reply, url()));
  auto document = std::make_unique<inference::json_document>();
  if (auto parsed = inference::parse_json_object(reply->body, "the server's answer", *document); !parsed)
    return tl::unexpected(failure{std::move(parsed.error()), exit_status::failed});
  return document;
}

outcome<json_answer> server_client::get(const std::string& path) {
  return answer({.path = path, .limit = answer_limit, .cancelled = cancelled_});
}

outcome<json_answer> server_client::post(const std::string& path, std::string body, std::string content_type) {
  return answer({.method = "POST",
                 .path = path,
                 .body = std::move(body),
                 .content_type = std::move(content_type),
                 .cancelled = cancelled_});
}

outcome<json_answer> server_client::remove(const std::string& path) {
  return answer({.method = "DELETE", .path = path, .cancelled = cancelled_});
}

outcome<void> server_client::follow(const std::string& path,
                                    const std::function<bool(const std::string&, simdjson::dom::element)>& tell) {
  const auto reply = call_.follow({.path = path, .cancelled = cancelled_}, [&](const server_event& e) {
    inference::json_document document;
    return inference::parse_json_object(e.data, "an event", document) && tell(e.name, document.root);
  });
  if (!reply && reply.error().code == error_code::cancelled) return tl::unexpected(failure_to_reach(reply.error()));
  return {};
}

outcome<std::optional<server_client>> find_server(const server_options& options) {
  const auto key = options.key.empty() ? variable("TROUPE_API_KEY") : options.key;
  const auto url = options.url.empty() ? variable("TROUPE_SERVER") : options.url;
  if (url == "none") return std::nullopt;
  // Somebody else may listen there: who it is, is asked without the key.
  auto call = http_call::to(url.empty() ? default_server : url, url.empty() ? "" : key);
  if (!call) return failed(std::move(call.error()));
  if (!url.empty()) return server_client(std::move(*call));
  const auto alive = call->ask({.path = "/health/live", .limit = probe_limit});
  inference::json_document document;
  if (!alive || alive->status != 200 || !inference::parse_json_object(alive->body, "the answer", document) ||
      inference::text_of(document.root, "status") != "alive")
    return std::nullopt;
  call = http_call::to(default_server, key);
  if (!call) return failed(std::move(call.error()));
  return server_client(std::move(*call));
}

outcome<server_client> need_server(const server_options& options) {
  auto found = find_server(options);
  if (!found) return tl::unexpected(std::move(found.error()));
  if (*found) return std::move(**found);
  return tl::unexpected(failure{{error_code::unavailable,
                                 "no server: this needs one that runs",
                                 "`troupe serve` starts one; --server URL or TROUPE_SERVER names one that does not "
                                 "listen on " +
                                     std::string(default_server),
                                 {}},
                                exit_status::no_server});
}

std::string model_path(const std::string& name, const char* before, const char* then) {
  return before + http_call::encoded(name) + then;
}

}  // namespace troupe::app
