#pragma once
// One request and its answer: names resolved and judged, redirects followed, headers bounded, the rate kept. No retries
// (they are its owner's). For the loop's thread; destroying it calls it off, but not from within its sink.

#include <curl/curl.h>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>

#include "cache/artifacts/transfer/loop.hpp"
#include "cache/artifacts/transfer/names.hpp"
#include "cache/artifacts/transfer/proxy.hpp"
#include "cache/artifacts/transfer/rate_limit.hpp"
#include "cache/artifacts/transfer/transfers.hpp"
#include "cache/artifacts/transfer/web_url.hpp"

namespace troupe::cache {

// What all exchanges share.
struct network {
  const transfer_options& options;
  const proxy_settings proxies;
  transfer_counts& counts;
  loop& on;
  names& name_lookup;
  rate_limit rate;
  std::minstd_rand chance;  // of waits
};

struct exchange_request {
  std::string url;
  std::string first_url;  // whose origin `authorize` is for; empty: `url`
  std::string method = "GET";
  header_lines headers;
  authorizer authorize;
  reach may_reach = reach::outside;
  bool follow = true;
  std::chrono::milliseconds timeout{0};  // all of it; 0: only what is slow or does not connect is given up
};

// What becomes of the last answer.
class exchange_sink {
 public:
  virtual ~exchange_sink() = default;
  // Status, headers and URL are there. False: its body is not wanted.
  virtual bool on_head(const http_answer& head) = 0;
  // False: no more is wanted.
  virtual bool on_body(std::span<const std::byte> bytes) = 0;
};

struct exchange_end {
  enum class kind : std::uint8_t {
    whole,    // the answer is there, as long as it said
    stopped,  // the sink did not want (more of) the body
    failed,   // may be better another time
    refused,  // never will be
  } how = kind::whole;
  error why;  // of the latter two
};

class exchange {
 public:
  // `ended` is called once, as the last thing, never from within the constructor or start().
  exchange(network& net, exchange_request request, exchange_sink& sink, std::function<void(const exchange_end&)> ended);
  ~exchange();
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;

  void start();
  // After on_head() it has status, headers and URL.
  const http_answer& head() const noexcept { return head_; }
  bool was_redirected() const noexcept { return hops_ > 0; }
  bool proves() const noexcept { return proves_; }  // the last request was to where `authorize` is for

 private:
  void go_to(const result<web_url>& url);
  void judge(const result<std::vector<std::string>>& found);
  void ask();
  std::optional<error> put_headers();
  void done(CURLcode code);
  exchange_end judge_end(CURLcode code);
  void end(const exchange_end& with);
  void end_soon(exchange_end::kind how, error why);

  bool may_connect(std::string_view address) const noexcept;
  error unreachable(std::string_view address) const;
  std::size_t take_header(std::string_view line);
  std::size_t take_body(std::span<const std::byte> bytes);
  void end_of_head();

  static std::size_t header_thunk(char* data, std::size_t size, std::size_t n, void* self) noexcept;
  static std::size_t body_thunk(char* data, std::size_t size, std::size_t n, void* self) noexcept;
  static int connected_thunk(void* self, char* peer, char* local, int peer_port, int local_port) noexcept;

  struct free_easy {
    void operator()(CURL* c) const noexcept { curl_easy_cleanup(c); }
  };
  struct free_list {
    void operator()(curl_slist* l) const noexcept { curl_slist_free_all(l); }
  };
  using list = std::unique_ptr<curl_slist, free_list>;

  network& net_;
  const exchange_request request_;
  exchange_sink& sink_;
  std::function<void(const exchange_end&)> ended_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();

  web_url url_, first_;
  bool proves_ = true, fresh_ = false;
  unsigned hops_ = 0;
  list sent_, pinned_;  // outlive easy_'s use of them
  std::unique_ptr<CURL, free_easy> easy_;
  std::array<char, CURL_ERROR_SIZE> curl_says_{};
  loop::timer deadline_ = 0, patience_ = 0, paused_ = 0;

  http_answer head_;
  std::uint64_t header_bytes_ = 0, ignored_bytes_ = 0;
  bool head_whole_ = false, wanted_ = false, stopped_ = false, redirected_ = false, too_many_headers_ = false;
  std::string wrong_peer_;
};

}  // namespace troupe::cache
