#include "actors/sessions/recording_fed.hpp"

#include <algorithm>
#include <utility>

#include "inference/model/overloaded.hpp"

namespace troupe::actors {

void recording_fed::open() {
  asking_ = true;
  session_request ask;
  ask.model = model_;
  ask.mode = session_mode::offline;  // sentences alone
  ask.second_pass.reset();           // this model was asked, no other
  ask.options.hotwords = asked_.hotwords;
  ask.peer = asked_.peer;
  const auto& post = means_.post;
  means_.sessions->open(
      std::move(ask),
      [post, this](session_event&& e) {
        post([this, shared = std::make_shared<session_event>(std::move(e))] { told(std::move(*shared)); });
      },
      one_shot<std::unique_ptr<session_handle>>([post, this](result<std::unique_ptr<session_handle>> made) {
        post([this, shared = std::make_shared<decltype(made)>(std::move(made))] { opened(std::move(*shared)); });
      }));
}

void recording_fed::opened(result<std::unique_ptr<session_handle>> made) {
  asking_ = false;
  if (!made) {
    // The cores, or the places, are taken by who speaks now.
    if (made.error().code == error_code::too_many_requests) return void(refusal_ = made.error());
    return owner_.ear_failed(made.error());
  }
  refusal_.reset();
  session_ = std::move(*made);
  credit_ = session_->credit_samples();
  owner_.ear_ready(session_->rate_hz(), session_->uses_hotwords(), asked_.punctuate && !means_.punctuation.empty());
}

void recording_fed::tick() {
  if (refusal_ && !asking_) open();
}

bool recording_fed::hungry() const { return session_ && !last_ && ready_.size() < credit_; }

void recording_fed::take(std::vector<float>&& samples, bool last) {
  if (ready_.empty())
    ready_ = std::move(samples);
  else
    ready_.insert(ready_.end(), samples.begin(), samples.end());
  last_ = last;
  feed();
}

void recording_fed::feed() {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(credit_, ready_.size()));
  if (count > 0) {
    const auto end = ready_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<float> piece(ready_.begin(), end);
    ready_.erase(ready_.begin(), end);
    credit_ -= count;
    session_->feed(std::move(piece));
  }
  if (last_ && ready_.empty() && !std::exchange(finished_, true)) session_->finish();
}

void recording_fed::told(session_event&& event) {
  std::visit(inference::overloaded{[](session_increment&) {},
                                   [&](session_sentence& s) {
                                     if (!asked_.punctuate) s.text.text = std::move(s.raw);
                                     owner_.ear_heard(std::move(s.text));
                                   },
                                   [&](session_credit& c) {
                                     credit_ += c.samples;
                                     feed();
                                     owner_.ear_progressed();
                                   },
                                   [&](session_ended&) { owner_.ear_ended(); },
                                   [&](session_failed& f) { owner_.ear_failed(f.why); }},
             event);
}

}  // namespace troupe::actors
