#pragma once
// A connection and a service that exist in memory only: what a route does with a request, step by step.

#include <prometheus/registry.h>
#include <rapidjson/document.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/job.hpp"
#include "actors/protocol/recordings.hpp"
#include "actors/protocol/service.hpp"
#include "http/routes.hpp"
#include "tests/http/described.hpp"
#include "tests/http/live_fakes.hpp"

namespace troupe::http::tests {

struct fake_stream final : body_stream {
  std::string written;
  std::size_t unflushed = 0;
  bool slow = false, gone = false, ended = false;  // slow: nothing is flushed until drain()
  std::function<void()> waiter;

  bool write(std::string chunk) override {
    if (gone) return false;
    if (slow) unflushed += chunk.size();
    written += chunk;
    return true;
  }
  void end() override { ended = true; }
  std::size_t unflushed_bytes() const override { return unflushed; }
  void when_drained(std::function<void()> f) override { waiter = std::move(f); }
  void drain() {
    unflushed = 0;
    if (auto f = std::exchange(waiter, nullptr)) f();
  }
};

// One "event: NAME" / "data: {..}" block.
struct event {
  std::string name, data;
};
std::vector<event> events_of(const std::string& written);

struct fake_exchange final : exchange {
  std::string method_ = "GET", path_ = "/", query_, body_, id_ = "id-1", refused_reason_;
  std::map<std::string, std::string> headers_;
  std::string dialect_{config::usual_dialect};
  unsigned refused_ = 0;
  bool half_closed_ = false;
  std::optional<response> answer;
  int answers = 0;
  std::shared_ptr<fake_stream> stream = std::make_shared<fake_stream>();
  header_list stream_headers;
  std::string stream_type;
  bool streaming = false;
  std::shared_ptr<live_protocol> upgraded;
  std::string subprotocol;
  std::optional<error> upgrade_problem;
  std::deque<std::function<void()>> posts;
  std::vector<std::function<void()>> timers;
  std::vector<std::function<void()>> on_gone;

  std::string_view method() const override { return method_; }
  std::string_view path() const override { return path_; }
  std::string_view query() const override { return query_; }
  std::optional<std::string_view> header(std::string_view name) const override;
  std::string_view body() const override { return body_; }
  const std::string& request_id() const override { return id_; }
  std::string client_address() const override { return "192.0.2.7"; }
  bool half_closed() const override { return half_closed_; }
  std::string_view dialect() const override { return dialect_; }
  unsigned refused_status() const override { return refused_; }
  std::string_view refused_reason() const override { return refused_reason_; }
  void respond(response r) override {
    ++answers;
    answer = std::move(r);
  }
  std::shared_ptr<body_stream> start_stream(unsigned status, std::string type, header_list headers) override;
  result<void> upgrade(std::string offered, std::shared_ptr<live_protocol> protocol) override {
    if (upgrade_problem) return tl::unexpected(*upgrade_problem);
    ++answers;
    subprotocol = std::move(offered);
    upgraded = std::move(protocol);
    return {};
  }
  void on_disconnect(std::function<void()> f) override { on_gone.push_back(std::move(f)); }
  void post(std::function<void()> f) override { posts.push_back(std::move(f)); }
  void after(std::chrono::milliseconds, std::function<void()> f) override { timers.push_back(std::move(f)); }

  void pump() {
    while (!posts.empty()) {
      auto f = std::move(posts.front());
      posts.pop_front();
      f();
    }
  }
  void tick() {
    for (auto& f : std::exchange(timers, {})) f();
  }
  std::string header_of_answer(std::string_view name) const;
};

// Answers with what it was given, and says what was asked.
struct fake_artifacts final : actors::artifact_service {
  std::string called;  // "remove x"
  std::optional<error> problem;
  std::optional<actors::download_request> asked;
  actors::download_report download_now;
  actors::store_report store_now;
  actors::artifact_status status_now;
  actors::removal_report removal;
  cache::available_models listed;
  actors::download_watcher watcher;

