#include "http/api/replies.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "http/api/unknown_model.hpp"
#include "http/api/write_output.hpp"
#include "http/core/errors.hpp"
#include "http/core/event_stream.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {
namespace {

using actors::item_result;
using actors::item_timing;

double to_ms(steady_clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

double own_time_ms(const item_timing& t) {
  return (static_cast<double>(t.prepare_us) + t.queue_us + t.infer_us) / 1000.0;
}

// What one item has given so far.
struct item_answer {
  std::vector<inference::output> outputs;  // one, but for models that step
  std::optional<error> problem;
  bool done = false, truncated = false, prediction_cache_hit = false;
  item_timing timing;
};

// One request to /predict: written by the model's thread (never two at once), then read by the
// connection's, to which post() hands it over.
struct predict_call {
  predict_call(exchange_ptr r, const actors::service& s, const config::settings& c) : request(std::move(r)), service(s), settings(c) {}

  const exchange_ptr request;
  const actors::service& service;
  const config::settings& settings;
  const steady_time started = steady_clock::now();
  std::string model;
  std::vector<predict_item> items;
  std::vector<std::uint32_t> positions;
  bool batch = false;
  std::vector<item_answer> answers;  // as items
  std::vector<std::string> labels;
  bool cache_hit = false;            // the model was resident when the request arrived

  // Streams only; the connection's thread.
  std::shared_ptr<event_stream> events;
  actors::cancel_handle cancel;
  std::uint64_t streamed_ok = 0, streamed_failed = 0;
  double streamed_ms = 0;
};
using call_ptr = std::shared_ptr<predict_call>;

void append_ms(std::string& out, std::uint32_t us) {
  std::array<char, 16> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), us / 1000).ptr);
  const unsigned rest = us % 1000;
  out.push_back('.');
  out.push_back(static_cast<char>('0' + rest / 100));
  out.push_back(static_cast<char>('0' + rest / 10 % 10));
  out.push_back(static_cast<char>('0' + rest % 10));
}

// Of a batch: the longest of each phase.
std::string server_timing(const predict_call& call) {
  item_timing most;
  for (const auto& a : call.answers) {
    most.queue_us = std::max(most.queue_us, a.timing.queue_us);
    most.prepare_us = std::max(most.prepare_us, a.timing.prepare_us);
    most.infer_us = std::max(most.infer_us, a.timing.infer_us);
  }
  std::string out = "queue;dur=";
  append_ms(out, most.queue_us);
  out += ", tokenize;dur=";
  append_ms(out, most.prepare_us);
  out += ", infer;dur=";
  append_ms(out, most.infer_us);
  return out;
}

// All writes of an item: the one of a one-shot model as its fields; of a model that steps, the texts joined or
// the steps in a list.
void write_outputs(json_out& json, const std::vector<std::string>& labels,
                   const std::vector<inference::output>& outputs) {
  if (outputs.size() == 1) return write_output(json, labels, outputs[0]);
  if (outputs.empty()) return;
  if (std::all_of(outputs.begin(), outputs.end(),
                  [](const auto& o) { return std::holds_alternative<inference::transcript>(o); })) {
    std::string joined;
    for (const auto& o : outputs) joined += std::get<inference::transcript>(o).text;
    json.field("output", joined);
    return;
  }
  json.key("steps").array();
  for (const auto& o : outputs) {
    json.object();
    write_output(json, labels, o);
    json.end_object();
  }
  json.end_array();
}

void write_problem(json_out& json, const error& why) {
  json.field("error", why.message).field("code", to_string(why.code));
  if (!why.detail.empty()) json.field("detail", why.detail);
}

void write_answer(json_out& json, const predict_call& call, std::size_t i, double processing_ms) {
  const auto& answer = call.answers[i];
  if (call.items[i].is_text) json.field("text", call.items[i].text);
  if (answer.problem) {
    write_problem(json, *answer.problem);
  } else {
    write_outputs(json, call.labels, answer.outputs);
  }
  json.field("model_used", call.model);
  json.field("cache_hit", call.cache_hit);
  json.field("processing_time_ms", processing_ms);
  if (answer.truncated) json.field("truncated", true);
  json.field("prediction_cache_hit", answer.prediction_cache_hit);
}

