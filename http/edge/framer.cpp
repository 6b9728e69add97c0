#include "http/edge/framer.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace troupe::http::edge {
namespace {

constexpr std::size_t head_reserve_bytes = 1024 * 1024;  // of a body that is announced but not yet there
constexpr std::uint64_t aside_from_bytes = 256 * 1024;
// Room is not memory before it is written to: with large steps little is copied as a body grows.
constexpr std::uint64_t body_growth = 16;
constexpr std::uint64_t framing_slack_bytes = 64 * 1024;
constexpr std::uint64_t framing_factor = 8;  // a one-byte chunk is six bytes
constexpr std::size_t shortened_path_bytes = 128;
constexpr std::size_t kept_capacity_bytes = 16 * 1024;

bool equal_caseless(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y);
         });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_token(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// Empties `text` and gives back what a large request left behind.
void clear(std::string& text) {
  if (text.capacity() > kept_capacity_bytes)
    std::string().swap(text);
  else
    text.clear();
}

}  // namespace

framer::framer(const framer_limits& limits) : limits_(limits) {
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
}

framer::~framer() {
  auto charged = charged_bytes_ + output_charged_bytes_;
  for (const auto& k : kept_) charged += k.charged_bytes;
  if (charged > 0) limits_.budget->release(charged);
}

const http_parser_settings& framer::callbacks() {
  static const http_parser_settings table = [] {
    http_parser_settings s;
    http_parser_settings_init(&s);
    s.on_message_begin = [](http_parser* p) { return of(p).on_begin(); };
    s.on_url = [](http_parser* p, const char* at, std::size_t n) { return of(p).on_url(at, n); };
    s.on_header_field = [](http_parser* p, const char* at, std::size_t n) { return of(p).on_header_name(at, n); };
    s.on_header_value = [](http_parser* p, const char* at, std::size_t n) { return of(p).on_header_value(at, n); };
    s.on_headers_complete = [](http_parser* p) { return of(p).on_head(); };
    s.on_body = [](http_parser* p, const char* at, std::size_t n) { return of(p).on_body(at, n); };
    s.on_chunk_header = [](http_parser* p) { return of(p).on_chunk(); };
    s.on_message_complete = [](http_parser* p) { return of(p).on_complete(); };
    return s;
  }();
  return table;
}

std::size_t framer::feed(const char* data, std::size_t size, std::uint32_t requests_max) {
  if (requests_max == 0 || has_backlog()) {
    backlog_.append(data, size);
    return 0;
  }
  return parse(data, size, requests_max, !begun_ && !has_output());
}

void framer::resume(std::uint32_t requests_max) {
  if (requests_max == 0) return;
  const auto data = std::exchange(backlog_, {});
  parse(data.data(), data.size(), requests_max, false);
}

std::size_t framer::parse(const char* data, std::size_t size, std::uint32_t requests_max, bool direct) {
  if (refused()) return 0;  // what follows a refused request is not read
  if (upgraded_) {
    rest_.append(data, size);
    return 0;
  }
  std::size_t at = 0;    // parsed so far
  std::size_t from = 0;  // where the bytes of the current request begin in `data`
  std::size_t passed = 0;
  while (at < size) {
    parsed_begin_ = data + at;
    parsed_end_ = data + size;
    value_cut_before_ = std::exchange(value_cut_, false);
    const std::size_t used = http_parser_execute(&parser_, &callbacks(), data + at, size - at);
    if (!refused() && HTTP_PARSER_ERRNO(&parser_) != HPE_OK && HTTP_PARSER_ERRNO(&parser_) != HPE_PAUSED) {
      const auto code = HTTP_PARSER_ERRNO(&parser_);
      if (code == HPE_HEADER_OVERFLOW)
        stop(431, "The request's head is too long");
      else if (code == HPE_INVALID_METHOD)
        refuse_method(held_ + std::string(data + from, std::min(size - from, shortened_path_bytes)));
      else
        stop(400, std::string("Malformed request: ") + http_errno_description(code));
    }
    if (refused()) {
      emit_refused();
      return passed;
    }
    if (edit_now_) {  // paused on the last byte of the head, which is parsed again
      edit_now_ = false;
      http_parser_pause(&parser_, 0);
      held_.append(data + from, at + used + 1 - from);
      edit_head(held_);
      held_.clear();
      edited_ = true;
      direct = false;
      at += used;
      continue;
    }
    at += used;
    if (!complete_) continue;

    http_parser_pause(&parser_, 0);
    if (edited_) {
      emit_edited();
    } else if (direct) {
      passed = at;
    } else {
      held_.append(data + from, at - from);
      if (!has_output()) {
        clear(output_);
        output_at_ = 0;
        output_.swap(held_);
      } else {
        output_.append(held_);
      }
      output_charged_bytes_ += std::exchange(charged_bytes_, 0);
    }
    from = at;
    ++requests_;
    if (parser_.upgrade) {
      upgraded_ = true;
      rest_.append(data + at, size - at);
      return passed;
    }
    reset_request();
    if (--requests_max == 0) {
      backlog_.append(data + at, size - at);
      return passed;
    }
  }
  if (!begun_) return passed;
  if (!edited_) {
    const auto wanted = held_.size() + (size - from);
    if (wanted > held_.capacity())
      held_.reserve(std::max<std::size_t>(
          wanted, std::min<std::uint64_t>(std::max<std::uint64_t>(expected_bytes_, 512),
                                          std::max<std::uint64_t>(head_reserve_bytes, 2 * held_.capacity()))));
    held_.append(data + from, size - from);
  } else if (chunked_) {
    raw_body_bytes_ += size - from;
    if (raw_body_bytes_ > framing_slack_bytes + framing_factor * body_bytes_)
      refuse(400, "Malformed request: more chunk framing than data");
  }
  if (!refused() && !charge()) refuse(503, "The memory for request bodies is in use, retry later");
  if (!refused() && head_done_ && expects_continue_) {
    expects_continue_ = false;
    continue_wanted_ = body_bytes_ == 0;  // who sends without waiting needs no leave
  }
  return passed;
}

