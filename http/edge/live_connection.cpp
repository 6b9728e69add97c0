#include "http/edge/live_connection.hpp"  // Asio first

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <deque>

#include "http/edge/lingering.hpp"
#include "http/edge/rest_first.hpp"

namespace troupe::http::edge {
namespace {

namespace beast = boost::beast;
namespace websocket = beast::websocket;

constexpr std::size_t first_piece_bytes = 4 * 1024;  // what waits at an idle socket
constexpr std::size_t largest_piece_bytes = 64 * 1024;
constexpr std::size_t kept_capacity_bytes = 16 * 1024;
constexpr std::size_t reason_bytes_max = 123;  // of a close frame

template <class Inner>
class live_connection final : public live_socket, public swept {
 public:
  live_connection(std::unique_ptr<Inner> socket, connection_slot slot, std::shared_ptr<io_thread> thread,
                  std::string rest, std::shared_ptr<live_protocol> protocol)
      : thread_(std::move(thread)),
        slot_(std::move(slot)),
        ws_(std::move(socket), std::move(rest)),
        protocol_(std::move(protocol)) {}
  ~live_connection() override { uncharge(); }

  void start(live_terms terms) {
    self_ = std::static_pointer_cast<live_connection>(shared_from_this());
    thread_->add(*this);
    thread_->exchange_begun();
    heard_ = write_since_ = thread_->now();
    ws_.read_message_max(shared().live.message_max_bytes);
    ws_.auto_fragment(false);
    ws_.control_callback([this](websocket::frame_type, beast::string_view) { heard_ = thread_->now(); });
    ws_.set_option(websocket::stream_base::decorator([&terms](websocket::response_type& r) {
      r.set("Server", "troupe");
      r.set("X-Request-Id", terms.request_id);
      if (!terms.subprotocol.empty()) r.set("Sec-WebSocket-Protocol", terms.subprotocol);
    }));
    beast::http::request<beast::http::empty_body> request(beast::http::verb::get, "/", 11);
    request.set("Host", "-");
    request.set("Connection", "Upgrade");
    request.set("Upgrade", "websocket");
    request.set("Sec-WebSocket-Version", "13");
    request.set("Sec-WebSocket-Key", terms.key);
    begin_write();
    ws_.async_accept(request, [this, self = self_](const asio_error& e) {
      end_write();
      if (over_ || e) return end(e);
      opened_ = true;
      tell([&](live_protocol& p) { p.opened(self); });
      read();
    });
    ws_.set_option(websocket::stream_base::decorator([](websocket::response_type&) {}));  // the answer is made by now
  }

  // live_socket
  void send(std::string message) override {
    if (over_ || closing_) return;
    queued_bytes_ += message.size();
    if (queued_bytes_ > shared().live.unsent_max_bytes) {
      shared().counts.closed("slow_reader");
      queue_.resize(writing_ ? 1 : 0);  // what has begun goes on: its frame says how long it is
      hasty_ = true;
      write_since_ = thread_->now();
      close(close_code::policy, "what was sent is not read");
      // It need not wait for a client that reads on: nothing more reaches it.
      return asio::post(ws_.get_executor(), [this, self = self_] { tell_closed(); });
    }
    queue_.push_back(std::move(message));
    write();
  }

  void close(close_code code, std::string reason) override {
    if (over_ || std::exchange(closing_, true)) return;
    reason.resize(std::min(reason.size(), reason_bytes_max));
    while (!reason.empty() && !is_whole_utf8(reason)) reason.pop_back();
    close_ = websocket::close_reason(static_cast<websocket::close_code>(code), reason);
    write();
  }

  void pause() override { paused_ = true; }
  void resume() override {
    if (!std::exchange(paused_, false)) return;
    heard_ = thread_->now();
    read();
  }
  std::shared_ptr<void> hold(std::uint64_t bytes) override {
    auto& budget = shared().budget;
    if (!budget.fits(bytes)) return nullptr;
    budget.charge(bytes);
    if (held_.expired()) {
      held_since_ = thread_->now();
      held_bytes_ = 0;
    }
    held_bytes_ += bytes;
    std::shared_ptr<void> held(&budget, [bytes, thread = thread_](void*) { thread->shared().budget.release(bytes); });
    held_ = held;
    return held;
  }
  void post(std::function<void()> f) override { thread_->post(std::move(f)); }