void write_summary(json_out& json, const predict_call& call, std::uint64_t good, std::uint64_t failed,
                   double own_ms) {
  json.key("batch_summary")
      .object()
      .field("total_texts", static_cast<std::uint64_t>(call.items.size()))
      .field("successful_predictions", good)
      .field("failed_predictions", failed)
      .field("avg_processing_time_ms", good == 0 ? 0.0 : own_ms / static_cast<double>(good))
      .field("total_processing_time_ms", to_ms(steady_clock::now() - call.started))
      .field("model_used", call.model)
      .end_object();
}

void write_tail(json_out& json, const predict_call& call) {
  if (!call.request->request_id().empty()) json.field("request_id", call.request->request_id());
  json.field("timestamp", std::chrono::system_clock::now()).end_object();
}

// Where nothing else is known of an item.
const error unanswered{error_code::internal, "The model gave no result for this input", {}, {}};

void respond_one(predict_call& call) {
  auto& answer = call.answers[0];
  if (!answer.problem && !answer.done) answer.problem = unanswered;
  if (answer.problem) return respond_error(*call.request, call.service, *answer.problem, call.model);
  json_out json;
  json.object();
  write_answer(json, call, 0, to_ms(steady_clock::now() - call.started));
  write_tail(json, call);
  response out;
  out.body = json.str();
  out.headers.emplace_back("Server-Timing", server_timing(call));
  call.request->respond(std::move(out));
}

void respond_batch(predict_call& call) {
  json_out json;
  json.object().key("results").array();
  std::uint64_t good = 0, failed = 0;
  double own_ms = 0;
  for (std::size_t i = 0; i < call.items.size(); ++i) {
    auto& answer = call.answers[i];
    if (!answer.problem && !answer.done) answer.problem = unanswered;
    const double ms = own_time_ms(answer.timing);
    answer.problem ? ++failed : ++good;
    if (!answer.problem) own_ms += ms;
    json.object().field("index", static_cast<std::uint64_t>(i));
    write_answer(json, call, i, ms);
    json.end_object();
  }
  json.end_array();
  write_summary(json, call, good, failed, own_ms);
  write_tail(json, call);
  response out;
  out.body = json.str();
  out.headers.emplace_back("Server-Timing", server_timing(call));
  call.request->respond(std::move(out));
}

void respond_all(predict_call& call) { call.batch ? respond_batch(call) : respond_one(call); }

// Collects everything, answers once.
class plain_reply final : public actors::reply_stream {
 public:
  explicit plain_reply(call_ptr call) : call_(std::move(call)) {}

  void begin(const inference::model_info& info) override { call_->labels = info.labels; }

  void write(item_result&& item) override {
    if (item.index >= call_->positions.size()) return;
    auto& answer = call_->answers[call_->positions[item.index]];
    call_->cache_hit = item.resident_at_arrival;
    answer.timing = item.timing;
    answer.truncated = answer.truncated || item.truncated;
    answer.prediction_cache_hit = item.prediction_cache_hit;
    answer.done = item.last;
    if (!item.value) {
      answer.problem = std::move(item.value.error());
    } else if (!std::holds_alternative<std::monostate>(*item.value)) {
      answer.outputs.push_back(std::move(*item.value));
    }
  }

  void end() override {
    on_connection(call_->request, [call = call_] { respond_all(*call); });
  }

  void fail(const error& why) override {
    on_connection(call_->request,
                  [call = call_, why] { respond_error(*call->request, call->service, why, call->model); });
  }

 private:
  const call_ptr call_;
};

// Server-sent events, on the connection's thread.
void stream_begin(const call_ptr& call) {
  if (call->events) return;
  event_stream::limits bounds;
  bounds.credit_bytes = bounds.pending_bytes = call->settings.stream_credit_bytes;
  bounds.heartbeat_ms = call->settings.stream_heartbeat_ms;
  call->events = event_stream::start(call->request, {}, bounds, [handle = call->cancel] { handle(); });
  for (std::size_t i = 0; i < call->items.size(); ++i) {
    if (!call->answers[i].problem) continue;
    json_out json;
    json.object().field("index", static_cast<std::uint64_t>(i));
    write_problem(json, *call->answers[i].problem);
    json.field("last", true).end_object();
    call->events->send({}, json.str());
    ++call->streamed_failed;
  }
}

