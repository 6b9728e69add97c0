#pragma once
// The socket that RESTinio is given: its reads yield whole requests that keep the limits (see framer.hpp),
// its close lingers so that the answer to a refused request arrives. Everything on the connection's thread.
//
// A client that ends its side (FIN, close_notify) asks nothing more; what it has asked is answered, and only then
// RESTinio is told of the end. Whether such a client still reads shows in writing alone: see probe().

#include <poll.h>

#include <functional>
#include <utility>

#include "http/edge/connection.hpp"
#include "http/edge/framer.hpp"
#include "http/edge/lingering.hpp"

namespace restinio::impl {
class tls_socket_t;
}

namespace troupe::http::edge {

inline constexpr auto probe_period = std::chrono::milliseconds(500);
inline constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

template <class Inner>
class guarded_connection final : public connection {
 public:
  guarded_connection(std::shared_ptr<io_thread> t, std::string dialect, connection_slot slot,
                     std::unique_ptr<Inner> inner)
      : connection(std::move(t), std::move(dialect)),
        slot_(std::move(slot)),
        inner_(std::move(inner)),
        framer_(shared().limits),
        since_(thread().now()) {}

  void open() {
    thread().add(*this);
    since_ = thread().now();
    asio_error ignored;
    tcp_of(*inner_).non_blocking(true, ignored);
    tcp_of(*inner_).set_option(asio::ip::tcp::no_delay(true), ignored);
  }

  bool is_open() const { return open_; }
  executor get_executor() { return thread().context().get_executor(); }

  template <class Handler>
  void handshake(Handler h) {
    if constexpr (is_tls<Inner>) {
      handshaking_ = true;
      inner_->async_handshake(asio::ssl::stream_base::server, [this, h = std::move(h)](const asio_error& e) mutable {
        handshaking_ = false;
        since_ = thread().now();
        if (e) read_failed_ = true;
        h(killed_ ? asio_error(asio::error::timed_out) : e);
      });
    } else {
      h(asio_error{});
    }
  }

  template <class Handler>
  void read(asio::mutable_buffer to, Handler h) {
    if (!open_ || killed_) {
      asio::post(thread().context(), [h = std::move(h), e = end_of_read()]() mutable { h(e, 0); });
    } else if (framer_.has_output()) {
      deliver_later(to, std::move(h));
    } else if (framer_.refused() || framer_.upgraded()) {
      input_ended_ ? park(to, std::move(h)) : discard(to, std::move(h));
    } else if (requests_left() == 0) {
      park(to, std::move(h));
    } else if (framer_.has_backlog()) {
      const bool was_inside = framer_.inside_request();
      framer_.resume(requests_left());
      note_progress(!was_inside);
      read(to, std::move(h));
    } else if (input_ended_) {
      end_input(to, std::move(h));
    } else {
      read_more(to, std::move(h));
    }
  }

  template <class Buffers, class Handler>
  void write(const Buffers& from, Handler h) {
    if (!open_ || killed_) {
      asio::post(thread().context(), [h = std::move(h), e = end_of_read()]() mutable { h(e, 0); });
      return;
    }
    writing_ = answer_begun_ = true;
    write_since_ = thread().now();
    if (probing_)
      held_write_ = [this, from, h = std::move(h)]() mutable { write_now(from, std::move(h)); };
    else
      write_now(from, std::move(h));
  }

  void cancel(asio_error& e) {
    if (!open_) return;
    unpark(asio::error::operation_aborted);
    tcp_of(*inner_).cancel(e);
  }

  void close() {
    if (!std::exchange(open_, false)) return;
    thread().remove(*this);
    unpark(asio::error::operation_aborted);
    asio_error ignored;
    const bool answered = !killed_ && !write_failed_ && !read_failed_;
    bool unread =
        !input_ended_ && (framer_.refused() || framer_.upgraded() || framer_.inside_request() || framer_.has_output());
    if (answered && !unread && !input_ended_) unread = tcp_of(*inner_).available(ignored) > 0;
    if (answered && (unread || is_tls<Inner>)&&!thread().stopping() && !handshaking_) {
      tcp_of(*inner_).cancel(ignored);
      // Posted, so that what was cancelled is through before the TLS layer is used again.
      asio::post(thread().context(),
                 [l = std::make_shared<lingering<Inner>>(std::move(inner_), std::move(slot_),
                                                         thread().shared_from_this())] { l->start(); });
    } else {
      tcp_of(*inner_).close(ignored);
      auto released = std::move(slot_);
    }
    client_left();
  }

