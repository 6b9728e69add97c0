#pragma once
// Finds the requests in the bytes of one connection before RESTinio sees them, and refuses those that break
// a limit. Only whole requests are passed on. A refused one is replaced by a small one without a body, so
// that the order of pipelined answers stays right; nothing after it is read. Chunked bodies are passed on
// with a Content-Length; large bodies, of either kind, not at all: they are kept aside for the exchange, so that
// RESTinio makes no copy of them. Pure: no socket, no clock. One thread.

#include <http_parser.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::http::edge {

// Bytes of bodies in memory, all connections together. Any thread.
class body_budget {
 public:
  explicit body_budget(std::uint64_t limit_bytes) : limit_bytes_(static_cast<std::int64_t>(limit_bytes)) {}
  bool fits(std::uint64_t bytes) const {
    return used_bytes_.load(std::memory_order_relaxed) + static_cast<std::int64_t>(bytes) <= limit_bytes_;
  }
  void charge(std::uint64_t bytes) {
    used_bytes_.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  }
  void release(std::uint64_t bytes) {
    used_bytes_.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  }
  std::int64_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> used_bytes_{0};
  std::int64_t limit_bytes_;
};

struct framer_limits {
  std::uint32_t max_url_bytes = 16384;
  std::uint32_t max_header_count = 100;
  std::uint32_t max_header_bytes = 32768;
  std::function<std::uint64_t(std::string_view method, std::string_view path)> body_limit;
  body_budget* budget = nullptr;
};

class framer {
 public:
  explicit framer(const framer_limits& limits);
  ~framer();
  framer(const framer&) = delete;
  framer& operator=(const framer&) = delete;

  // Takes the next bytes. The first `n` of them, n being the result, are whole requests to be passed on as
  // they are; whatever else is to be passed on comes after them from take(). At most `requests_max` are
  // passed on; what follows them waits for resume().
  std::size_t feed(const char* data, std::size_t size, std::uint32_t requests_max = UINT32_MAX);
  bool has_backlog() const { return !backlog_.empty(); }
  void resume(std::uint32_t requests_max);
  bool has_output() const { return output_at_ < output_.size(); }
  std::size_t take(char* to, std::size_t size);

  // The body of the connection's request `ordinal` (from 0), where it was kept aside: RESTinio has none of it. Empty:
  // it was not.
  std::string take_body(std::uint64_t ordinal);

  // A request has begun and is not complete yet.
  bool inside_request() const { return begun_ && !upgraded_; }
  // Its head is complete and its body is missing: more may be read at once.
  bool inside_body() const { return inside_request() && head_done_; }
  // Of the request that has begun.
  std::uint64_t body_bytes() const { return body_bytes_; }
  // The client waits for `100 Continue`; asked once a request.
  bool take_continue() { return std::exchange(continue_wanted_, false); }
  // Of the request that came last.
  bool http_1_0() const { return http_1_0_; }
  // Of any request so far.
  bool any_http_1_0() const { return any_http_1_0_; }
  bool refused() const { return refused_status_ != 0; }
  // Which request of the connection is the refused one, from 0.
  std::uint64_t refused_ordinal() const { return requests_; }
  unsigned refused_status() const { return refused_status_; }
  const std::string& refused_reason() const { return refused_reason_; }
  // Refuses the request that has begun (408, 503), or the next one.
  void refuse(unsigned status, std::string reason);
  // The last request asks for WebSocket: what comes after it is another protocol's, and kept apart.
  bool upgraded() const { return upgraded_; }
  std::string take_rest() { return std::exchange(rest_, {}); }

 private:
  static framer& of(http_parser* p) { return *static_cast<framer*>(p->data); }
  static const http_parser_settings& callbacks();
  std::size_t parse(const char* data, std::size_t size, std::uint32_t requests_max, bool direct);
  int stop(unsigned status, std::string reason);
  void refuse_method(std::string_view line);
  int on_begin();
  int on_url(const char* at, std::size_t size);
  int on_header_name(const char* at, std::size_t size);
  int on_header_value(const char* at, std::size_t size);
  int on_header();
  int on_head();
  int check_head();
  int on_body(const char* at, std::size_t size);
  void keep_body(const char* at, std::size_t size);
  int on_chunk();
  int on_complete();
  std::string_view path() const;
  void edit_head(std::string_view raw);
  void emit_edited();
  void emit_refused();
  bool charge();
  void reset_request();

  const framer_limits& limits_;
  http_parser parser_;

  // The request being read.
  std::string held_;  // its bytes so far, unless edited_
  std::string head_;  // edited_: its head, to be passed on
  std::string body_;  // edited_: its body without chunk framing
  std::string url_, name_, value_;
  std::string request_id_, origin_;  // kept for the answer to a refused request
  std::uint64_t body_limit_bytes_ = 0, body_bytes_ = 0, raw_body_bytes_ = 0, charged_bytes_ = 0;
  std::uint64_t expected_bytes_ = 0;
  std::uint32_t header_count_ = 0, header_bytes_ = 0, host_count_ = 0, encoding_count_ = 0;
  bool begun_ = false, head_done_ = false, complete_ = false, edited_ = false, edit_now_ = false;
  bool value_begun_ = false, trailing_ = false;
  bool value_cut_ = false, value_cut_before_ = false;  // the value's bytes end with those parsed (before)
  const char* parsed_begin_ = nullptr;
  const char* parsed_end_ = nullptr;
  bool large_ = false;  // its body is to be kept aside
  bool has_length_ = false, chunked_ = false, bad_encoding_ = false, expects_continue_ = false;
  bool bad_expect_ = false, websocket_ = false, fold_ = false;

  // The connection.
  std::string output_;
  struct kept_body {
    std::uint64_t ordinal;
    std::string bytes;
    std::uint64_t charged_bytes;
  };
  std::vector<kept_body> kept_;  // of requests passed on, until their exchange is there
  std::string backlog_;          // not looked at yet
  std::string rest_;             // after an upgrade
  std::size_t output_at_ = 0;
  std::uint64_t output_charged_bytes_ = 0;
  std::uint64_t requests_ = 0;  // passed on so far
  unsigned refused_status_ = 0;
  std::string refused_reason_;
  bool continue_wanted_ = false, upgraded_ = false, http_1_0_ = false, any_http_1_0_ = false;
};

}  // namespace troupe::http::edge
