#pragma once
// The exchange of a request that RESTinio has parsed, whatever its listener's traits.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "http/edge/connection.hpp"  // Asio first

#include <restinio/request_handler.hpp>

#include "http/core/exchange.hpp"
#include "http/edge/response_head.hpp"

namespace troupe::http::edge {

class exchange_impl final : public exchange, public std::enable_shared_from_this<exchange_impl> {
 public:
  // On the connection's thread, which has counted it by connection::begun().
  exchange_impl(restinio::request_handle_t request, std::shared_ptr<connection> c);
  ~exchange_impl() override;

  std::string_view method() const override;
  std::string_view path() const override { return path_; }
  std::string_view query() const override { return query_; }
  std::optional<std::string_view> header(std::string_view name) const override;
  std::string_view body() const override { return body_.empty() ? std::string_view(request_->body()) : body_; }
  const std::string& request_id() const override { return id_; }
  std::string client_address() const override;
  std::string_view dialect() const override { return connection_->dialect(); }
  unsigned refused_status() const override { return refused_; }
  std::string_view refused_reason() const override;

  void respond(response r) override;
  std::shared_ptr<body_stream> start_stream(unsigned status, std::string content_type, header_list headers) override;
  result<void> upgrade(std::string subprotocol, std::shared_ptr<live_protocol> protocol) override;
  void on_disconnect(std::function<void()> f) override;
  bool half_closed() const override { return connection_->half_closed(); }
  void post(std::function<void()> f) override;
  void after(std::chrono::milliseconds delay, std::function<void()> f) override {
    connection_->thread().after(delay, std::move(f));
  }

 private:
  friend class stream_core;
  bool answer_once();
  void unwatch();

  const restinio::request_handle_t request_;
  const std::shared_ptr<connection> connection_;
  std::string_view path_, query_;
  const std::string body_;  // where it was kept aside from RESTinio; else empty
  std::string id_;
  std::uint64_t charged_bytes_ = 0;
  unsigned refused_ = 0;
  bool http_1_0_ = false;
  std::atomic<bool> answered_{false};
  std::atomic<bool> streaming_{false};
  std::atomic<bool> watched_{false};  // watch_ may be linked
  watch watch_;
};

}  // namespace troupe::http::edge
