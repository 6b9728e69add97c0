#include "http/ws/file_feed.hpp"

#include <utility>

#include "inference/model/overloaded.hpp"
#include "inference/speech/utf8.hpp"

namespace troupe::http {

std::shared_ptr<file_feed> file_feed::open(const file_intake& intake, std::shared_ptr<live_socket> socket,
                                           actors::recording_request request, owner& hears) {
  return std::shared_ptr<file_feed>(new file_feed(intake, std::move(socket), std::move(request), hears));
}

file_feed::file_feed(const file_intake& intake, std::shared_ptr<live_socket> socket, actors::recording_request request,
                     owner& hears)
    : sound_feed(std::move(socket), hears),
      recordings_(intake.recordings),
      request_(std::move(request)),
      file_(std::make_shared<received_file>(
          intake.bytes_max, [to = std::weak_ptr(socket_)](std::uint64_t bytes) -> std::shared_ptr<void> {
            const auto s = to.lock();
            return s ? s->hold(bytes) : nullptr;
          })) {}

file_feed::~file_feed() {
  if (cancel_) cancel_();
}

void file_feed::take(std::string_view bytes) {
  if (owner_ == nullptr || bytes.empty()) return;
  if (auto kept = file_->append(bytes); !kept) fail(kept.error());
}

void file_feed::finish() {
  if (owner_ == nullptr || std::exchange(finishing_, true)) return;
  set_paused(true);
  request_.file = file_->bytes();
  request_.holds = std::exchange(file_, nullptr);
  auto cancel =
      recordings_.transcribe(std::move(request_), [here = to_connection<file_feed>()](actors::recording_event&& event) {
        here([event = std::move(event)](file_feed& f) mutable { f.told(std::move(event)); });
      });
  cancel_ = std::move(cancel);
}

void file_feed::drop() {
  if (owner_ == nullptr) return;
  owner_ = nullptr;
  if (cancel_) std::exchange(cancel_, nullptr)();
  file_.reset();
  set_paused(false);
  socket_.reset();
}

void file_feed::told(actors::recording_event&& event) {
  if (owner_ == nullptr) return;
  const auto self = shared_from_this();
  std::visit(inference::overloaded{[&](actors::recording_begun&) { owner_->feed_opened(); },
                                   [&](actors::recording_sentence& s) { told(std::move(s.text)); },
                                   [&](actors::recording_ended&) { owner_->feed_ended(); },
                                   [&](actors::recording_failed& f) { fail(f.why); }},
             event);
}

// With the blank before Latin words that a session's sentences have.
void file_feed::told(inference::transcript&& sentence) {
  if (std::exchange(any_, true) && !sentence.text.empty() && inference::is_ascii(sentence.text.front()))
    sentence.text.insert(0, 1, ' ');
  owner_->feed_told(actors::session_sentence{std::move(sentence), {}});
}

}  // namespace troupe::http
