#pragma once
// TLS for a listener.

#include <memory>

#include "config/settings.hpp"
#include "http/edge/asio.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace troupe::http::edge {

using tls_stream = asio::ssl::stream<tcp_stream>;

// TLS 1.2 and newer. The error names the file and why.
result<std::shared_ptr<asio::ssl::context>> make_tls_context(const config::tls_files& files);

}  // namespace troupe::http::edge