void stream_item(const call_ptr& call, const item_result& item) {
  stream_begin(call);
  call->cache_hit = item.resident_at_arrival;
  const bool silent = item.value && std::holds_alternative<std::monostate>(*item.value) && !item.last;
  if (silent || item.index >= call->positions.size()) return;
  json_out json;
  json.object().field("index", call->positions[item.index]);
  if (item.value) {
    write_output(json, call->labels, *item.value);
  } else {
    write_problem(json, item.value.error());
  }
  json.field("last", item.last);
  if (item.truncated) json.field("truncated", true);
  if (item.last) {
    const double ms = own_time_ms(item.timing);
    json.field("processing_time_ms", ms).field("prediction_cache_hit", item.prediction_cache_hit);
    item.value ? ++call->streamed_ok : ++call->streamed_failed;
    if (item.value) call->streamed_ms += ms;
  }
  json.end_object();
  call->events->send({}, json.str());
}

void stream_end(const call_ptr& call) {
  stream_begin(call);
  json_out json;
  json.object();
  write_summary(json, *call, call->streamed_ok, call->streamed_failed, call->streamed_ms);
  json.field("model_used", call->model).field("cache_hit", call->cache_hit);
  write_tail(json, *call);
  call->events->send("done", json.str());
  call->events->finish();
}

void stream_fail(const call_ptr& call, const error& why) {
  if (!call->events) return respond_error(*call->request, call->service, why, call->model);
  json_out json;
  json.object();
  write_problem(json, why);
  json.field("status", status_of(why.code));
  write_tail(json, *call);
  call->events->send("error", json.str());
  call->events->finish();
}

class streamed_reply final : public actors::reply_stream {
 public:
  explicit streamed_reply(call_ptr call) : call_(std::move(call)) {}

  void begin(const inference::model_info& info) override { call_->labels = info.labels; }
  void write(item_result&& item) override {
    on_connection(call_->request, [call = call_, shared = std::make_shared<item_result>(std::move(item))] {
      stream_item(call, *shared);
    });
  }
  void end() override {
    on_connection(call_->request, [call = call_] { stream_end(call); });
  }
  void fail(const error& why) override {
    on_connection(call_->request, [call = call_, why] { stream_fail(call, why); });
  }

 private:
  const call_ptr call_;
};

}  // namespace

void respond_error(exchange& request, const actors::service& service, error why, const std::string& model) {
  if (why.code == error_code::model_not_found && !model.empty()) why = unknown_model(service, model);
  request.fail(why);
}

void on_connection(const exchange_ptr& request, std::function<void()> f) {
  request->post([request, f = std::move(f)] {
    try {
      f();
    } catch (const std::bad_alloc&) {
      request->fail({error_code::unavailable, "No memory for the answer", {}, 1});
    } catch (const std::exception& e) {
      request->fail({error_code::internal, "The answer could not be written", e.what(), {}});
    }
  });
}

void predict(const exchange_ptr& request, actors::service& service, const config::settings& settings,
             predict_input input) {
  auto call = std::make_shared<predict_call>(request, service, settings);
  call->model = input.request.model;
  call->items = std::move(input.items);
  call->positions = std::move(input.positions);
  call->batch = input.batch;
  call->answers.resize(call->items.size());
  for (std::size_t i = 0; i < call->items.size(); ++i) {
    call->answers[i].problem = std::move(call->items[i].problem);
  }
  if (input.request.inputs.empty()) {  // every item was bad
    if (input.stream) return stream_end(call);
    return respond_all(*call);
  }
  std::unique_ptr<actors::reply_stream> reply;
  if (input.stream) {
    reply = std::make_unique<streamed_reply>(call);
  } else {
    reply = std::make_unique<plain_reply>(call);
  }
  call->cancel = service.predict(std::move(input.request), std::move(reply));
  request->on_disconnect([handle = call->cancel] { handle(); });
}

}  // namespace troupe::http
