#include "http/api/hear.hpp"

#include <chrono>
#include <utility>

#include "config/names.hpp"
#include "http/api/replies.hpp"
#include "http/api/unknown_model.hpp"
#include "http/json/sentences.hpp"
#include "inference/model/overloaded.hpp"

namespace troupe::http {
namespace {

// What is told, in its order, on the connection's thread.
class hearing : public std::enable_shared_from_this<hearing> {
 public:
  hearing(exchange_ptr request, std::unique_ptr<recording_follower> follower) : follower_(std::move(follower)) {
    all.request = std::move(request);
  }

  void told(actors::recording_event&& event) {
    on_connection(all.request, [self = shared_from_this(), event = std::make_shared<actors::recording_event>(
                                                               std::move(event))] { self->take(std::move(*event)); });
  }

  heard_recording all;

 private:
  void take(actors::recording_event&& event) {
    if (over_) return;
    std::visit(inference::overloaded{[&](actors::recording_begun& b) {
                                       all.begun = std::move(b);
                                       follower_->begun(all);
                                     },
                                     [&](actors::recording_sentence& s) {
                                       all.sentences.push_back(std::move(s.text));
                                       follower_->sentence(all);
                                     },
                                     [&](actors::recording_ended& e) {
                                       over_ = true;
                                       all.sound_s = e.sound_s;
                                       follower_->ended(all);
                                     },
                                     [&](actors::recording_failed& f) {
                                       over_ = true;
                                       follower_->failed(all, f.why);
                                     }},
               event);
  }

  const std::unique_ptr<recording_follower> follower_;
  bool over_ = false;
};

class whole_follower final : public recording_follower {
 public:
  whole_follower(const actors::service& service, std::function<response(const heard_recording&)> write)
      : service_(service), write_(std::move(write)) {}
  void ended(heard_recording& all) override { all.request->respond(write_(all)); }
  void failed(heard_recording& all, const error& why) override {
    respond_error(*all.request, service_, why, all.asked_model);
  }

 private:
  const actors::service& service_;
  const std::function<response(const heard_recording&)> write_;
};

// The client's model where it named one.
result<void> check_model(const actors::service& service, const std::string& model) {
  if (model.empty()) return {};
  if (auto checked = config::check_model_name(model); !checked) return tl::unexpected(checked.error());
  if (!service.knows(model)) return tl::unexpected(unknown_model(service, model));
  return {};
}

}  // namespace

std::string heard_recording::text() const {
  std::string out;
  for (const auto& s : sentences) {
    out += between(out, s.text);
    out += s.text;
  }
  return out;
}

double heard_recording::took_s() const { return std::chrono::duration<double>(steady_clock::now() - started).count(); }

void hear(const context& c, const exchange_ptr& request, actors::recording_request asked,
          std::unique_ptr<recording_follower> follower) {
  auto it = std::make_shared<hearing>(request, std::move(follower));
  it->all.asked_model = asked.model;
  it->all.hotwords_given = !asked.hotwords.empty();
  if (const auto known = check_model(c.service, asked.model); !known)
    return it->told(actors::recording_failed{known.error()});
  it->all.cancel = c.service.recordings().transcribe(
      std::move(asked), [it](actors::recording_event&& event) { it->told(std::move(event)); });
  request->on_disconnect(it->all.cancel);
}

void hear_whole(const context& c, const exchange_ptr& request, actors::recording_request asked,
                std::function<response(const heard_recording&)> write) {
  hear(c, request, std::move(asked), std::make_unique<whole_follower>(c.service, std::move(write)));
}

}  // namespace troupe::http
