// Document 001: the model cache service.

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <charconv>
#include <cmath>

#include "config/machine.hpp"
#include "http/api/answer_with.hpp"
#include "http/api/families.hpp"
#include "http/api/predict_input.hpp"
#include "http/api/predict_schemas.hpp"
#include "http/api/replies.hpp"
#include "http/api/report_json.hpp"
#include "http/api/report_schemas.hpp"
#include "http/api/unknown_model.hpp"
#include "http/json/json_read.hpp"
#include "http/json/json_write.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

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

// How long a load or warm-up is waited for: `timeout` in seconds, of the query or a JSON body, which wins. A bad one in
// either is refused.
result<std::uint64_t> wait_of(const exchange& request, const config::settings& settings) {
  const auto usable = [&](double seconds) {
    return seconds > 0 && seconds * 1000 <= static_cast<double>(settings.max_request_timeout_ms);
  };
  std::optional<double> seconds;
  const auto parameters = parse_parameters(request.query(), "query");
  if (!parameters) return tl::unexpected(parameters.error());
  for (const auto& [name, value] : *parameters) {
    if (name != "timeout") continue;
    double number = 0;
    const auto end = value.data() + value.size();
    const auto [ptr, ec] = std::from_chars(value.data(), end, number);
    if (ec != std::errc() || ptr != end || !usable(number)) return bad_timeout(settings);
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
        return fail(error_code::bad_request,
                    "'timeout' must be a number of seconds, found " + std::string(kind_of(value)),
                    "send {\"timeout\": seconds}");
      }
      if (!usable(number)) return bad_timeout(settings);
      seconds = number;
    }
  }
  return seconds ? static_cast<std::uint64_t>(std::ceil(*seconds * 1000)) : settings.load_timeout_ms;
}