std::size_t framer::take(char* to, std::size_t size) {
  const auto n = std::min(size, output_.size() - output_at_);
  std::memcpy(to, output_.data() + output_at_, n);
  output_at_ += n;
  if (output_at_ == output_.size()) {
    clear(output_);
    output_at_ = 0;
    if (output_charged_bytes_ > 0) limits_.budget->release(std::exchange(output_charged_bytes_, 0));
  }
  return n;
}

void framer::refuse(unsigned status, std::string reason) {
  if (refused() || upgraded_) return;
  stop(status, std::move(reason));
  emit_refused();
}

int framer::stop(unsigned status, std::string reason) {
  if (!refused()) {
    refused_status_ = status;
    refused_reason_ = std::move(reason);
  }
  return -1;
}

// `line` begins with what the parser knows as no method.
void framer::refuse_method(std::string_view line) {
  while (!line.empty() && (line.front() == '\r' || line.front() == '\n')) line.remove_prefix(1);
  const auto end = std::find_if_not(line.begin(), line.end(), is_token);
  const std::string method(line.begin(), end);
  if (method == "PRI")
    stop(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here");
  else if (method.empty() || (end != line.end() && *end != ' '))
    stop(400, "Malformed request: it does not begin with a method");
  else
    stop(501, "The method " + method + " is unknown here");
}

int framer::on_begin() {
  begun_ = true;
  return 0;
}

int framer::on_url(const char* at, std::size_t size) {
  if (url_.size() + size > limits_.max_url_bytes) {
    url_.append(at, std::min(size, shortened_path_bytes));
    return stop(414, "The URL is longer than " + std::to_string(limits_.max_url_bytes) + " bytes");
  }
  url_.append(at, size);
  return 0;
}

int framer::on_header_name(const char* at, std::size_t size) {
  if (value_begun_ && on_header() != 0) return -1;
  header_bytes_ += static_cast<std::uint32_t>(size);
  if (header_bytes_ > limits_.max_header_bytes)
    return stop(431, "The headers are longer than " + std::to_string(limits_.max_header_bytes) + " bytes");
  name_.append(at, size);
  return 0;
}

int framer::on_header_value(const char* at, std::size_t size) {
  // A second call for one value, unless the bytes were cut within it: the value goes on in the next line.
  if (value_begun_ && !(value_cut_before_ && at == parsed_begin_)) fold_ = true;
  value_cut_ = at + size == parsed_end_;
  value_begun_ = true;
  header_bytes_ += static_cast<std::uint32_t>(size);
  if (header_bytes_ > limits_.max_header_bytes)
    return stop(431, "The headers are longer than " + std::to_string(limits_.max_header_bytes) + " bytes");
  value_.append(at, size);
  return 0;
}

// One header is complete.
int framer::on_header() {
  value_begun_ = false;
  header_bytes_ += 4;
  if (++header_count_ > limits_.max_header_count)
    return stop(431, "More than " + std::to_string(limits_.max_header_count) + " headers");
  if (fold_) return stop(400, "Malformed request: a header goes on in a second line");
  if (name_.find(' ') != std::string::npos || name_.empty())
    return stop(400, "Malformed request: a space in the name of a header");
  if (!trailing_) {
    const auto value = trimmed(value_);
    switch (name_.size()) {
      case 4:
        if (equal_caseless(name_, "host")) ++host_count_;
        break;
      case 6:
        if (equal_caseless(name_, "expect")) {
          expects_continue_ = equal_caseless(value, "100-continue");
          bad_expect_ |= !expects_continue_;
        } else if (equal_caseless(name_, "origin") && value.size() <= 256 && visible(value)) {
          origin_ = value;
        }
        break;
      case 7:
        if (equal_caseless(name_, "upgrade")) websocket_ = equal_caseless(value, "websocket");
        break;
      case 12:
        if (equal_caseless(name_, "x-request-id") && value.size() <= 128 && visible(value)) request_id_ = value;
        break;
      case 14:
        if (equal_caseless(name_, "content-length")) has_length_ = true;
        break;
      case 17:
        if (equal_caseless(name_, "transfer-encoding")) {
          ++encoding_count_;
          chunked_ = equal_caseless(value, "chunked");
          bad_encoding_ |= !chunked_;
        }
        break;
      default: break;
    }
  }
  name_.clear();
  value_.clear();
  return 0;
}

int framer::on_head() {
  // After the head the parser calls with a trailer's last header, and never with on_head again.
  if (!name_.empty() || value_begun_)
    if (on_header() != 0) return -1;
  if (check_head() != 0) return -1;
  head_done_ = true;
  trailing_ = true;
  const bool upgrade_ignored = parser_.upgrade && !websocket_;
  if (upgrade_ignored) parser_.upgrade = 0;  // (h2c and the like: answered as plain HTTP)
  large_ = !parser_.upgrade && has_length_ && parser_.content_length >= aside_from_bytes;
  if (chunked_ || upgrade_ignored || large_) {
    edit_now_ = true;
    http_parser_pause(&parser_, 1);
  }
  return 0;
}

int framer::check_head() {
  if (parser_.http_major != 1) return stop(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here");
  const bool http_1_0 = http_1_0_ = parser_.http_minor == 0;
  any_http_1_0_ |= http_1_0;
  if (host_count_ > 1 || (host_count_ == 0 && !http_1_0))
    return stop(400, "Malformed request: exactly one Host header is needed");
  if (encoding_count_ > 0 && has_length_)
    return stop(400, "Malformed request: both Transfer-Encoding and Content-Length");
  if (encoding_count_ > 1 || bad_encoding_ || (encoding_count_ > 0 && http_1_0))
    return stop(400, "Malformed request: the only transfer coding understood is a single `chunked`");
  if (parser_.method == HTTP_CONNECT) return stop(405, "CONNECT is not offered");
  if (bad_expect_ && !http_1_0) return stop(417, "The only expectation understood is 100-continue");
  const std::uint64_t length = has_length_ ? parser_.content_length : 0;
  if (!chunked_ && length == 0) {
    expects_continue_ = false;
    return 0;
  }
  if (http_1_0) expects_continue_ = false;
  body_limit_bytes_ = limits_.body_limit(http_method_str(static_cast<http_method>(parser_.method)), path());
  if (length > body_limit_bytes_)
    return stop(413, "The body is longer than " + std::to_string(body_limit_bytes_) + " bytes");
  if (!limits_.budget->fits(length)) return stop(503, "The memory for request bodies is in use, retry later");
  expected_bytes_ = length + url_.size() + header_bytes_ + 64;
  return 0;
}

int framer::on_body(const char* at, std::size_t size) {
  body_bytes_ += size;
  if (body_bytes_ > body_limit_bytes_)
    return stop(413, "The body is longer than " + std::to_string(body_limit_bytes_) + " bytes");
  if (edited_) keep_body(at, size);
  return 0;
}

void framer::keep_body(const char* at, std::size_t size) {
  if (const auto wanted = body_.size() + size; wanted > body_.capacity()) {
    const auto most = large_ ? expected_bytes_ : body_limit_bytes_;
    const auto step = std::max<std::uint64_t>(large_ ? head_reserve_bytes : 0, body_growth * body_.capacity());
    body_.reserve(std::max<std::size_t>(wanted, std::min(most, step)));
  }
  body_.append(at, size);
}

std::string framer::take_body(std::uint64_t ordinal) {
  for (auto k = kept_.begin(); k != kept_.end(); ++k) {
    if (k->ordinal != ordinal) continue;
    auto bytes = std::move(k->bytes);
    limits_.budget->release(k->charged_bytes);
    kept_.erase(k);
    return bytes;
  }
  return {};
}

int framer::on_chunk() {
  if (parser_.content_length > body_limit_bytes_ - body_bytes_)
    return stop(413, "The body is longer than " + std::to_string(body_limit_bytes_) + " bytes");
  return 0;
}

int framer::on_complete() {
  if (!name_.empty() || value_begun_)
    if (on_header() != 0) return -1;
  complete_ = true;
  http_parser_pause(&parser_, 1);
  return 0;
}

std::string_view framer::path() const { return std::string_view(url_).substr(0, url_.find('?')); }

// Keeps the head without the lines that RESTinio is not to act on.
void framer::edit_head(std::string_view raw) {
  head_.clear();
  while (!raw.empty()) {
    const auto end = std::min(raw.find('\n'), raw.size() - 1);
    const auto line = raw.substr(0, end + 1);
    raw.remove_prefix(end + 1);
    const auto name = line.substr(0, line.find(':'));
    if (line == "\r\n" || line == "\n") {
      if (head_.empty()) continue;  // blank lines may come before a request
      break;
    }
    if (equal_caseless(name, "transfer-encoding") || equal_caseless(name, "upgrade") ||
        equal_caseless(name, "content-length"))
      continue;
    head_.append(line);
  }
}

void framer::emit_edited() {
  if (!has_output()) {
    clear(output_);
    output_at_ = 0;
  }
  if (body_.size() >= aside_from_bytes) {
    kept_.push_back({requests_, std::exchange(body_, {}), std::exchange(charged_bytes_, 0)});
  }
  output_.reserve(output_.size() + head_.size() + body_.size() + 64);
  output_.append(head_);
  if (chunked_ || has_length_) output_.append("Content-Length: ").append(std::to_string(body_.size())).append("\r\n");
  output_.append("\r\n").append(body_);
  output_charged_bytes_ += std::exchange(charged_bytes_, 0);
}

// The request in place of the refused one. Its method and path are for the access log and the envelope.
void framer::emit_refused() {
  begun_ = false;
  continue_wanted_ = false;
  const bool has_method = !url_.empty() && parser_.method != HTTP_CONNECT;
  auto shown = path().substr(0, shortened_path_bytes);
  if (shown.empty() || shown.front() != '/' || !visible(shown)) shown = "/";
  output_.append(has_method ? http_method_str(static_cast<http_method>(parser_.method)) : "GET");
  output_.append(" ").append(shown).append(" HTTP/1.1\r\nHost: -\r\nConnection: close\r\n");
  if (!request_id_.empty()) output_.append("X-Request-Id: ").append(request_id_).append("\r\n");
  if (!origin_.empty()) output_.append("Origin: ").append(origin_).append("\r\n");
  output_.append("\r\n");
  for (auto* text : {&held_, &head_, &body_, &url_, &name_, &value_, &backlog_}) std::string().swap(*text);
  if (charged_bytes_ > 0) limits_.budget->release(std::exchange(charged_bytes_, 0));
}

// Brings the budget up to date with what has been received of the body.
bool framer::charge() {
  if (body_bytes_ == charged_bytes_) return true;
  const auto more = body_bytes_ - charged_bytes_;
  if (!limits_.budget->fits(more)) return false;
  limits_.budget->charge(more);
  charged_bytes_ = body_bytes_;
  return true;
}

void framer::reset_request() {
  clear(held_);
  clear(head_);
  clear(body_);
  url_.clear();
  name_.clear();
  value_.clear();
  request_id_.clear();
  origin_.clear();
  body_limit_bytes_ = body_bytes_ = raw_body_bytes_ = expected_bytes_ = 0;
  header_count_ = header_bytes_ = host_count_ = encoding_count_ = 0;
  begun_ = head_done_ = complete_ = edited_ = edit_now_ = false;
  value_begun_ = trailing_ = value_cut_ = false;
  has_length_ = chunked_ = bad_encoding_ = expects_continue_ = bad_expect_ = websocket_ = fold_ = large_ = false;
}

}  // namespace troupe::http::edge
