// Document 001: the model cache service.

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <charconv>
#include <cmath>

#include "config/machine.hpp"
#include "http/api/families.hpp"
#include "http/api/predict_input.hpp"
#include "http/api/replies.hpp"
#include "http/api/report_json.hpp"
#include "http/api/unknown_model.hpp"
#include "http/core/errors.hpp"
#include "http/json/json_read.hpp"
#include "http/json/json_write.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

struct context {
  actors::service& service;
  const config::settings& settings;
};

// A one-shot reply that answers with `write`'s response, or with the error's envelope.
template <class T, class Write>
actors::one_shot<T> answer_with(const context& c, const exchange_ptr& request, std::string model, Write write) {
  return actors::one_shot<T>([c, request, model = std::move(model), write](result<T> r) {
    auto shared = std::make_shared<result<T>>(std::move(r));
    on_connection(request, [c, request, model, write, shared] {
      if (!*shared) return respond_error(*request, c.service, (*shared).error(), model);
      request->respond(write(**shared));
    });
  });
}

template <class T>
actors::one_shot<T> answer_json(const context& c, const exchange_ptr& request, std::string model,
                                std::string (*write)(const T&)) {
  return answer_with<T>(c, request, std::move(model), [write](const T& value) {
    response out;
    out.body = write(value);
    return out;
  });
}

// True if the registry knows the model; else the request is answered.
bool known(const context& c, const exchange_ptr& request, const std::string& model) {
  if (c.service.knows(model)) return true;
  respond_error(*request, c.service, unknown_model(c.service, model));
  return false;
}

tl::unexpected<error> bad_timeout(const config::settings& settings) {
  return fail(error_code::bad_request, "'timeout' is not usable",
              "give it as a number of seconds, more than 0 and at most " +
                  std::to_string(settings.max_request_timeout_ms / 1000));
}

// How long a load or warm-up is waited for: `timeout` in seconds, of the query or a JSON body.
result<std::uint64_t> wait_of(const exchange& request, const config::settings& settings) {
  std::optional<double> seconds;
  const auto parameters = parse_parameters(request.query(), "query");
  if (!parameters) return tl::unexpected(parameters.error());
  for (const auto& [name, value] : *parameters) {
    if (name != "timeout") continue;
    double number = 0;
    const auto end = value.data() + value.size();
    const auto [ptr, ec] = std::from_chars(value.data(), end, number);
    if (ec != std::errc() || ptr != end) return bad_timeout(settings);
    seconds = number;
  }
  if (request.body().find_first_not_of(" \t\r\n") != std::string_view::npos) {
    json_body document;
    const auto root = document.parse(request.body());
    if (!root) return tl::unexpected(root.error());
    if (root->type() != simdjson::dom::element_type::OBJECT) {
      return fail(error_code::bad_request, "The body must be a JSON object, found " + std::string(kind_of(*root)),
                  "send nothing, or {\"timeout\": seconds}");
    }
    for (const auto [name, value] : simdjson::dom::object(root->get_object().value_unsafe())) {
      double number = 0;
      if (name != "timeout" || value.is_null()) continue;
      if (value.get_double().get(number) != simdjson::SUCCESS) {
        return fail(error_code::bad_request, "'timeout' must be a number of seconds, found " + std::string(kind_of(value)),
                    "send {\"timeout\": seconds}");
      }
      seconds = number;
    }
  }
  if (!seconds) return settings.load_timeout_ms;
  if (!(*seconds > 0) || *seconds * 1000 > static_cast<double>(settings.max_request_timeout_ms)) {
    return bad_timeout(settings);
  }
  return static_cast<std::uint64_t>(std::ceil(*seconds * 1000));
}

void get_root(const context&, const exchange_ptr& request, std::string) {
  response out;
  out.body = R"({"status":"running","service":"model-cache"})";
  request->respond(std::move(out));
}

// Load balancers look at the status alone.
response probe_response(bool good, std::string body) {
  response out;
  out.status = good ? 200 : 503;
  out.body = std::move(body);
  out.headers.emplace_back("Cache-Control", "no-store");
  if (!good) out.headers.emplace_back("Retry-After", "1");
  return out;
}

void get_health(const context& c, const exchange_ptr& request, std::string) {
  c.service.report(answer_with<actors::server_report>(c, request, {}, [c](const actors::server_report& report) {
    const bool serves = report.state == actors::health::healthy || report.state == actors::health::degraded;
    return probe_response(serves, health_json(report, c.settings, config::resident_bytes()));
  }));
}

