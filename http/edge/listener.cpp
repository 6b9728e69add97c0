#include "http/edge/listener.hpp"

#include <prometheus/counter.h>

#include "http/edge/exchange_impl.hpp"
#include "http/edge/guarded_socket.hpp"

#include <restinio/http_server.hpp>

namespace troupe::http::edge {
namespace {

constexpr std::size_t read_buffer_bytes = 4096;               // RESTinio's, a connection
constexpr auto second_line_period = std::chrono::seconds(5);  // of RESTinio's own timers
constexpr auto accept_retry = std::chrono::milliseconds(50);  // after no more file descriptors, say

// RESTinio's handler of one connection.
struct to_exchange {
  std::shared_ptr<connection> to;

  restinio::request_handling_status_t operator()(restinio::request_handle_t request) const {
    to->begun();
    auto e = std::make_shared<exchange_impl>(std::move(request), to);
    try {
      to->shared().on_request(std::move(e));
    } catch (...) {
      // Dropped unanswered, it answers 503.
    }
    return restinio::request_accepted();
  }
};

template <class Inner>
struct traits : restinio::traits_t<restinio::asio_timer_manager_t, restinio::null_logger_t, to_exchange, executor,
                                   guarded_socket<Inner>> {};

// What RESTinio's connection asks of its settings: one small object a connection, which ties it to ours.
template <class Inner>
struct connection_settings {
  std::shared_ptr<connection> c;

  auto request_handler() { return std::make_unique<to_exchange>(to_exchange{c}); }
  std::size_t buffer_size() { return read_buffer_bytes; }
  // A second line, behind the framer's.
  auto incoming_http_msg_limits() {
    const auto& l = c->shared().limits;
    return restinio::incoming_http_msg_limits_t{}
        .max_url_size(2 * std::size_t{l.max_url_bytes})
        .max_field_count(2 * std::size_t{l.max_header_count} + 8)
        .max_field_name_size(2 * std::size_t{l.max_header_bytes})
        .max_field_value_size(2 * std::size_t{l.max_header_bytes});
  }
  auto read_next_http_message_timelimit() { return 2 * c->shared().read_timeout + std::chrono::seconds(30); }
  auto write_http_response_timelimit() { return c->shared().handle_timeout; }
  auto handle_request_timeout() { return c->shared().handle_timeout; }
  // One more than the guarded socket gives it: see there.
  std::size_t max_pipelined_requests() { return std::size_t{c->shared().max_pipelined_requests} + 1; }
  auto logger() { return std::make_unique<restinio::null_logger_t>(); }
  auto giveaway_extra_data_factory() {
    static const auto factory = std::make_shared<restinio::no_extra_data_factory_t>();
    return factory;
  }
};

template <class Inner>
void serve(const std::shared_ptr<io_thread>& thread, const std::string& dialect, connection_slot slot,
           std::unique_ptr<Inner> inner) {
  using T = traits<Inner>;
  static const auto parser_settings = restinio::impl::create_parser_settings<typename T::http_methods_mapper_t>();
  using no_limiter = restinio::connection_count_limits::noop_connection_count_limiter_t;  // ours: connection_slot
  asio_error failed;
  const auto peer = tcp_of(*inner).remote_endpoint(failed);
  if (failed || thread->stopping()) return;
  auto guarded = std::make_shared<guarded_connection<Inner>>(thread, dialect, std::move(slot), std::move(inner));
  guarded->open();
  auto settings = std::make_shared<restinio::impl::connection_settings_t<T>>(
      connection_settings<Inner>{guarded}, parser_settings,
      std::make_shared<restinio::asio_timer_manager_t>(thread->context(), second_line_period));
  std::make_shared<restinio::impl::connection_t<T>>(
      1, guarded_socket<Inner>(std::move(guarded)), std::move(settings), peer,
      restinio::connection_count_limits::connection_lifetime_monitor_t<no_limiter>(nullptr))
      ->init();
}

}  // namespace

listener::listener(config::listener address, std::vector<std::shared_ptr<io_thread>> threads)
    : address_(std::move(address)),
      threads_(std::move(threads)),
      acceptor_(threads_.front()->context()),
      retry_(threads_.front()->context()) {}

result<void> listener::bind() {
  if (address_.tls) {
    auto context = make_tls_context(*address_.tls);
    if (!context) return tl::unexpected(context.error());
    tls_ = std::move(*context);
  }
  const auto shown = config::address_text(address_.host, address_.port);
  const auto failed = [&](const asio_error& e) {
    asio_error ignored;
    acceptor_.close(ignored);
    return fail(error_code::internal, "Cannot listen on " + shown + ": " + e.message());
  };
  asio_error e;
  asio::ip::tcp::endpoint endpoint(asio::ip::make_address(address_.host, e), address_.port);
  if (e) {
    asio::ip::tcp::resolver resolver(threads_.front()->context());
    const auto found = resolver.resolve(address_.host, std::to_string(address_.port), e);
    if (e) return failed(e);
    endpoint = *found.begin();
  }
  if (acceptor_.open(endpoint.protocol(), e); e) return failed(e);
  acceptor_.set_option(asio::socket_base::reuse_address(true), e);
  if (endpoint.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(false), e);
  if (acceptor_.bind(endpoint, e); e) return failed(e);
  if (acceptor_.listen(asio::socket_base::max_listen_connections, e); e) return failed(e);
  port_ = acceptor_.local_endpoint(e).port();
  return {};
}

void listener::accept() {
  if (accepting_ || !acceptor_.is_open()) return;
  auto& shared = threads_.front()->shared();
  if (!shared.may_accept()) {
    if (!shared.accept_paused.exchange(true)) shared.counts.accept_pauses.Increment();
    if (!shared.may_accept()) return;  // resume() comes when one closes
  }
  if (waiting_) {
    auto [to, socket] = std::move(*waiting_);
    waiting_.reset();
    accepted(to, std::move(socket));
    return accept();
  }
  accepting_ = true;
  auto to = threads_[next_++ % threads_.size()];
  acceptor_.async_accept(to->context(), [self = shared_from_this(), to](const asio_error& e, tcp_stream socket) {
    self->accepting_ = false;
    if (!self->acceptor_.is_open()) return;
    if (!e && self->threads_.front()->shared().may_accept()) {
      self->accepted(to, std::move(socket));
    } else if (!e) {  // another listener was quicker: this one waits as those in the backlog do
      self->waiting_.emplace(to, std::move(socket));
    } else if (e != asio::error::operation_aborted && e != asio::error::connection_aborted) {
      self->retry_.expires_after(accept_retry);
      self->retry_.async_wait([self](const asio_error& stopped) {
        if (!stopped) self->accept();
      });
      return;
    }
    self->accept();
  });
}

void listener::close() {
  asio_error ignored;
  acceptor_.close(ignored);
  retry_.cancel();
  waiting_.reset();
}

void listener::accepted(const std::shared_ptr<io_thread>& to, tcp_stream socket) {
  to->shared().counts.accepted.Increment();
  auto run = [to, dialect = address_.dialect, slot = connection_slot(to->shared_handle()), socket = std::move(socket),
              tls = tls_]() mutable {
    if (tls)
      serve(to, dialect, std::move(slot), std::make_unique<tls_stream>(std::move(socket), *tls));
    else
      serve(to, dialect, std::move(slot), std::make_unique<tcp_stream>(std::move(socket)));
  };
  if (to->here())
    run();
  else
    to->post(std::move(run));
}

}  // namespace troupe::http::edge