  // connection
  void sweep(clock::time_point now) override {
    if (handshaking_) {
      if (now - since_ > shared().handshake_timeout) kill("handshake");
    } else if (writing_) {
      if (now - write_since_ > shared().stall_timeout) kill("stalled_reader");
    } else if (framer_.inside_request()) {
      // A large body has its time while it comes.
      const auto more = std::chrono::milliseconds(framer_.body_bytes() / body_bytes_per_ms_min);
      if (now - since_ > shared().read_timeout + more) {
        framer_.refuse(408, "The request did not come within " + std::to_string(shared().read_timeout.count()) + " ms");
        refused();
        wake();
      }
    } else if (in_flight_ > 0) {
      since_ = now;
      if (parked_ && !peer_ended_) look_for_end();
      if (peer_ended_) probe(now);
    } else if (now - since_ > shared().read_timeout) {
      kill("idle");
    }
  }

  void kill(const char* reason) override {
    if (killed_ || !open_) return;
    killed_ = true;
    shared().counts.closed(reason);
    const auto self = shared_from_this();
    if (parked_) {
      unpark(asio::error::eof);
    } else if (reading_ || writing_ || handshaking_) {
      asio_error ignored;
      tcp_of(*inner_).cancel(ignored);
    } else {
      close();  // RESTinio learns it when it writes
    }
  }

  unsigned refused_status(std::uint64_t ordinal) const override {
    return framer_.refused() && framer_.refused_ordinal() == ordinal ? framer_.refused_status() : 0;
  }
  const std::string& refused_reason() const override { return framer_.refused_reason(); }
  std::string take_body(std::uint64_t ordinal) override { return framer_.take_body(ordinal); }
  bool http_1_0() const override { return framer_.http_1_0(); }
  bool half_closed() const override { return peer_ended_; }

  result<void> become_live(live_terms terms, std::shared_ptr<live_protocol> protocol) override {
    if (!open_ || killed_ || read_failed_ || write_failed_)
      return fail(error_code::unavailable, "The connection is being closed");
    if (shared().draining.load(std::memory_order_relaxed))
      return fail(error_code::unavailable, "The server is ending", "try again elsewhere, or later", 1);
    if (peer_ended_ || probing_)
      return fail(error_code::bad_request, "The connection's sending side was closed: nothing could be told on it");
    open_ = false;
    thread().remove(*this);
    start_live(std::move(inner_), std::move(slot_), thread().shared_from_this(), framer_.take_rest(), std::move(terms),
               std::move(protocol));
    client_left();
    return {};
  }

 protected:
  void one_answered() override {
    answer_begun_ = false;
    probe_due_ = thread().now() + probe_period;
    if (parked_) unpark({});
    if (in_flight_ > 0) return;
    since_ = thread().now();
    if (continue_waits_ && reading_ && !framer_.refused()) send_continue([](const asio_error&) {});
  }

 private:
  asio_error end_of_read() const {
    return killed_ ? asio_error(asio::error::eof) : asio_error(asio::error::operation_aborted);
  }

  void refused() { shared().counts.refused(framer_.refused_status()); }

  template <class Handler>
  void read_more(asio::mutable_buffer to, Handler h) {
    if (continue_waits_ && in_flight_ == 0) {
      send_continue([this, to, h = std::move(h)](const asio_error& e) mutable {
        if (e)
          h(e, 0);
        else
          read(to, std::move(h));
      });
      return;
    }
    reading_ = true;
    inner_->async_read_some(asio::buffer(to), [this, to, h = std::move(h)](const asio_error& e, std::size_t n) mutable {
      reading_ = false;
      if (!open_) return h(end_of_read(), 0);  // the stream lingers elsewhere, even where this read had succeeded
      if (framer_.refused() && framer_.has_output() && !killed_)
        deliver(to, std::move(h));
      else if (killed_)
        h(asio::error::eof, 0);
      else if (is_end<Inner>(e))
        note_end(), end_input(to, std::move(h));
      else if (e)
        read_failed_ = read_failed_ || e != asio::error::operation_aborted, h(e, 0);
      else
        received(to, n, std::move(h));
    });
  }

  // -- the client's side has ended

  // Nothing more comes; who waits to read is told once all that was asked is answered.
  template <class Handler>
  void end_input(asio::mutable_buffer to, Handler h) {
    if (framer_.inside_request()) {
      framer_.refuse(400, "Malformed request: the connection's sending side was closed within it");
      refused();
      deliver_later(to, std::move(h));
    } else if (in_flight_ == 0) {
      asio::post(thread().context(), [h = std::move(h)]() mutable { h(asio::error::eof, 0); });
    } else {
      park(to, std::move(h));
    }
  }

