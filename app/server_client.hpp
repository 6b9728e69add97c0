#pragma once
// How commands find the server that runs, and ask it. Errors of the server come as it words them. One thread.

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "app/cli_outcome.hpp"
#include "app/http_call.hpp"
#include "inference/files/files.hpp"

namespace CLI {
class App;
}

namespace troupe::app {

inline constexpr auto default_server = "http://127.0.0.1:8000";

struct server_options {
  std::string url;  // --server; "none": the store on the disk is meant. Empty: TROUPE_SERVER, then default_server
  std::string key;  // --api-key; empty: TROUPE_API_KEY
};
void add_server_options(CLI::App& command, server_options& into);

// A parsed answer; owns what its elements refer to.
using json_answer = std::unique_ptr<inference::json_document>;

class server_client {
 public:
  explicit server_client(http_call call) : call_(std::move(call)) {}

  const std::string& url() const noexcept { return call_.url(); }

  // An answer 2xx that is a JSON object; anything else is a failure: no_server where it is not reached, else by the
  // code that the server gives.
  outcome<json_answer> get(const std::string& path);
  // These wait for as long as the server works on it.
  outcome<json_answer> post(const std::string& path, std::string body, std::string content_type = "application/json");
  outcome<json_answer> remove(const std::string& path);
  // Tells name and data of each event, until `tell` says false or the stream ends. One that is not to be had, is lost
  // or holds something else ends, too: only `interrupted` is a failure.
  outcome<void> follow(const std::string& path,
                       const std::function<bool(const std::string&, simdjson::dom::element)>& tell);
  // What the calls from now on heed; they fail with `interrupted`.
  void heed(const std::atomic<bool>* cancelled) noexcept { cancelled_ = cancelled; }

 private:
  outcome<json_answer> answer(const http_question& question);
  http_call call_;
  const std::atomic<bool>* cancelled_ = nullptr;
};

// Null: none is meant (`none`), or none was named and none answers at default_server.
outcome<std::optional<server_client>> find_server(const server_options& options);
outcome<server_client> need_server(const server_options& options);

// "/models/{name}" + `then`.
std::string model_path(const std::string& name, const char* before = "/models/", const char* then = "");

}  // namespace troupe::app