  // swept
  void sweep(clock::time_point now) override {
    const auto& limits = shared().live;
    if (writing_ || sent_close_) {
      const auto limit = sent_close_ || hasty_ ? std::chrono::milliseconds(linger_limit) : shared().stall_timeout;
      if (now - write_since_ > limit) return kill(sent_close_ ? "no_close_frame" : "stalled_reader");
    }
    if (closing_) return;
    if (opened_ && !told_draining_ && shared().draining.load(std::memory_order_relaxed)) {
      told_draining_ = true;
      return tell([](live_protocol& p) { p.draining(); });
    }
    const auto silence = now - heard_;
    if (paused_) {  // nothing can be heard, but a client that is gone shows in writing
      if (now - std::max(heard_, pinged_) > limits.idle_timeout / 2 && !pinging_) ping(now);
    } else if (!held_.expired() && (now - told_ > limits.idle_timeout || now - held_since_ > held_limit())) {
      shared().counts.closed("unfinished");
      close(close_code::policy, "the rest of what was begun did not come");
    } else if (silence > limits.idle_timeout) {
      shared().counts.closed("silent");
      close(close_code::policy, "nothing was heard, not even a pong");
    } else if (silence > limits.idle_timeout / 2 && pinged_ <= heard_ && !pinging_) {
      ping(now);
    }
  }

  void kill(const char* reason) override {
    if (over_) return;
    shared().counts.closed(reason);
    if (thread_->stopping() && opened_ && !writing_ && !closing_) {
      close(close_code::going_away, "the server is ending");  // most likely it is written at once
      asio::post(ws_.get_executor(), [this, self = self_] { abort(); });
    } else {
      abort();
    }
  }

 private:
  edge::shared& shared() const { return thread_->shared(); }
  // As a request's body has, but slower.
  std::chrono::milliseconds held_limit() const {
    return shared().read_timeout + std::chrono::milliseconds(held_bytes_ / kept_bytes_per_ms_min);
  }

  // -- reading

  void read() {
    if (over_ || reading_ || paused_ || closing_) return;
    reading_ = true;
    const auto have = message_.size();
    const auto piece = std::clamp(have, first_piece_bytes, largest_piece_bytes);
    message_.resize(have + piece);
    ws_.async_read_some(asio::buffer(message_.data() + have, piece),
                        [this, self = self_, have](const asio_error& e, std::size_t n) {
                          reading_ = false;
                          heard_ = thread_->now();
                          if (over_ || e) return end(e);
                          message_.resize(have + n);
                          received();
                        });
  }

  void received() {
    if (!ws_.is_message_done()) {
      if (charge()) return read();
      return close(close_code::try_again_later, "The memory for messages is in use");
    }
    if (!closing_) {
      told_ = heard_;
      tell([&](live_protocol& p) { ws_.got_text() ? p.text(message_) : p.binary(message_); });
    }
    uncharge();
    if (message_.capacity() > kept_capacity_bytes)
      std::string().swap(message_);
    else
      message_.clear();
    if (!over_) read();
  }

  // What a message takes while it comes is counted with the bodies of requests.
  bool charge() {
    auto& budget = shared().budget;
    const auto more = message_.size() - charged_bytes_;
    if (!budget.fits(more)) return false;
    budget.charge(more);
    charged_bytes_ = message_.size();
    return true;
  }
  void uncharge() {
    if (charged_bytes_ > 0) shared().budget.release(std::exchange(charged_bytes_, 0));
  }

  // -- writing

  void begin_write() {
    writing_ = true;
    write_since_ = thread_->now();
  }
  void end_write() { writing_ = false; }

  void write() {
    if (over_ || writing_ || sent_close_) return;
    if (!queue_.empty()) {
      begin_write();
      ws_.text(true);
      ws_.async_write(asio::buffer(queue_.front()), [this, self = self_](const asio_error& e, std::size_t) {
        end_write();
        if (over_ || e) return end(e);
        queued_bytes_ -= queue_.front().size();
        queue_.pop_front();
        write();
      });
    } else if (closing_) {
      sent_close_ = true;
      write_since_ = thread_->now();
      ws_.async_close(close_, [this, self = self_](const asio_error& e) {
        sent_close_ = false;
        end(e ? e : asio_error(websocket::error::closed));
      });
    }
  }