  void note_end() {
    input_ended_ = true;
    note_peer_ended();
  }

  void note_peer_ended() {
    if (std::exchange(peer_ended_, true)) return;
    probe_due_ = clock::now() + probe_period;
    tcp_of(*inner_).async_wait(tcp_stream::wait_error, [this, self = shared_from_this()](const asio_error& e) {
      if (!e && open_ && !killed_ && was_reset()) client_is_gone();
    });
  }

  // While as many requests as may be are in flight nothing is read, and the end is seen from outside only.
  void look_for_end() {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(tcp_of(*inner_).native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
    if (info.tcpi_state == TCP_CLOSE) {
      client_is_gone();
    } else if (info.tcpi_state == TCP_CLOSE_WAIT) {
      note_peer_ended();
    }
  }

  bool was_reset() {
    pollfd p{tcp_of(*inner_).native_handle(), 0, 0};  // errors and hang-ups are always told
    return ::poll(&p, 1, 0) == 1;
  }

  // A write that costs nothing draws a reset from a client that is gone: an interim answer, as long as the next
  // answer has not begun. HTTP/1.0 knows none, and which of several requests the next answer is for is not known here.
  // (Streams have their heartbeats: event_stream.hpp.)
  void probe(clock::time_point now) {
    if (now < probe_due_ || answer_begun_ || probing_ || framer_.any_http_1_0()) return;
    probe_due_ = now + probe_period;
    probing_ = true;
    asio::async_write(*inner_, asio::buffer(continue_line),
                      [this, self = shared_from_this()](const asio_error& e, std::size_t) {
                        probing_ = false;
                        if (e && e != asio::error::operation_aborted) write_failed_ = true;
                        if (const auto write = std::exchange(held_write_, nullptr))
                          write();
                        else if (write_failed_ && open_)
                          client_is_gone();
                      });
  }

  void client_is_gone() {
    read_failed_ = true;
    const auto self = shared_from_this();
    if (parked_)
      unpark(asio::error::connection_reset);
    else if (!reading_ && !writing_)
      close();  // RESTinio learns it when it writes
  }

  template <class Buffers, class Handler>
  void write_now(const Buffers& from, Handler h) {
    if (!open_ || killed_) {
      writing_ = false;
      h(end_of_read(), 0);
      return;
    }
    inner_->async_write_some(from, [this, h = std::move(h)](const asio_error& e, std::size_t n) mutable {
      writing_ = false;
      if (e) write_failed_ = true;
      h(killed_ && !e ? asio_error(asio::error::timed_out) : e, n);
    });
  }

  // -- reading

  // A read that waits until something was answered.
  template <class Handler>
  void park(asio::mutable_buffer to, Handler h) {
    parked_ = [this, to, h = std::move(h)](const asio_error& e) mutable {
      if (e)
        h(e, 0);
      else
        read(to, std::move(h));
    };
  }

  template <class Handler>
  void received(asio::mutable_buffer to, std::size_t n, Handler h) {
    const bool was_inside = framer_.inside_request();
    auto passed = framer_.feed(static_cast<const char*>(to.data()), n, requests_left());
    if (passed == 0 && n == to.size()) read_body();
    note_progress(!was_inside || passed > 0);
    if (passed > 0) {
      h(asio_error{}, passed);
    } else if (framer_.has_output()) {
      deliver(to, std::move(h));
    } else {
      read_more(to, std::move(h));
    }
  }

  void note_progress(bool new_request) {
    if (new_request && framer_.inside_request()) since_ = thread().now();
    if (framer_.refused()) refused();
    if (framer_.take_continue()) continue_waits_ = true;
  }

  // RESTinio is never given more than it may have: beyond its own limit it loses count and closes.
  std::uint32_t requests_left() const {
    const auto most = shared().max_pipelined_requests;
    return in_flight_ < most ? most - in_flight_ : 0;
  }

  // Lets RESTinio's waiting read go on, later, as we may be within one of its calls.
  void unpark(asio_error e) {
    if (parked_)
      asio::post(thread().context(),
                 [self = shared_from_this(), h = std::exchange(parked_, nullptr), e]() mutable { h(e); });
  }

  // Takes more of a large body while it is there, past RESTinio's small buffer.
  void read_body() {
    if constexpr (!is_tls<Inner>) {
      auto& scratch = thread().scratch();
      asio_error e;
      for (std::size_t bytes = 0; framer_.inside_body() && bytes < body_read_bytes_max;) {
        const auto n = inner_->read_some(asio::buffer(scratch), e);
        if (e) break;  // would_block, or what the next asynchronous read finds as well
        bytes += n;
        framer_.feed(scratch.data(), n, requests_left());
        if (n < scratch.size()) break;
      }
    }
  }

  template <class Handler>
  void deliver(asio::mutable_buffer to, Handler h) {
    const auto n = framer_.take(static_cast<char*>(to.data()), to.size());
    h(asio_error{}, n);
  }

  template <class Handler>
  void deliver_later(asio::mutable_buffer to, Handler h) {
    asio::post(thread().context(), [this, to, h = std::move(h)]() mutable {
      if (!open_ || killed_)
        h(end_of_read(), 0);
      else
        deliver(to, std::move(h));
    });
  }

  // After a refused request, or an upgrade that was not made, nothing is read for RESTinio, but the client's end is
  // noticed.
  template <class Handler>
  void discard(asio::mutable_buffer to, Handler h) {
    reading_ = true;
    inner_->async_read_some(asio::buffer(to), [this, to, h = std::move(h)](const asio_error& e, std::size_t) mutable {
      reading_ = false;
      if (!open_) return h(end_of_read(), 0);
      if (!killed_ && is_end<Inner>(e))
        note_end(), read(to, std::move(h));
      else if (killed_ || e)
        h(killed_ ? asio_error(asio::error::eof) : e, 0);
      else
        discard(to, std::move(h));
    });
  }

  // A read that is under way looks again at the framer.
  void wake() {
    if (!reading_) return;
    asio_error ignored;
    tcp_of(*inner_).cancel(ignored);
  }

  template <class Then>
  void send_continue(Then then) {
    continue_waits_ = false;
    since_ = thread().now();
    asio::async_write(
        *inner_, asio::buffer(continue_line),
        [self = shared_from_this(), then = std::move(then)](const asio_error& e, std::size_t) mutable { then(e); });
  }

  connection_slot slot_;
  std::unique_ptr<Inner> inner_;
  framer framer_;
  std::function<void(const asio_error&)>
      parked_;                        // a read while max_pipelined_requests are in flight, or after the end
  std::function<void()> held_write_;  // while a probe is written
  clock::time_point since_;           // idle, or inside a request, or in the handshake
  clock::time_point write_since_, probe_due_;
  bool open_ = true, killed_ = false, handshaking_ = false, reading_ = false, writing_ = false;
  bool write_failed_ = false, read_failed_ = false, continue_waits_ = false;
  bool input_ended_ = false;   // the end was read: nothing more comes
  bool peer_ended_ = false;    // .. or seen, with bytes before it unread
  bool answer_begun_ = false;  // part of the next answer has been written
  bool probing_ = false;
};

// What RESTinio holds and moves.
template <class Inner>
class guarded_socket {
 public:
  using executor_type = executor;
  using lowest_layer_type = tcp_stream;

