#pragma once
// What Beast's stream (live_connection.cpp) reads and writes.

#include "http/edge/lingering.hpp"  // Asio first

#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>

#include <memory>
#include <string>
#include <utility>

namespace troupe::http::edge {

// The socket as Beast is given it: what was read already comes first, and ending it is ours (lingering.hpp).
template <class Inner>
class rest_first {
 public:
  using executor_type = executor;

  rest_first(std::unique_ptr<Inner> inner, std::string rest)
      : inner_(std::move(inner)), rest_(std::move(rest)), executor_(inner_->get_executor()) {}

  executor get_executor() const { return executor_; }
  Inner& inner() { return *inner_; }
  std::unique_ptr<Inner> take() { return std::move(inner_); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& to, Handler&& h) {
    if (rest_.empty()) return inner_->async_read_some(to, std::forward<Handler>(h));
    const auto n = asio::buffer_copy(to, asio::buffer(rest_));
    rest_.erase(0, n);
    asio::post(executor_, boost::beast::bind_handler(std::forward<Handler>(h), asio_error{}, n));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& from, Handler&& h) {
    inner_->async_write_some(from, std::forward<Handler>(h));
  }

  friend void beast_close_socket(rest_first& s) {
    asio_error ignored;
    tcp_of(*s.inner_).close(ignored);
  }
  template <class Handler>
  friend void async_teardown(boost::beast::role_type, rest_first& s, Handler&& h) {
    asio::post(s.executor_, boost::beast::bind_handler(std::forward<Handler>(h), asio_error{}));
  }

 private:
  std::unique_ptr<Inner> inner_;
  std::string rest_;
  executor executor_;
};

}  // namespace troupe::http::edge
