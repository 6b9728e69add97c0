#include "http/edge/tls.hpp"

#include <openssl/ssl.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace troupe::http::edge {
namespace {

result<void> readable(const std::string& what, const std::string& file) {
  errno = 0;
  std::ifstream in(file);
  if (in.good() && in.peek() != std::ifstream::traits_type::eof()) return {};
  return fail(error_code::internal, "TLS: cannot read the " + what + " file " + file + ": " +
                                        (errno != 0 ? std::strerror(errno) : "it is empty"));
}

}  // namespace

result<std::shared_ptr<asio::ssl::context>> make_tls_context(const config::tls_files& files) {
  if (auto r = readable("certificate", files.certificate_file); !r) return tl::unexpected(r.error());
  if (auto r = readable("private key", files.private_key_file); !r) return tl::unexpected(r.error());
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  asio_error e;
  context->set_options(
      asio::ssl::context::default_workarounds | asio::ssl::context::no_compression | asio::ssl::context::single_dh_use,
      e);
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  context->use_certificate_chain_file(files.certificate_file, e);
  if (e) return fail(error_code::internal, "TLS: bad certificate file " + files.certificate_file + ": " + e.message());
  context->use_private_key_file(files.private_key_file, asio::ssl::context::pem, e);
  if (e)
    return fail(error_code::internal, "TLS: bad private key file " + files.private_key_file + ": " + e.message(),
                "An unencrypted PEM key that belongs to " + files.certificate_file);
  return context;
}

}  // namespace troupe::http::edge
