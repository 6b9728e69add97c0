#include "http/api/replies.hpp"

#include "http/api/collect.hpp"
#include "http/api/item_answers.hpp"
#include "http/api/predict_answer.hpp"
#include "http/api/unknown_model.hpp"
#include "http/core/errors.hpp"
#include "http/core/event_stream.hpp"

namespace troupe::http {
namespace {

using actors::item_result;

// One request to /predict. Its answer is collected, or streamed: then `all` has what is told of all items, and the
// connection's thread alone writes it.
struct predict_call {
  predict_call(const actors::service& s, const config::settings& c) : service(s), settings(c) {}

  const actors::service& service;
  const config::settings& settings;
  predict_answer answer;

  // Streams only.
  std::vector<std::uint32_t> positions;  // of the items, as the request's inputs
  std::shared_ptr<event_stream> events;
  actors::cancel_handle cancel;
  predict_counts counts;

  exchange& request() const { return *answer.all.request; }
};
using call_ptr = std::shared_ptr<predict_call>;

// Server-sent events, on the connection's thread.
void stream_begin(const call_ptr& call) {
  if (call->events) return;
  event_stream::limits bounds;
  bounds.credit_bytes = bounds.pending_bytes = call->settings.stream_credit_bytes;
  bounds.heartbeat_ms = call->settings.stream_heartbeat_ms;
  call->events = event_stream::start(call->answer.all.request, {}, bounds, [handle = call->cancel] { handle(); });
}

// Of the items that were not sent to the model.
void stream_problems(const call_ptr& call) {
  const auto& items = call->answer.asked.items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].problem) continue;
    json_out json;
    json.object().field("index", static_cast<std::uint64_t>(i));
    write_problem(json, *items[i].problem);
    json.field("last", true).end_object();
    call->events->send({}, json.str());
    ++call->counts.failed;
  }
}

void stream_begin_with_problems(const call_ptr& call) {
  if (call->events) return;
  stream_begin(call);
  stream_problems(call);
}

void stream_item(const call_ptr& call, const item_result& item) {
  stream_begin_with_problems(call);
  call->answer.all.cache_hit = item.resident_at_arrival;
  const bool silent = item.value && std::holds_alternative<std::monostate>(*item.value) && !item.last;
  if (silent || item.index >= call->positions.size()) return;
  json_out json;
  json.object().field("index", call->positions[item.index]);
  if (item.value) {
    write_output(json, call->answer.all.labels, *item.value, call->answer.style());
  } else {
    write_problem(json, item.value.error());
  }
  json.field("last", item.last);
  if (item.truncated) json.field("truncated", true);
  if (item.last) {
    const double ms = own_time_ms(item.timing);
    json.field("processing_time_ms", ms).field("prediction_cache_hit", item.prediction_cache_hit);
    item.value ? ++call->counts.good : ++call->counts.failed;
    if (item.value) call->counts.own_time_ms += ms;
  }
  json.end_object();
  call->events->send({}, json.str());
}

void stream_done(const call_ptr& call) {
  json_out json;
  json.object();
  write_summary(json, call->answer, call->counts);
  json.field("model_used", call->answer.all.model).field("cache_hit", call->answer.all.cache_hit);
  write_tail(json, call->answer.all);
  call->events->send("done", json.str());
  call->events->finish();
}

void stream_end(const call_ptr& call) {
  stream_begin_with_problems(call);
  stream_done(call);
}

void stream_fail(const call_ptr& call, const error& why) {
  if (!call->events) return respond_error(call->request(), call->service, why, call->answer.all.model);
  json_out json;
  json.object();
  write_problem(json, why);
  json.field("status", status_of(why.code));
  write_tail(json, call->answer.all);
  call->events->send("error", json.str());
  call->events->finish();
}

// An answer of several inputs comes when all of them have come.
void stream_collected(const call_ptr& call) {
  const auto& answer = call->answer;
  if (const auto* why = request_problem(answer.all, answer.task)) return stream_fail(call, *why);
  stream_begin(call);
  for (std::size_t i = 0; i < answer.asked.items.size(); ++i) {
    json_out json;
    json.object();
    write_batch_item(json, answer, i, call->counts);
    json.field("last", true).end_object();
    call->events->send({}, json.str());
  }
  stream_done(call);
}

class streamed_reply final : public actors::reply_stream {
 public:
  explicit streamed_reply(call_ptr call) : call_(std::move(call)) {}

  void begin(const inference::model_info& info) override { call_->answer.all.labels = info.labels; }
  void write(item_result&& item) override {
    on_connection(call_->answer.all.request, [call = call_, shared = std::make_shared<item_result>(std::move(item))] {
      stream_item(call, *shared);
    });
  }
  void end() override {
    on_connection(call_->answer.all.request, [call = call_] { stream_end(call); });
  }
  void fail(const error& why) override {
    on_connection(call_->answer.all.request, [call = call_, why] { stream_fail(call, why); });
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
  auto call = std::make_shared<predict_call>(service, settings);
  auto& answer = call->answer;
  answer.asked = std::move(input.asked);
  answer.parameters = std::move(input.parameters);
  answer.task = input.request.asked.task;
  answer.all.request = request;
  answer.all.model = input.request.model;
  const bool by_item = answer.asked.form == input_form::each;
  if (input.request.inputs.empty()) {  // every item was bad
    return input.stream && by_item ? stream_end(call) : respond_predict(answer, service);
  }
  if (!input.stream || !by_item) {
    const bool events = input.stream && answer.asked.form == input_form::zero_shot;
    return collect(request, service, std::move(input.request), [call, events](collected& all) {
      call->answer.all = std::move(all);
      events ? stream_collected(call) : respond_predict(call->answer, call->service);
    });
  }
  for (std::uint32_t i = 0; i < answer.asked.items.size(); ++i) {
    if (!answer.asked.items[i].problem) call->positions.push_back(i);
  }
  call->cancel = service.predict(std::move(input.request), std::make_unique<streamed_reply>(call));
  request->on_disconnect([handle = call->cancel] { handle(); });
}

}  // namespace troupe::http