void get_root(const context&, const exchange_ptr& request, const route_parameters&) {
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

void get_health(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.report(answer_with<actors::server_report>(c, request, {}, [c](const actors::server_report& report) {
    const bool serves = report.state == actors::health::healthy || report.state == actors::health::degraded;
    return probe_response(serves,
                          health_json(report, c.service.catalog().state(), c.settings, config::resident_bytes()));
  }));
}

// The process answers: nothing else is asked, so that no load of models makes it seem dead.
void get_live(const context&, const exchange_ptr& request, const route_parameters&) {
  request->respond(probe_response(true, R"({"status":"alive"})"));
}

void get_ready(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.report(answer_with<actors::server_report>(c, request, {}, [](const actors::server_report& report) {
    return probe_response(report.ready, readiness_json(report));
  }));
}

void get_models(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.report(answer_json<actors::server_report>(c, request, {}, models_json));
}

void get_stats(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.report(answer_json<actors::server_report>(c, request, {}, stats_json));
}

void get_model(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto& model = in_path["model_name"];
  if (!known(c, request, model)) return;
  c.service.report_model(model, answer_json<actors::model_report>(c, request, model, model_json));
}

void post_load(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto& model = in_path["model_name"];
  if (!known(c, request, model)) return;
  const auto wait = wait_of(*request, c.settings);
  if (!wait) return respond_error(*request, c.service, wait.error());
  c.service.load(model, *wait, answer_json<actors::load_report>(c, request, model, load_json));
}

void post_unload(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto& model = in_path["model_name"];
  if (!known(c, request, model)) return;
  c.service.unload(model, answer_json<actors::unload_report>(c, request, model, unload_json));
}

void post_warmup(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  const auto& model = in_path["model_name"];
  if (!known(c, request, model)) return;
  const auto wait = wait_of(*request, c.settings);
  if (!wait) return respond_error(*request, c.service, wait.error());
  c.service.warmup(model, *wait, answer_json<actors::warmup_report>(c, request, model, warmup_json));
}

void post_cleanup(const context& c, const exchange_ptr& request, const route_parameters&) {
  c.service.cleanup(answer_json<actors::cleanup_report>(c, request, {}, cleanup_json));
}

void get_metrics(const context& c, const exchange_ptr& request, const route_parameters&) {
  // The report is asked for because taking it brings the document's gauges up to date.
  c.service.report(answer_with<actors::server_report>(c, request, {}, [c](const actors::server_report&) {
    (void)c.service.catalog().state();  // likewise
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

void post_predict(const context& c, const exchange_ptr& request, const route_parameters&) {
  start_predict(c, request, false);
}
void post_predict_batch(const context& c, const exchange_ptr& request, const route_parameters&) {
  start_predict(c, request, true);
}

}  // namespace

std::vector<route> model_cache_routes() {
  using s = schema;
  const char* const how_long = "How long the answer waits, in seconds; the work goes on";
  const auto wait_body = as_json(s::object({s::maybe("timeout", seconds_schema().nullable())}));

  family_routes add({"model cache", "Document 001: models, what is in memory, predictions"});
  add.get("/", get_root)
      .open()
      .says("That it runs")
      .answers(200, "It does", as_json(s::object({{"status", s::one_of({"running"})}, {"service", s::text()}})));
  add.get("/health", get_health)
      .open()
      .says("State, memory, queue and compute slots; the status alone does for load balancers")
      .answers(200, "Healthy, or degraded: a preloaded model is missing", as_json(health_schema()))
      .answers(503, "Starting or draining", as_json(s::any_of({health_schema(), s::named("Error")})));
  add.get("/health/live", get_live)
      .open()
      .says("That the process answers")
      .answers(200, "It does", as_json(s::object({{"status", s::one_of({"alive"})}})));
  add.get("/health/ready", get_ready)
      .open()
      .says("Whether requests should be sent here")
      .answers(200, "They should", as_json(readiness_schema()))
      .answers(503, "Not now", as_json(s::any_of({readiness_schema(), s::named("Error")})));
  add.get("/metrics", get_metrics)
      .open()
      .says("Everything measured, for Prometheus")
      .answers(200, "Its text format", {{"text/plain", s::text()}});
  add.get("/models", get_models)
      .says("All registered models, and what of them is in memory")
      .answers(200, "Models by name", as_json(models_schema()));
  add.get("/models/{model_name}", get_model)
      .says("One model")
      .answers(200, "What is known of it", as_json(model_schema()));
  add.post("/models/{model_name}/load", post_load)
      .says("Loads a model into memory; one that is there stays")
      .takes("timeout", seconds_schema(), how_long)
      .body("The same, in JSON", wait_body)
      .answers(200, "It is in memory", as_json(load_schema()))
      .fails(409, "The load was called off by an unload")
      .fails(422, "The artifact cannot be served")
      .fails(504, "It still loads");
  add.post("/models/{model_name}/unload", post_unload)
      .says("Takes a model out of memory; answers when the memory is back")
      .answers(200, "It is not in memory", as_json(unload_schema()))
      .fails(504, "It still runs");
  add.post("/models/{model_name}/warmup", post_warmup)
      .says("Loads a model where needed and runs every batch and length once")
      .takes("timeout", seconds_schema(), how_long)
      .body("The same, in JSON", wait_body)
      .answers(200, "All have run", as_json(warmup_schema()))
      .fails(409, "The load was called off by an unload")
      .fails(422, "The artifact cannot be served")
      .fails(504, "It still runs");

  // What /predict and /predict/batch share.
  const char* const deadline = "The request's deadline in seconds, at most max_request_timeout_ms";
  const auto predicts = [&](family_routes::row row) {
    return row.large_body()
        .takes("model_name", s::text(), "Default: the server's default model")
        .takes("model", s::text(), "The same; model_name wins")
        .takes("priority", priority_schema(), "Of this request")
        .takes("timeout", seconds_schema(), deadline)
        .takes("enable_batching", query_flag_schema(), "false: runs alone")
        .takes("stream", query_flag_schema(), "Server-sent events, as with Accept: text/event-stream")
        .fails(404, "The registry does not know the model; the detail lists similar names")
        .fails(409, "The model was unloaded while the request waited for it")
        .fails(415, "Neither JSON nor a form, or an encoded body")
        .fails(422, "Nothing to predict from: an empty text or list, numbers of a wrong shape")
        .fails(429, "A queue is full; Retry-After tells when to try again")
        .fails(504, "The request's own deadline passed");
  };
  const media events{
      "text/event-stream",
      s::anything().says("One `data:` line of JSON a write of the model, with `index` and `last`; then `event: done` "
                         "with `batch_summary`, or `event: error`")};
  const auto form =
      s::object({s::maybe("text", s::text()), s::maybe("text_pair", s::text()), s::maybe("inputs", s::text()),
                 s::maybe("model_name", s::text()), s::maybe("model", s::text()),
                 s::maybe("priority", priority_schema()), s::maybe("timeout", seconds_schema()),
                 s::maybe("enable_batching", query_flag_schema()), s::maybe("stream", query_flag_schema())});
  predicts(add.post("/predict", post_predict))
      .says("Runs a text, a list of texts or a tensor through a model, which is loaded where needed")
      .takes("text", s::text(), "One text")
      .takes("text_pair", s::text(), "The second text of a pair")
      .takes("inputs", s::text(), "The same")
      .body("Wins over the query",
            {{"application/json", predict_schema()}, {"application/x-www-form-urlencoded", form}})
      .answers(200, "The prediction; of a list the batch's answer; of a stream its events",
               {{"application/json", s::any_of({prediction_schema(), batch_schema()})}, events});
  predicts(add.post("/predict/batch", post_predict_batch))
      .says("Runs many inputs through a model; a bad one fails alone")
      .needs_body("The inputs; wins over the query", as_json(predict_batch_schema()))
      .answers(200, "A result each, in order; of a stream its events", {{"application/json", batch_schema()}, events});

  add.get("/stats", get_stats)
      .says("Counts, memory, cleanups")
      .answers(200, "Since the start", as_json(stats_schema()));
  add.post("/cleanup", post_cleanup)
      .says("Unloads what the cleanup would: over the threshold, over max_models, past its TTL")
      .answers(200, "What it did", as_json(cleanup_schema()));
  return add.take();
}

}  // namespace troupe::http
