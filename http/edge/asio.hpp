#pragma once
// Boost.Asio as the edge uses it. Boost 1.74's forgets these three in C++20.

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <chrono>

namespace troupe::http::edge {

namespace asio = boost::asio;
using asio_error = boost::system::error_code;
using clock = std::chrono::steady_clock;
// The executor is written out: a type-erased one costs an allocation and three indirect calls an operation.
using executor = asio::io_context::executor_type;
using tcp_stream = asio::basic_stream_socket<asio::ip::tcp, executor>;
using timer = asio::basic_waitable_timer<clock, asio::wait_traits<clock>, executor>;

}  // namespace troupe::http::edge
