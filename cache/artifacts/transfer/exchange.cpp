#include "cache/artifacts/transfer/exchange.hpp"

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

#include "cache/artifacts/transfer/address.hpp"
#include "cache/artifacts/transfer/redirect.hpp"

namespace troupe::cache {
namespace {

constexpr std::uint64_t header_bytes_max = 256 << 10;
constexpr std::uint64_t ignored_bytes_max = 64 << 10;  // read and dropped, so that the connection can be used again
constexpr long buffer_bytes = 512 << 10;

bool is_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}
bool is_one_line(std::string_view value) { return value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != text.npos) text.remove_suffix(1);
  while (!text.empty() && std::string_view(" \t").find(text.front()) != text.npos) text.remove_prefix(1);
  return text;
}

bool may_be_better_later(CURLcode code) noexcept {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_UNSUPPORTED_PROTOCOL:  // also HTTP/0.9: whatever is there, it is no web server
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_FAILED_INIT:
    case CURLE_OUT_OF_MEMORY: return false;
    default: return true;
  }
}

}  // namespace

exchange::exchange(network& net, exchange_request request, exchange_sink& sink,
                   std::function<void(const exchange_end&)> ended)
    : net_(net), request_(std::move(request)), sink_(sink), ended_(std::move(ended)) {}

exchange::~exchange() {
  if (easy_) net_.on.remove(easy_.get());
  for (auto* t : {&deadline_, &patience_, &paused_}) net_.on.forget(*t);
}

void exchange::start() {
  if (request_.timeout.count() > 0) {
    deadline_ = net_.on.at(steady_clock::now() + request_.timeout, [this] {
      end({exchange_end::kind::failed,
           {error_code::unavailable,
            shown_url(request_.url) + " does not answer within " + std::to_string(request_.timeout.count()) + " ms",
            {},
            {}}});
    });
  }
  auto url = parse_web_url(request_.url);
  auto first = request_.first_url.empty() ? url : parse_web_url(request_.first_url);
  if (!first) return end_soon(exchange_end::kind::refused, first.error());
  first_ = *first;
  go_to(url);
}

void exchange::go_to(const result<web_url>& url) {
  if (!url) return end_soon(exchange_end::kind::refused, url.error());
  url_ = *url;
  proves_ = keeps_authorization(proves_, same_origin(first_, url_));
  if (judge_address(url_.host) != address_kind::no_address) return judge(std::vector{url_.host});
  if (!proxy_for(net_.proxies, url_).empty()) return ask();  // it resolves, not we
  patience_ = net_.on.at(steady_clock::now() + net_.options.connect_timeout, [this] {
    end({exchange_end::kind::failed,
         {error_code::unavailable, "cannot resolve " + url_.host + ": no answer in time", {}, {}}});
  });
  net_.name_lookup.find(url_.host,
                        [this, alive = std::weak_ptr<char>(alive_)](const result<std::vector<std::string>>& found) {
                          if (alive.expired()) return;
                          net_.on.forget(patience_);
                          judge(found);
                        });
}

bool exchange::may_connect(std::string_view address) const noexcept {
  const auto kind = judge_address(address);
  if (kind == address_kind::no_address) return false;
  return request_.may_reach == reach::anywhere || net_.options.allow_private || kind == address_kind::outside;
}

error exchange::unreachable(std::string_view address) const {
  std::string at = url_.host;
  if (address != url_.host) at += " (" + std::string(address) + ")";
  return {error_code::forbidden,
          shown_url(url_.text) + " may not be reached: " + at + " is " + std::string(to_string(judge_address(address))),
          "allow_private_downloads allows addresses that are not public",
          {}};
}

// Only what is allowed of a name's addresses is connected to, and no other answer of DNS is listened to.
void exchange::judge(const result<std::vector<std::string>>& found) {
  if (!found) return end_soon(exchange_end::kind::failed, found.error());
  std::string allowed;
  for (const auto& address : *found) {
    if (!may_connect(address)) continue;
    if (!allowed.empty()) allowed += ',';
    allowed += address.find(':') == address.npos ? address : '[' + address + ']';
  }
  if (allowed.empty()) {
    ++net_.counts.refused_addresses;
    return end_soon(exchange_end::kind::refused, unreachable(found->empty() ? "" : found->front()));
  }
  pinned_.reset();
  if (judge_address(url_.host) == address_kind::no_address) {
    const auto entry = "+" + url_.host + ':' + std::to_string(url_.port) + ':' + allowed;
    pinned_.reset(curl_slist_append(nullptr, entry.c_str()));
  }
  ask();
}

