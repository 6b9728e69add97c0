#pragma once
// One small request with its retries: what `transfers::ask` waits for. For the loop's thread.

#include <functional>
#include <memory>

#include "cache/artifacts/transfer/exchange.hpp"

namespace troupe::cache {

class small_request final : public exchange_sink {
 public:
  // `ended` is called once; it may not destroy this.
  small_request(network& net, http_request what, std::function<void(result<http_answer>)> ended);
  ~small_request() override;

  void start();
  void stop(error why);
  bool has_ended() const noexcept { return ended_ == nullptr; }

 private:
  bool on_head(const http_answer& head) override;
  bool on_body(std::span<const std::byte> bytes) override;
  void on_end(const exchange_end& how);
  void retry(error why, std::optional<std::chrono::seconds> wait);
  void end(result<http_answer> with);

  network& net_;
  const http_request what_;
  std::function<void(result<http_answer>)> ended_;
  std::unique_ptr<exchange> runs_;
  std::string body_;
  bool too_large_ = false;
  std::uint32_t failures_ = 0;
  loop::timer again_ = 0;
};

}  // namespace troupe::cache
