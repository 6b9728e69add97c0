#pragma once
// A client of a troupe server, for commands: small JSON requests and streams of events, over http and https. Nothing
// is retried and no redirect followed; what comes is bounded. One thread an object; keeps its connection.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "app/event_reader.hpp"
#include "config/error.hpp"

namespace troupe::app {

struct http_question {
  std::string method = "GET";
  std::string path{};                             // on the server, encoded: "/models/org%2Fname"
  std::string body{};                             // empty: none
  std::string content_type = "application/json";  // of the body
  std::chrono::milliseconds limit{};              // of the whole; 0: none
  const std::atomic<bool>* cancelled = nullptr;
};

struct http_reply {
  unsigned status = 0;
  std::string body;
};

class http_call {
 public:
  static constexpr std::size_t body_bytes_max = 64u << 20;

  // `url`: "http://host:8000", "https://host/prefix", "host:8000". `key` is sent as a bearer token; empty: none. An
  // https server's certificate is judged by the system's authorities, or those of SSL_CERT_FILE. Error: bad_request.
  static result<http_call> to(std::string_view url, std::string key);
  ~http_call();
  http_call(http_call&&) noexcept;
  http_call& operator=(http_call&&) noexcept;

  const std::string& url() const noexcept { return url_; }

  // Whatever status it has is an answer. Errors: unavailable (not reached, or lost), deadline_exceeded (reached, but
  // not answered within `limit`), payload_too_large, cancelled.
  result<http_reply> ask(const http_question& question);
  // Reads events until the stream ends, `tell` says false, or nothing has come for a minute. An answer that is no such
  // stream comes back with its body; else the body is empty. Errors as above.
  result<http_reply> follow(const http_question& question, const std::function<bool(const server_event&)>& tell);

  static std::string encoded(std::string_view part);  // for one part of a path

 private:
  struct handle;
  http_call(std::string url, std::string key);
  std::string url_, key_;
  std::unique_ptr<handle> handle_;
};

}  // namespace troupe::app