std::optional<error> exchange::put_headers() {
  curl_slist* lines = nullptr;
  std::optional<error> wrong;
  const auto put = [&](const std::string& name, const std::string& value) {
    if (!is_token(name) || !is_one_line(value)) {
      wrong = error{error_code::bad_request, "a header for " + shown_url(url_.text) + " is not one", {}, {}};
      return;
    }
    // libcurl takes "Name:" as "without it", and "Name;" as "empty".
    const auto line = value.empty() ? name + ';' : name + ": " + value;
    if (auto* longer = curl_slist_append(lines, line.c_str())) lines = longer;
  };
  put("Accept-Encoding", "identity");
  const bool elsewhere = !same_origin(first_, url_);
  for (const auto& [name, value] : request_.headers) {
    const auto key = lower(name);
    if (key == "accept-encoding" || (elsewhere && (key == "authorization" || key == "cookie"))) continue;
    put(name, value);
  }
  if (proves_ && request_.authorize) {
    try {
      for (const auto& [name, value] : request_.authorize(request_.method, url_.text)) put(name, value);
    } catch (const std::exception&) {  // what it says may tell the secret
      wrong = error{error_code::internal, "cannot authorize a request to " + shown_url(url_.text), {}, {}};
    }
  }
  sent_.reset(lines);
  return wrong;
}

void exchange::ask() {
  head_ = {};
  head_whole_ = wanted_ = redirected_ = false;
  ignored_bytes_ = 0;
  wrong_peer_.clear();
  curl_says_[0] = '\0';
  if (auto wrong = put_headers()) return end_soon(exchange_end::kind::refused, std::move(*wrong));
  if (easy_)
    curl_easy_reset(easy_.get());
  else
    easy_.reset(curl_easy_init());
  auto* c = easy_.get();
  if (c == nullptr)
    return end_soon(exchange_end::kind::failed, {error_code::unavailable, "no memory for a transfer", {}, {}});
  const auto& o = net_.options;
  const auto proxy = proxy_for(net_.proxies, url_);
  auto low_speed = o.low_speed_bytes_s;
  auto buffer = buffer_bytes;
  if (net_.rate.limited()) {  // slow on purpose is no stall; and no great leaps
    low_speed = std::min<std::uint64_t>(low_speed, 1);
    buffer = std::clamp<long>(static_cast<long>(std::min<std::uint64_t>(o.rate_max_bytes_s / 16, buffer_bytes)),
                              16 << 10, buffer_bytes);
  }
  curl_easy_setopt(c, CURLOPT_URL, url_.text.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(c, CURLOPT_BUFFERSIZE, buffer);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(o.connect_timeout.count()));
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(low_speed));
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, static_cast<long>(o.low_speed_time.count()));
  curl_easy_setopt(c, CURLOPT_USERAGENT, o.user_agent.c_str());
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, sent_.get());
  curl_easy_setopt(c, CURLOPT_PROXY, proxy.c_str());  // "" is none, whatever the environment says
  curl_easy_setopt(c, CURLOPT_NOPROXY, "");
  curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, fresh_ ? 1L : 0L);
  curl_easy_setopt(c, CURLOPT_ERRORBUFFER, curl_says_.data());
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, &exchange::header_thunk);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, &exchange::body_thunk);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, this);
  if (request_.method == "HEAD") curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
  if (proxy.empty()) {
    curl_easy_setopt(c, CURLOPT_RESOLVE, pinned_.get());
    curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, &exchange::connected_thunk);
    curl_easy_setopt(c, CURLOPT_PREREQDATA, this);
  }
  net_.on.add(c, [this](CURLcode code) { done(code); });
}

// -- what libcurl calls ------------------------------------------------------------------------------------------

// The connection may be one that another exchange made, to where this one must not go.
int exchange::connected_thunk(void* self, char* peer, char*, int, int) noexcept {
  auto& e = *static_cast<exchange*>(self);
  if (e.may_connect(peer)) return CURL_PREREQFUNC_OK;
  e.wrong_peer_ = peer;
  return CURL_PREREQFUNC_ABORT;
}

std::size_t exchange::header_thunk(char* data, std::size_t size, std::size_t n, void* self) noexcept {
  return static_cast<exchange*>(self)->take_header({data, size * n});
}

