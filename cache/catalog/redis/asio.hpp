#pragma once
// Boost.Asio as the catalog uses it. Boost 1.74's forgets these three in C++20.

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <chrono>

namespace troupe::cache {

namespace asio = boost::asio;
using asio_error = boost::system::error_code;
// The executor is written out: a type-erased one costs an allocation and three indirect calls an operation.
using asio_executor = asio::io_context::executor_type;
// TCP or a Unix socket.
using asio_socket = asio::basic_stream_socket<asio::generic::stream_protocol, asio_executor>;
using asio_endpoint = asio::generic::stream_protocol::endpoint;
using asio_timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, asio_executor>;

}  // namespace troupe::cache