  void download(actors::download_request request, actors::one_shot<actors::download_report> reply) override;
  void download_status(std::string id, actors::one_shot<actors::download_report> reply) override;
  void watch_download(std::string id, actors::download_watcher tell,
                      actors::one_shot<actors::download_report> reply) override;
  const cache::available_models& available() const override { return listed; }
  void list(actors::one_shot<actors::store_report> reply) override;
  void find(std::string model, actors::one_shot<actors::artifact_status> reply) override;
  void remove(std::string model, actors::one_shot<actors::removal_report> reply) override;
  void copy(std::string model, std::string to, actors::one_shot<actors::artifact_status> reply) override;
  void update(std::string model, actors::one_shot<actors::download_report> reply) override;
  void retry(std::string model, bool force, actors::one_shot<actors::download_report> reply) override;

 private:
  template <class T>
  void answer(std::string what, const T& value, actors::one_shot<T>& reply);
};

// The same of the catalog.
struct fake_catalog final : actors::catalog_service {
  std::optional<error> problem;
  std::string called;  // "clear openrouter"
  std::vector<actors::catalog_question> asked;
  std::vector<actors::offer_edit> edits;
  actors::catalog_answer answer_now{std::make_shared<const cache::cached_value>(R"({"data":[]})"),
                                    actors::answered_from::redis, false};
  actors::warm_report warmed;
  actors::sync_report synced;
  actors::catalog_state now;

  void ask(actors::catalog_question question, actors::one_shot<actors::catalog_answer> reply) override;
  void warm(actors::one_shot<actors::warm_report> reply) override;
  void clear(std::string gateway, actors::one_shot<actors::clear_report> reply) override;
  void sync(std::string provider, actors::one_shot<actors::sync_report> reply) override;
  void edit(actors::offer_edit change, actors::one_shot<actors::edit_report> reply) override;
  void take_out(std::string id, std::string provider, actors::one_shot<actors::edit_report> reply) override;
  actors::catalog_state state() override { return now; }

 private:
  template <class T>
  void answer(std::string what, const T& value, actors::one_shot<T>& reply);
};

// Recordings that the test tells of.
struct fake_recordings final : actors::recording_service {
  struct one {
    actors::recording_request asked;
    actors::recording_listener tell;
    bool cancelled = false;
  };
  std::vector<std::shared_ptr<one>> all;
  std::string hears = "hears", punctuates = "alpha", only_whole = "whole";
  // Said at once of each; empty: the test says it.
  std::vector<actors::recording_event> at_once;

  std::function<void()> transcribe(actors::recording_request asked, actors::recording_listener listener) override {
    auto made = std::make_shared<one>(one{std::move(asked), std::move(listener)});
    all.push_back(made);
    for (auto event : at_once) made->tell(std::move(event));
    return [weak = std::weak_ptr(made)] {
      if (const auto it = weak.lock()) it->cancelled = true, it->tell = nullptr;
    };
  }
  std::string model() const override { return hears; }
  std::string punctuation() const override { return punctuates; }
  bool hears_whole(const std::string& model) const override { return model == only_whole; }
};

// Models "alpha" (resident, default), "beta", "org/gamma" and "tensors" (float32 [2]).
struct fake_service final : actors::service {
  fake_service();

  std::map<std::string, std::shared_ptr<config::registered_model>> models;
  std::string default_name = "alpha";
  std::vector<actors::predict_request> predicted;
  // Default: answers every item at once.
  std::function<void(const std::shared_ptr<actors::job>&, const actors::predict_request&)> on_predict;
  std::shared_ptr<actors::job> last_job;
  // A text's words are its tokens, numbered; an id's text is its number.
  std::vector<actors::tokenize_request> tokenized;
  std::vector<actors::decode_request> decoded;
  std::optional<error> problem;          // of every control route
  std::map<std::string, error> refuses;  // of loads and unloads, by model
  std::string called;                    // "load beta 5000"
  std::vector<std::string> calls;        // of loads and unloads
  bool already = false, drop_reply = false;
  actors::server_report now;
  prometheus::Registry registry;
  fake_artifacts kept;
  fake_catalog listed;
  fake_sessions spoken;
  fake_recordings recorded;

