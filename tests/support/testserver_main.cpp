// troupe_testserver: the server with models and routes that exist for tests and benchmarks only.
//   POST /test/kill/{model_name}   kills the actor of a resident model, as a bug in it would
//   GET  /test/counters            what the test models have counted
//   POST /test/register/{model_name}     registers the model; the body is its entry, as in models.json
//   POST /test/unregister/{model_name}
//   GET|POST /bench/direct         answers on the connection's thread, with a body as long as a prediction's:
//                                  what the server could do at best; the limit that overhead is measured against

#include <string>
#include <vector>

#include "actors/test_hooks.hpp"
#include "app/cli.hpp"
#include "app/compose.hpp"
#include "config/registry.hpp"
#include "http/api/replies.hpp"
#include "tests/support/second_architecture.hpp"
#include "tests/support/test_models.hpp"

namespace {

using namespace troupe;

constexpr const char* direct_body =
    R"({"text":"an echo of some thirty bytes ..","prediction":"jailbreak","confidence":0.41049382,)"
    R"("probabilities":{"prompt_injection":0.00308642,"jailbreak":0.41049382,"system_extraction":0.2037037,)"
    R"("code_injection":0.35185185,"benign":0.030864198},"model_used":"echo","cache_hit":true,)"
    R"("processing_time_ms":0.041,"prediction_cache_hit":false,"request_id":"0000000000000000",)"
    R"("timestamp":"2024-01-01T00:00:00Z"})";

void answer_direct(const http::context&, const http::exchange_ptr& request, const http::route_parameters&) {
  http::response out;
  out.body = direct_body;
  request->respond(std::move(out));
}

void answer_counters(const http::context&, const http::exchange_ptr& request, const http::route_parameters&) {
  const auto& c = tests::counters();
  std::string body = "{";
  const auto field = [&](const char* name, std::uint64_t value) {
    if (body.size() > 1) body += ',';
    body += '"' + std::string(name) + "\":" + std::to_string(value);
  };
  field("loads", c.loads);
  field("unloads", c.unloads);
  field("batches", c.batches);
  field("rows", c.rows);
  field("steps", c.steps);
  field("states_open", c.states_open);
  field("states_made", c.states_made);
  field("largest_batch", c.largest_batch);
  http::response out;
  out.body = body + "}";
  request->respond(std::move(out));
}

using registration_reply = actors::one_shot<actors::registration_report>;

registration_reply registration_answer(const http::exchange_ptr& request, actors::service& service) {
  return registration_reply([request, &service](const result<actors::registration_report>& done) {
    if (!done) return http::respond_error(*request, service, done.error());
    http::response out;
    out.body = R"({"outcome":")" + std::string(config::to_string(done->outcome)) + "\"}";
    request->respond(std::move(out));
  });
}

void answer_register(const http::context& c, const http::exchange_ptr& request, const http::route_parameters& in_path) {
  const auto read = config::parse_registry(R"({"models":{"entry":)" + std::string(request->body()) + "}}", {}, {});
  if (!read) return http::respond_error(*request, c.service, read.error());
  auto model = read->models.at("entry");
  model.name = in_path["model_name"];
  c.service.register_model(std::move(model), registration_answer(request, c.service));
}

void answer_unregister(const http::context& c, const http::exchange_ptr& request,
                       const http::route_parameters& in_path) {
  c.service.unregister_model(in_path["model_name"], registration_answer(request, c.service));
}

void kill_model(const http::context& c, const http::exchange_ptr& request, const http::route_parameters& in_path) {
  http::response out;
  const bool killed = actors::test_hooks::kill_model(c.service, in_path["model_name"]);
  out.status = killed ? 200 : 409;
  out.body = killed ? R"({"killed":true})" : R"({"killed":false})";
  request->respond(std::move(out));
}

std::vector<http::route> routes() {
  http::family_routes add({"tests", "What no client has"});
  add.get("/bench/direct", answer_direct);
  add.post("/bench/direct", answer_direct);
  add.get("/test/counters", answer_counters);
  add.post("/test/kill/{model_name}", kill_model);
  add.post("/test/register/{model_name}", answer_register);
  add.post("/test/unregister/{model_name}", answer_unregister);
  return add.take();
}

}  // namespace

int main(int argc, char** argv) {
  tests::register_test_models();
  tests::add_second_architecture();
  return app::run_cli(argc, argv, {routes()});
}
