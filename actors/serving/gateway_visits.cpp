// The gateway's requests to a model itself: its tokenizer, a place for a live session. They wait for a load as
// predictions do.

#include "actors/serving/gateway.hpp"

#include "inference/speech/funasr_folder.hpp"

namespace troupe::actors {

namespace {

// The job of a request that visits a model: what the visit has found goes to a reply of its own.
template <class T>
class visit_reply final : public reply_stream {
 public:
  visit_reply(std::shared_ptr<std::optional<result<T>>> found, one_shot<T> reply)
      : found_(std::move(found)), reply_(std::move(reply)) {}
  void write(item_result&&) override {}
  void end() override { reply_(std::move(**found_)); }
  void fail(const error& why) override { reply_(tl::unexpected(why)); }

 private:
  const std::shared_ptr<std::optional<result<T>>> found_;
  one_shot<T> reply_;
};

// One after another; the first that fails fails all, told by its number where there are several.
template <class T, class Items, class Ask>
result<std::vector<T>> for_all(const Items& items, Ask ask) {
  std::vector<T> out;
  out.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto one = ask(items[i]);
    if (!one) {
      if (items.size() > 1) one.error().message.insert(0, "Input " + std::to_string(i) + ": ");
      return tl::unexpected(std::move(one.error()));
    }
    out.push_back(std::move(*one));
  }
  return out;
}

template <class T, class Ask>
std::function<std::optional<result<T>>(const resident_ptr&)> with_texts(Ask ask) {
  return [ask = std::move(ask)](const resident_ptr& home) -> std::optional<result<T>> {
    const auto* texts = home->model->texts();
    if (texts == nullptr)
      return fail(error_code::unprocessable, "Model " + home->name + " has no tokenizer",
                  "ask a model that reads texts");
    return ask(*texts);
  };
}

}  // namespace

template <class T>
cancel_handle gateway::visit(std::string model, std::uint64_t size_bytes, bool counts,
                             std::function<std::optional<result<T>>(const resident_ptr&)> ask, one_shot<T> reply) {
  if (model.empty()) model = default_model();
  const auto entry = find(model);
  const auto found = std::make_shared<std::optional<result<T>>>();
  auto p = std::make_shared<pending_request>();
  p->job = std::make_shared<job>(model, 1, config::priority::medium,
                                 steady_clock::now() + std::chrono::milliseconds(settings_.request_timeout_ms),
                                 std::make_unique<visit_reply<T>>(found, std::move(reply)), in_flight_);
  p->request.model = std::move(model);
  // The request owns what it does and the job, so neither may own the request.
  p->visit = [job = p->job, found, ask = std::move(ask)](const resident_ptr& home) {
    auto answer = ask(home);
    if (!answer) return false;
    *found = std::move(answer);
    job->write({});
    return true;
  };
  cancel_handle handle(p->job, {meter_, &meter_->cancelled});
  if (const auto why = refusal(p->request, entry, 1)) {
    p->job->fail(*why);
    return handle;
  }
  const auto home = entry->current.load();
  p->job->resident_at_arrival = home != nullptr;
  if (counts)
    entry->accessed(1, home != nullptr);
  else
    entry->used_now();
  send_on(p, home, size_bytes);
  return handle;
}

cancel_handle gateway::tokenize(tokenize_request request, one_shot<tokenized_texts> reply) {
  std::uint64_t bytes = 0;
  for (const auto& text : request.texts) bytes += text.size();
  auto model = std::move(request.model);
  return visit<tokenized_texts>(
      std::move(model), bytes, false,
      with_texts<tokenized_texts>([request = std::move(request)](const inference::text_tools& texts) {
        return for_all<std::vector<inference::text_token>>(
            request.texts, [&](const std::string& text) { return texts.tokenize(text, request.options); });
      }),
      std::move(reply));
}

cancel_handle gateway::decode(decode_request request, one_shot<decoded_texts> reply) {
  std::uint64_t bytes = 0;
  for (const auto& ids : request.ids) bytes += ids.size() * sizeof(ids[0]);
  auto model = std::move(request.model);
  return visit<decoded_texts>(
      std::move(model), bytes, false,
      with_texts<decoded_texts>([request = std::move(request)](const inference::text_tools& texts) {
        return for_all<std::string>(request.ids,
                                    [&](const auto& ids) { return texts.decode(ids, request.skip_special); });
      }),
      std::move(reply));
}

bool gateway::is_fed(std::string_view model) const {
  const auto entry = find(model);
  if (!entry) return false;
  if (const auto home = entry->current.load()) return home->model->live() != nullptr;
  return inference::is_fed(entry->registration.load()->path);
}

cancel_handle gateway::enter(std::string model, one_shot<live_place> reply) {
  return visit<live_place>(
      std::move(model), 0, true,
      [](const resident_ptr& home) -> std::optional<result<live_place>> {
        if (home->model->live() == nullptr)
          return fail(error_code::unprocessable, "Model " + home->name + " cannot be fed while it answers",
                      "live sessions need a streaming model; POST /predict asks this one");
        switch (home->door.try_enter(1, home->limits.max_queue_items)) {
          case gate::entry::closed: return std::nullopt;
          case gate::entry::full:
            home->metrics->rejected.Increment();
            return fail(error_code::too_many_requests, "model " + home->name + " has no place for another session",
                        "max_queue_items is " + std::to_string(home->limits.max_queue_items), 1);
          case gate::entry::entered: break;
        }
        return live_place{home, std::make_shared<const ticket>(home, 1)};
      },
      std::move(reply));
}

}  // namespace troupe::actors