std::size_t exchange::body_thunk(char* data, std::size_t size, std::size_t n, void* self) noexcept {
  return static_cast<exchange*>(self)->take_body(std::as_bytes(std::span(data, size * n)));
}

std::size_t exchange::take_header(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > header_bytes_max) {
    too_many_headers_ = true;
    return 0;
  }
  if (head_whole_) return line.size();  // trailers
  const auto text = trimmed(line);
  if (text.empty()) {
    end_of_head();
  } else if (text.starts_with("HTTP/")) {  // the first line of this answer, or of the one after a 1xx
    head_.headers.clear();
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    head_.status = static_cast<unsigned>(status);
  } else if (const auto colon = text.find(':'); colon != text.npos) {
    head_.headers.emplace_back(lower(trimmed(text.substr(0, colon))), trimmed(text.substr(colon + 1)));
  }
  return line.size();
}

void exchange::end_of_head() {
  long status = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  head_.status = static_cast<unsigned>(status);
  if (head_.status < 200) return;
  head_whole_ = true;
  head_.url = url_.text;
  redirected_ = request_.follow && is_redirect(head_.status);
  if (!redirected_) wanted_ = sink_.on_head(head_);
}

std::size_t exchange::take_body(std::span<const std::byte> bytes) {
  if (net_.rate.limited()) {
    const auto now = steady_clock::now();
    if (const auto ready = net_.rate.ready_at(now); ready > now) {
      net_.on.forget(paused_);
      paused_ = net_.on.at(ready, [this] {
        paused_ = 0;
        curl_easy_pause(easy_.get(), CURLPAUSE_CONT);
      });
      return CURL_WRITEFUNC_PAUSE;
    }
    net_.rate.took(bytes.size());
  }
  net_.counts.bytes += bytes.size();
  if (!wanted_) {
    ignored_bytes_ += bytes.size();
    return ignored_bytes_ > ignored_bytes_max ? 0 : bytes.size();
  }
  stopped_ = !sink_.on_body(bytes);
  return stopped_ ? 0 : bytes.size();
}

// -- how it ends -------------------------------------------------------------------------------------------------

void exchange::done(CURLcode code) {
  net_.on.forget(paused_);
  if (!wrong_peer_.empty() && !fresh_) {
    fresh_ = true;
    return ask();
  }
  if (!redirected_ || too_many_headers_) return end(judge_end(code));
  ++net_.counts.redirects;
  const auto* location = head_.header("location");
  auto next = next_hop(url_, location == nullptr ? std::string_view() : *location, ++hops_);
  fresh_ = false;
  header_bytes_ = 0;
  go_to(next);
}

exchange_end exchange::judge_end(CURLcode code) {
  using kind = exchange_end::kind;
  const auto at = shown_url(url_.text);
  if (too_many_headers_) {
    return {kind::refused, {error_code::unavailable, at + " answers with more headers than are read", {}, {}}};
  }
  if (!wrong_peer_.empty()) {
    ++net_.counts.refused_addresses;
    return {kind::refused, unreachable(wrong_peer_)};
  }
  if (head_whole_ && (stopped_ || !wanted_)) return {kind::stopped, {}};
  if (code == CURLE_OK && head_whole_) return {kind::whole, {}};
  std::string says = curl_says_[0] != '\0' ? curl_says_.data() : curl_easy_strerror(code);
  if (code == CURLE_OK) says = "it answers with nothing";
  if (code == CURLE_OPERATION_TIMEDOUT) {
    curl_off_t sent_at = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &sent_at);
    if (sent_at > 0) {
      ++net_.counts.stalls;
      says = "it stalls: less than " + std::to_string(net_.options.low_speed_bytes_s) + " bytes/s for " +
             std::to_string(net_.options.low_speed_time.count()) + " s";
    }
  }
  if (code == CURLE_COULDNT_CONNECT) net_.name_lookup.forget(url_.host);
  return {may_be_better_later(code) ? kind::failed : kind::refused,
          {error_code::unavailable, at + ": " + says, {}, {}}};
}

void exchange::end(const exchange_end& with) {
  for (auto* t : {&deadline_, &patience_, &paused_}) net_.on.forget(*t);
  if (auto ended = std::exchange(ended_, nullptr)) ended(with);  // we may be gone now
}

void exchange::end_soon(exchange_end::kind how, error why) {
  net_.on.defer([this, alive = std::weak_ptr<char>(alive_), with = exchange_end{how, std::move(why)}] {
    if (!alive.expired()) end(with);
  });
}

}  // namespace troupe::cache
