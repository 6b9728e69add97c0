#include "cache/artifacts/transfer/small_request.hpp"

#include <algorithm>
#include <utility>

#include "cache/artifacts/transfer/answer.hpp"
#include "cache/artifacts/transfer/content_range.hpp"
#include "cache/artifacts/transfer/retry.hpp"

namespace troupe::cache {

small_request::small_request(network& net, http_request what, std::function<void(result<http_answer>)> ended)
    : net_(net), what_(std::move(what)), ended_(std::move(ended)) {}

small_request::~small_request() { net_.on.forget(again_); }

void small_request::start() {
  if (what_.method != "GET" && what_.method != "HEAD")
    return end(fail(error_code::bad_request, "only GET and HEAD are asked, not " + printable(what_.method, 20)));
  body_.clear();
  too_large_ = false;
  exchange_request request;
  request.url = what_.url;
  request.method = what_.method;
  request.headers = what_.headers;
  request.authorize = what_.authorize;
  request.may_reach = what_.may_reach;
  request.follow = what_.follow;
  request.timeout = net_.options.answer_timeout;
  runs_ = std::make_unique<exchange>(net_, std::move(request), *this, [this](const exchange_end& how) { on_end(how); });
  runs_->start();
}

bool small_request::on_head(const http_answer& head) {
  if (may_pass(head.status)) return false;
  const auto* length = head.header("content-length");
  const auto bytes = length == nullptr || what_.method == "HEAD" ? std::nullopt : parse_byte_count(*length);
  too_large_ = bytes && *bytes > what_.body_bytes_max;
  return !too_large_;
}

bool small_request::on_body(std::span<const std::byte> bytes) {
  too_large_ = bytes.size() > what_.body_bytes_max - body_.size();
  if (!too_large_) body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return !too_large_;
}

void small_request::on_end(const exchange_end& how) {
  const auto runs = std::move(runs_);  // its last call: it goes with this
  using kind = exchange_end::kind;
  if (how.how == kind::refused) return end(tl::unexpected(how.why));
  const auto at = shown_url(what_.url);
  if (too_large_) {
    return end(fail(error_code::payload_too_large,
                    at + " answers with more than " + std::to_string(what_.body_bytes_max) + " bytes"));
  }
  auto answer = runs->head();
  if (how.how == kind::failed && !may_pass(answer.status)) return retry(how.why, std::nullopt);
  if (may_pass(answer.status)) {
    const auto wait = asked_wait(answer, net_.options.retry_after_max, std::chrono::system_clock::now());
    if (!wait) return end(tl::unexpected(wait.error()));
    return retry({error_code::unavailable, shown_url(answer.url) + " answers " + std::to_string(answer.status), {}, {}},
                 *wait);
  }
  answer.body = std::move(body_);
  end(std::move(answer));
}

void small_request::retry(error why, std::optional<std::chrono::seconds> wait) {
  const auto& o = net_.options;
  if (++failures_ > o.retries_max) {
    why.message += "; given up after " + std::to_string(failures_) + " tries";
    return end(tl::unexpected(std::move(why)));
  }
  ++net_.counts.retries;
  const auto chance = std::uniform_real_distribution<>(0, 1)(net_.chance);
  const auto delay = std::max<std::chrono::milliseconds>(backoff(failures_, o.backoff_min, o.backoff_max, chance),
                                                         wait.value_or(std::chrono::seconds(0)));
  again_ = net_.on.at(steady_clock::now() + delay, [this] { start(); });
}

void small_request::stop(error why) {
  runs_.reset();
  net_.on.forget(again_);
  end(tl::unexpected(std::move(why)));
}

void small_request::end(result<http_answer> with) {
  if (auto ended = std::exchange(ended_, nullptr)) ended(std::move(with));
}

}  // namespace troupe::cache
