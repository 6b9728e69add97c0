#include "http/api/collect.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "http/api/replies.hpp"

namespace troupe::http {
namespace {

void append_ms(std::string& out, std::uint32_t us) {
  std::array<char, 16> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), us / 1000).ptr);
  const unsigned rest = us % 1000;
  out.push_back('.');
  out.push_back(static_cast<char>('0' + rest / 100));
  out.push_back(static_cast<char>('0' + rest / 10 % 10));
  out.push_back(static_cast<char>('0' + rest % 10));
}

// One request: written by the model's thread (never two at once), then read by the connection's, to which post()
// hands it over.
struct collection {
  collected all;
  const actors::service& service;
  answerer answer;
};
using collection_ptr = std::shared_ptr<collection>;

class collecting_reply final : public actors::reply_stream {
 public:
  explicit collecting_reply(collection_ptr into) : into_(std::move(into)) {}

  void begin(const inference::model_info& info) override {
    into_->all.labels = info.labels;
    into_->all.tasks = info.tasks;
  }

  void write(actors::item_result&& item) override {
    auto& all = into_->all;
    if (item.index >= all.answers.size()) return;
    auto& answer = all.answers[item.index];
    all.cache_hit = item.resident_at_arrival;
    answer.timing = item.timing;
    answer.tokens = item.tokens;
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
    on_connection(into_->all.request, [into = into_] {
      for (auto& answer : into->all.answers) {
        if (answer.problem || answer.done) continue;
        answer.problem = error{error_code::internal, "The model gave no result for this input", {}, {}};
      }
      into->answer(into->all);
    });
  }

  void fail(const error& why) override {
    on_connection(into_->all.request,
                  [into = into_, why] { respond_error(*into->all.request, into->service, why, into->all.model); });
  }

 private:
  const collection_ptr into_;
};

}  // namespace

bool collected::truncated() const noexcept {
  return std::any_of(answers.begin(), answers.end(), [](const item_answer& a) { return a.truncated; });
}

std::uint64_t collected::tokens() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& a : answers) sum += a.tokens;
  return sum;
}

const error* collected::first_problem() const noexcept {
  for (const auto& a : answers) {
    if (a.problem) return &*a.problem;
  }
  return nullptr;
}

std::string collected::server_timing() const {
  actors::item_timing most;
  for (const auto& a : answers) {
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

void collect(const exchange_ptr& request, actors::service& service, actors::predict_request asked, answerer answer) {
  auto into = std::make_shared<collection>(collection{{}, service, std::move(answer)});
  into->all.request = request;
  into->all.model = asked.model;
  into->all.answers.resize(asked.inputs.size());
  const auto cancel = service.predict(std::move(asked), std::make_unique<collecting_reply>(std::move(into)));
  request->on_disconnect([cancel] { cancel(); });
}

void respond_json(const collected& all, std::string body) {
  response out;
  out.body = std::move(body);
  out.headers.emplace_back("Server-Timing", all.server_timing());
  if (all.truncated()) out.headers.emplace_back("X-Truncated", "true");
  all.request->respond(std::move(out));
}

}  // namespace troupe::http
