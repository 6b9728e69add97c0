#pragma once
// A socket whose last bytes have been written, on its way out; and how the two kinds of socket differ.

#include <memory>
#include <type_traits>
#include <utility>

#include "http/edge/io_thread.hpp"
#include "http/edge/tls.hpp"

namespace troupe::http::edge {

inline constexpr auto linger_limit = std::chrono::seconds(2);
inline constexpr std::size_t linger_bytes_max = 64 * 1024 * 1024;
inline constexpr std::uint64_t body_bytes_per_ms_min = 128;     // a body that comes no slower is not timed out
inline constexpr std::uint64_t kept_bytes_per_ms_min = 4;       // a file over a WebSocket: compressed, as it is spoken
inline constexpr std::size_t body_read_bytes_max = 512 * 1024;  // at one go, before others get their turn

// Differences between the two kinds of socket.
inline tcp_stream& tcp_of(tcp_stream& s) { return s; }
inline tcp_stream& tcp_of(tls_stream& s) { return s.next_layer(); }
template <class Inner>
inline constexpr bool is_tls = std::is_same_v<Inner, tls_stream>;
// The client's side has ended in order. TLS without a close_notify as well: whole requests say themselves that they
// are whole.
template <class Inner>
bool is_end(const asio_error& e) {
  return e == asio::error::eof || (is_tls<Inner> && e == asio::ssl::error::stream_truncated);
}

// Reads and forgets what a client still sends after its last answer, with bounds: closing at once would
// reset the connection and take the answer with it.
template <class Inner>
class lingering final : public closing, public std::enable_shared_from_this<lingering<Inner>> {
 public:
  lingering(std::unique_ptr<Inner> inner, connection_slot slot, std::shared_ptr<io_thread> thread)
      : thread_(std::move(thread)), slot_(std::move(slot)), inner_(std::move(inner)), timer_(thread_->context()) {}

  void start() {
    thread_->add(this->shared_from_this());
    timer_.expires_after(linger_limit);
    timer_.async_wait([self = this->shared_from_this()](const asio_error& e) {
      if (!e) self->close_now();
    });
    if constexpr (is_tls<Inner>) {
      inner_->async_shutdown([self = this->shared_from_this()](const asio_error&) { self->half_close(); });
    } else {
      half_close();
    }
  }

  void close_now() override {
    if (std::exchange(closed_, true)) return;
    timer_.cancel();
    asio_error ignored;
    tcp_of(*inner_).close(ignored);
    thread_->remove(*this);
  }

 private:
  void half_close() {
    if (closed_) return;
    asio_error ignored;
    tcp_of(*inner_).shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    drain();
  }

  void drain() {
    tcp_of(*inner_).async_wait(tcp_stream::wait_read, [self = this->shared_from_this()](const asio_error& e) {
      if (self->closed_) return;
      auto& scratch = self->thread_->scratch();
      asio_error failed = e;
      std::size_t turn_bytes = 0;
      while (!failed && turn_bytes < body_read_bytes_max)
        turn_bytes += tcp_of(*self->inner_).read_some(asio::buffer(scratch), failed);
      self->drained_bytes_ += turn_bytes;
      if ((failed && failed != asio::error::would_block) || self->drained_bytes_ > linger_bytes_max)
        self->close_now();
      else
        self->drain();
    });
  }

  std::shared_ptr<io_thread> thread_;
  connection_slot slot_;
  std::unique_ptr<Inner> inner_;
  timer timer_;
  std::size_t drained_bytes_ = 0;
  bool closed_ = false;
};

}  // namespace troupe::http::edge