// The process answers: nothing else is asked, so that no load of models makes it seem dead.
void get_live(const context&, const exchange_ptr& request, std::string) {
  request->respond(probe_response(true, R"({"status":"alive"})"));
}

void get_ready(const context& c, const exchange_ptr& request, std::string) {
  c.service.report(answer_with<actors::server_report>(c, request, {}, [](const actors::server_report& report) {
    return probe_response(report.ready, readiness_json(report));
  }));
}

void get_models(const context& c, const exchange_ptr& request, std::string) {
  c.service.report(answer_json<actors::server_report>(c, request, {}, models_json));
}

void get_stats(const context& c, const exchange_ptr& request, std::string) {
  c.service.report(answer_json<actors::server_report>(c, request, {}, stats_json));
}

void get_model(const context& c, const exchange_ptr& request, std::string model) {
  if (!known(c, request, model)) return;
  c.service.report_model(model, answer_json<actors::model_report>(c, request, model, model_json));
}

void post_load(const context& c, const exchange_ptr& request, std::string model) {
  if (!known(c, request, model)) return;
  const auto wait = wait_of(*request, c.settings);
  if (!wait) return respond_error(*request, c.service, wait.error());
  c.service.load(model, *wait, answer_json<actors::load_report>(c, request, model, load_json));
}

void post_unload(const context& c, const exchange_ptr& request, std::string model) {
  if (!known(c, request, model)) return;
  c.service.unload(model, answer_json<actors::unload_report>(c, request, model, unload_json));
}

void post_warmup(const context& c, const exchange_ptr& request, std::string model) {
  if (!known(c, request, model)) return;
  const auto wait = wait_of(*request, c.settings);
  if (!wait) return respond_error(*request, c.service, wait.error());
  c.service.warmup(model, *wait, answer_json<actors::warmup_report>(c, request, model, warmup_json));
}

void post_cleanup(const context& c, const exchange_ptr& request, std::string) {
  c.service.cleanup(answer_json<actors::cleanup_report>(c, request, {}, cleanup_json));
}

void get_metrics(const context& c, const exchange_ptr& request, std::string) {
  // The report is asked for because taking it brings the document's gauges up to date.
  c.service.report(answer_with<actors::server_report>(c, request, {}, [c](const actors::server_report&) {
    response out;
    out.content_type = "text/plain; version=0.0.4; charset=utf-8";
    out.body = prometheus::TextSerializer().Serialize(c.service.metrics().Collect());
    return out;
  }));
}

void start_predict(const context& c, const exchange_ptr& request, bool batch_route) {
  auto input = read_predict(*request, c.settings, c.service, batch_route);
  if (!input) return respond_error(*request, c.service, input.error());
  predict(request, c.service, c.settings, std::move(*input));
}

void post_predict(const context& c, const exchange_ptr& request, std::string) { start_predict(c, request, false); }
void post_predict_batch(const context& c, const exchange_ptr& request, std::string) { start_predict(c, request, true); }

}  // namespace

void add_model_cache_routes(std::vector<route>& table, actors::service& service, const config::settings& settings) {
  using run = void (*)(const context&, const exchange_ptr&, std::string);
  const auto add = [&](const char* method, const char* pattern, run f, bool open = false) {
    table.push_back({method, pattern,
                     [c = context{service, settings}, f](exchange_ptr request, std::string model) {
                       f(c, request, std::move(model));
                     },
                     open, false});
  };
  constexpr bool open = true;
  add("GET", "/", get_root, open);
  add("GET", "/health", get_health, open);
  add("GET", "/health/live", get_live, open);
  add("GET", "/health/ready", get_ready, open);
  add("GET", "/metrics", get_metrics, open);
  add("GET", "/models", get_models);
  add("GET", "/models/{model_name}", get_model);
  add("POST", "/models/{model_name}/load", post_load);
  add("POST", "/models/{model_name}/unload", post_unload);
  add("POST", "/models/{model_name}/warmup", post_warmup);
  add("POST", "/predict", post_predict);
  add("POST", "/predict/batch", post_predict_batch);
  add("GET", "/stats", get_stats);
  add("POST", "/cleanup", post_cleanup);
}

}  // namespace troupe::http