  actors::cancel_handle predict(actors::predict_request request, std::unique_ptr<actors::reply_stream> reply) override;
  actors::cancel_handle tokenize(actors::tokenize_request request,
                                 actors::one_shot<actors::tokenized_texts> reply) override;
  actors::cancel_handle decode(actors::decode_request request, actors::one_shot<actors::decoded_texts> reply) override;
  void load(std::string model, std::uint64_t wait_ms, actors::one_shot<actors::load_report> reply) override;
  void reload(std::string model, std::uint64_t wait_ms, actors::one_shot<actors::load_report> reply) override;
  void begin_load(std::string model, bool again, actors::one_shot<actors::load_start> reply) override;
  void unload(std::string model, actors::one_shot<actors::unload_report> reply) override;
  void warmup(std::string model, std::uint64_t wait_ms, actors::one_shot<actors::warmup_report> reply) override;
  void optimize(std::string model, std::uint64_t wait_ms, actors::one_shot<actors::optimize_report> reply) override;
  void cleanup(actors::one_shot<actors::cleanup_report> reply) override;
  void report(actors::one_shot<actors::server_report> reply) override;
  void report_model(std::string model, actors::one_shot<actors::model_report> reply) override;
  bool knows(std::string_view model) const override { return models.contains(std::string(model)); }
  std::string default_model() const override { return default_name; }
  std::shared_ptr<const config::registered_model> registration(std::string_view model) const override;
  void for_each_name(const std::function<bool(const std::string&)>& f) const override;
  void reload_registry(actors::one_shot<std::string> reply) override { reply(std::string("ok")); }
  void register_model(config::registered_model model, actors::one_shot<actors::registration_report> reply) override {
    reply(actors::registration_report{model.name, config::registration_outcome::created});
  }
  void unregister_model(std::string model, actors::one_shot<actors::registration_report> reply) override {
    reply(actors::registration_report{std::move(model), config::registration_outcome::removed});
  }
  actors::artifact_service& artifacts() override { return kept; }
  actors::catalog_service& catalog() override { return listed; }
  actors::session_service& sessions() override { return spoken; }
  actors::recording_service& recordings() override { return recorded; }
  void begin_drain() override {}
  std::uint32_t in_flight() const override { return 0; }
  prometheus::Registry& metrics() override { return registry; }

  static inference::model_info classifier_info();
  static actors::item_result classified(std::uint32_t index);
};

// Sends requests to the real handler.
struct bench {
  fake_service service;
  config::settings settings;
  std::vector<route> extra;
  std::string dialect{config::usual_dialect};  // of the listener that requests come to
  std::shared_ptr<const route_table> routes;
  std::unique_ptr<described> document;
  handler handle;  // made of `extra` and `settings` with the first request, and again where a test sets it to null

  // They hold exchanges, which may not outlive the handler.
  ~bench() {
    service.kept.watcher = nullptr;
    service.recorded.all.clear();
  }
  std::shared_ptr<fake_exchange> send(const std::string& method, const std::string& target, std::string body = {},
                                      std::map<std::string, std::string> headers = {});
  // Sends, runs everything posted, and expects an answer: of a route of ours one that its document describes.
  std::shared_ptr<fake_exchange> ask(const std::string& method, const std::string& target, std::string body = {},
                                     std::map<std::string, std::string> headers = {});
};

rapidjson::Document parse(const std::string& json);
// The error envelope, whole; returns its document.
rapidjson::Document expect_error(const fake_exchange& e, unsigned status, const std::string& code);
// Every key of the documented example is there with the same JSON type.
void expect_shape(const rapidjson::Value& documented, const rapidjson::Value& real, const std::string& at);
// tests/e2e/clients/{document}/responses.json
const rapidjson::Document& documented_responses(const std::string& document = "001");

}  // namespace troupe::http::tests