  explicit guarded_socket(std::shared_ptr<guarded_connection<Inner>> c) : connection_(std::move(c)) {}
  guarded_socket(guarded_socket&&) noexcept = default;
  guarded_socket& operator=(guarded_socket&&) = delete;
  ~guarded_socket() {
    if (connection_ && connection_->is_open() && connection_->thread().here()) connection_->close();
  }

  guarded_connection<Inner>& guarded() { return *connection_; }
  executor get_executor() { return connection_->get_executor(); }
  bool is_open() const { return connection_->is_open(); }

  template <class Buffer, class Handler>
  void async_read_some(const Buffer& to, Handler&& h) {
    connection_->read(asio::mutable_buffer(to), std::forward<Handler>(h));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& from, Handler&& h) {
    connection_->write(from, std::forward<Handler>(h));
  }
  void cancel(asio_error& e) { connection_->cancel(e); }
  template <class How>
  void shutdown(How, asio_error&) {}  // close() follows, and knows better
  void close() { connection_->close(); }

 private:
  std::shared_ptr<guarded_connection<Inner>> connection_;
};

// Found by RESTinio through argument-dependent lookup.
template <class Inner>
restinio::impl::tls_socket_t* make_tls_socket_pointer_for_state_listener(guarded_socket<Inner>&) noexcept {
  return nullptr;
}

template <class Inner, class Connection, class Started, class Failed>
void prepare_connection_and_start_read(guarded_socket<Inner>& socket, Connection& c, Started started, Failed failed) {
  if constexpr (is_tls<Inner>)
    socket.guarded().handshake([started, failed, keep = c.shared_from_this()](const asio_error& e) mutable {
      if (e)
        failed(e);
      else
        started();
    });
  else
    started();
}

}  // namespace troupe::http::edge
