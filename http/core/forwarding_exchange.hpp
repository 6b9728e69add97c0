#pragma once
// An exchange that stands before another one and passes everything on: wrappers override what they watch.

#include "http/core/exchange.hpp"

namespace troupe::http {

class forwarding_exchange : public exchange {
 public:
  explicit forwarding_exchange(exchange_ptr inner) : inner_(std::move(inner)) {}

  std::string_view method() const override { return inner_->method(); }
  std::string_view path() const override { return inner_->path(); }
  std::string_view query() const override { return inner_->query(); }
  std::optional<std::string_view> header(std::string_view name) const override { return inner_->header(name); }
  std::string_view body() const override { return inner_->body(); }
  const std::string& request_id() const override { return inner_->request_id(); }
  std::string client_address() const override { return inner_->client_address(); }
  std::string_view dialect() const override { return inner_->dialect(); }
  unsigned refused_status() const override { return inner_->refused_status(); }
  std::string_view refused_reason() const override { return inner_->refused_reason(); }

  void respond(response r) override { inner_->respond(std::move(r)); }
  void word_errors(error_writer words) override { inner_->word_errors(std::move(words)); }
  response error_answer(const error& why, header_list headers) const override {
    return inner_->error_answer(why, std::move(headers));
  }
  std::shared_ptr<body_stream> start_stream(unsigned status, std::string type, header_list headers) override {
    return inner_->start_stream(status, std::move(type), std::move(headers));
  }
  result<void> upgrade(std::string subprotocol, std::shared_ptr<live_protocol> protocol) override {
    return inner_->upgrade(std::move(subprotocol), std::move(protocol));
  }
  void on_disconnect(std::function<void()> f) override { inner_->on_disconnect(std::move(f)); }
  bool half_closed() const override { return inner_->half_closed(); }
  void post(std::function<void()> f) override { inner_->post(std::move(f)); }
  void after(std::chrono::milliseconds delay, std::function<void()> f) override { inner_->after(delay, std::move(f)); }

 protected:
  exchange_ptr inner_;
};

}  // namespace troupe::http