  void ping(clock::time_point now) {
    pinged_ = now;
    pinging_ = true;
    ws_.async_ping({}, [this, self = self_](const asio_error& e) {
      pinging_ = false;
      if (over_ || e) end(e);
    });
  }

  // -- ending

  // Each operation of Beast's comes here last. The socket is let go of when none is left.
  void end(const asio_error& e) {
    if (!std::exchange(over_, true)) {
      // Beast has answered the client's close frame, or its fault, with ours: that is to arrive.
      answered_ =
          e == websocket::error::closed || e.category() == beast::error_code(websocket::error::closed).category();
      thread_->remove(*this);
      if (!answered_) cancel();
      tell_closed();
      thread_->exchange_finished();
    }
    if (reading_ || writing_ || sent_close_ || pinging_) return;
    const auto self = std::exchange(self_, nullptr);
    if (!self) return;
    if (answered_ && !thread_->stopping()) {
      asio::post(ws_.get_executor(), [l = std::make_shared<lingering<Inner>>(ws_.next_layer().take(), std::move(slot_),
                                                                             thread_)] { l->start(); });
    } else {
      beast_close_socket(ws_.next_layer());
      const auto released = std::move(slot_);
    }
  }

  // A protocol's exception (no memory) costs its own socket.
  template <class Call>
  void tell(Call call) {
    if (!protocol_) return;
    try {
      const auto protocol = protocol_;
      call(*protocol);
    } catch (...) {
      close(close_code::internal, "the server failed");
    }
  }
  void tell_closed() {
    if (const auto protocol = std::exchange(protocol_, nullptr)) protocol->closed();
  }

  void cancel() { beast_close_socket(ws_.next_layer()); }
  void abort() {
    if (!over_) end(asio::error::operation_aborted);
  }

  static bool is_whole_utf8(std::string_view text) {
    auto at = text.size();
    while (at > 0 && (static_cast<unsigned char>(text[at - 1]) & 0xC0U) == 0x80U) --at;
    if (at == 0) return text.empty();
    const auto lead = static_cast<unsigned char>(text[at - 1]);
    const std::size_t tail = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    return text.size() - at == tail;
  }

  const std::shared_ptr<io_thread> thread_;
  connection_slot slot_;
  websocket::stream<rest_first<Inner>, false> ws_;
  std::shared_ptr<live_protocol> protocol_;
  std::shared_ptr<live_connection> self_;  // until the socket is let go of
  std::string message_;                    // as far as it has come
  std::uint64_t charged_bytes_ = 0;
  std::weak_ptr<void> held_;       // the last that the protocol keeps
  std::uint64_t held_bytes_ = 0;   // with those before it
  clock::time_point held_since_;   // the first of them
  std::deque<std::string> queue_;  // the first one is being written
  std::size_t queued_bytes_ = 0;
  websocket::close_reason close_;
  clock::time_point heard_, told_{}, pinged_{}, write_since_;  // told_: a whole message
  bool opened_ = false, over_ = false, answered_ = false, closing_ = false, paused_ = false, told_draining_ = false;
  bool hasty_ = false;  // a slow reader: what is being written gets no more time
  bool reading_ = false, writing_ = false, sent_close_ = false, pinging_ = false;  // operations under way
};

template <class Inner>
void start(std::unique_ptr<Inner> socket, connection_slot slot, std::shared_ptr<io_thread> thread, std::string rest,
           live_terms terms, std::shared_ptr<live_protocol> protocol) {
  std::make_shared<live_connection<Inner>>(std::move(socket), std::move(slot), std::move(thread), std::move(rest),
                                           std::move(protocol))
      ->start(std::move(terms));
}

}  // namespace

void start_live(std::unique_ptr<tcp_stream> socket, connection_slot slot, std::shared_ptr<io_thread> thread,
                std::string rest, live_terms terms, std::shared_ptr<live_protocol> protocol) {
  start(std::move(socket), std::move(slot), std::move(thread), std::move(rest), std::move(terms), std::move(protocol));
}

void start_live(std::unique_ptr<tls_stream> socket, connection_slot slot, std::shared_ptr<io_thread> thread,
                std::string rest, live_terms terms, std::shared_ptr<live_protocol> protocol) {
  start(std::move(socket), std::move(slot), std::move(thread), std::move(rest), std::move(terms), std::move(protocol));
}

}  // namespace troupe::http::edge
