#include "cache/catalog/redis/redis_stream.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>

#include <cstring>

namespace troupe::cache {
namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;  // twice as much took half more time: it fell out of the cache

bool is_address(const std::string& host) {
  asio_error no;
  asio::ip::make_address(host, no);
  return !no;
}

std::string text_of(const asio_endpoint& to) {
  if (to.protocol().family() == AF_UNIX) return "the socket";
  asio::ip::tcp::endpoint tcp;
  if (to.size() > tcp.capacity()) return "it";
  std::memcpy(tcp.data(), to.data(), to.size());
  asio_error no;
  return tcp.address().to_string(no) + ':' + std::to_string(tcp.port());
}

}  // namespace

result<std::shared_ptr<asio::ssl::context>> make_redis_tls(const std::string& ca_file) {
  asio_error e;
  auto out = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(out->native_handle(), TLS1_2_VERSION);
  out->set_verify_mode(asio::ssl::verify_peer, e);
  if (ca_file.empty())
    out->set_default_verify_paths(e);
  else
    out->load_verify_file(ca_file, e);
  if (!e) return out;
  return fail(error_code::unavailable, "cannot use the certificate authorities of " +
                                           (ca_file.empty() ? "the system" : ca_file) + ": " + e.message());
}

void redis_stream::open(std::vector<asio_endpoint> endpoints, std::shared_ptr<asio::ssl::context> tls,
                        std::string host) {
  endpoints_ = std::move(endpoints);
  tls_context_ = std::move(tls);
  host_ = std::move(host);
  connect_next("it has no address");
}

void redis_stream::connect_next(std::string why_not) {
  if (next_endpoint_ == endpoints_.size()) {
    asio::post(socket_.get_executor(),
               [self = shared_from_this(), why = std::move(why_not)]() mutable { self->break_off(std::move(why)); });
    return;
  }
  asio_error ignored;
  socket_.close(ignored);
  const auto& to = endpoints_[next_endpoint_++];
  socket_.async_connect(to, [self = shared_from_this(), &to](const asio_error& e) {
    if (self->user_ == nullptr) return;
    if (e)
      self->connect_next("cannot connect to " + cache::text_of(to) + ": " + e.message());
    else
      self->connected();
  });
}

void redis_stream::connected() {
  asio_error ignored;  // a Unix socket has none of it
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  buffer_.resize(buffer_bytes);
  if (tls_context_) return secure();
  user_->opened();
  receive();
}

void redis_stream::secure() {
  tls_ = std::make_unique<tls_stream>(socket_, *tls_context_);
  auto* ssl = tls_->native_handle();
  auto* check = SSL_get0_param(ssl);
  int ok = 0;
  if (is_address(host_)) {
    ok = X509_VERIFY_PARAM_set1_ip_asc(check, host_.c_str());
  } else {
    ok = X509_VERIFY_PARAM_set1_host(check, host_.c_str(), 0) == 1 ? SSL_set_tlsext_host_name(ssl, host_.c_str()) : 0;
  }
  if (ok != 1) return break_off("TLS: no certificate can be for the host " + host_);
  tls_->async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](const asio_error& e) {
    if (self->user_ == nullptr) return;
    if (e) {
      const auto why = SSL_get_verify_result(self->tls_->native_handle());
      return self->break_off("TLS: " +
                             (why == X509_V_OK ? e.message() : std::string(X509_verify_cert_error_string(why))));
    }
    self->user_->opened();
    self->receive();
  });
}

void redis_stream::receive() {
  if (user_ == nullptr) return;
  with_stream([this](auto& s) {
    s.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](const asio_error& e, std::size_t size) {
      if (self->user_ == nullptr) return;
      if (e) return self->break_off(e == asio::error::eof ? "closed by Redis" : e.message());
      self->user_->received({self->buffer_.data(), size});
      self->receive();
    });
  });
}

void redis_stream::write(outbox& out) {
  if (!out_.empty() || out.empty()) return;
  out_.take(out);
  write_on();
}

void redis_stream::write_on() {
  std::array<asio::const_buffer, outbox::gathered_max> buffers;
  const auto texts = out_.front();
  for (std::size_t i = 0; i < texts.size(); ++i) buffers[i] = asio::buffer(texts[i]);
  with_stream([&](auto& s) {
    s.async_write_some(buffers, [self = shared_from_this()](const asio_error& e, std::size_t size) {
      if (self->user_ == nullptr) return;
      if (e) return self->break_off(e.message());
      self->out_.written(size);
      if (!self->out_.empty()) return self->write_on();
      self->user_->written();
    });
  });
}

void redis_stream::break_off(std::string why) {
  if (user_ != nullptr) user_->broken(std::move(why));
}

void redis_stream::close() {
  user_ = nullptr;
  asio_error ignored;
  socket_.close(ignored);
}

}  // namespace troupe::cache
