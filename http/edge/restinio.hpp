#pragma once
// The one place that includes RESTinio and Boost.Asio. Boost 1.74's Asio forgets these three in C++20.

#include <memory>
#include <optional>
#include <utility>

#include <boost/asio.hpp>
#include <restinio/all.hpp>

namespace troupe::http::edge {

namespace asio = boost::asio;
using asio_error = boost::system::error_code;
// The executor is written out: a type-erased one costs an allocation and three indirect calls an operation.
using executor = asio::io_context::executor_type;
using tcp_stream = asio::basic_stream_socket<asio::ip::tcp, executor>;

}  // namespace troupe::http::edge
