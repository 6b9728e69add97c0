#include "tests/http/edge/support.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

namespace troupe::http::testing {
namespace {

bool wait_for(int fd, short events, std::chrono::milliseconds limit = patience) {
  pollfd p{fd, events, 0};
  return ::poll(&p, 1, static_cast<int>(limit.count())) == 1;
}

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

raw_client::raw_client(std::uint16_t port, int receive_buffer_bytes, const char* host) {
  const bool v6 = std::string_view(host).find(':') != std::string_view::npos;
  fd_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer_bytes > 0)
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  int failed = 0;
  if (v6) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    ::inet_pton(AF_INET6, host, &to.sin6_addr);
    failed = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to);
  } else {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, host, &to.sin_addr);
    failed = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  if (failed != 0) ADD_FAILURE() << "connect: " << std::strerror(errno);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
}

raw_client::raw_client(raw_client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)), reset_(other.reset_) {}

bool raw_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!wait_for(fd_, POLLOUT)) return false;
    const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool raw_client::send_some(std::string_view bytes) {
  return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0 || errno == EAGAIN;
}

bool raw_client::fill() {
  char piece[16384];
  for (;;) {
    if (!wait_for(fd_, POLLIN)) return false;
    const auto n = ::recv(fd_, piece, sizeof piece, 0);
    if (n < 0 && errno == EAGAIN) continue;
    if (n < 0 && errno == ECONNRESET) reset_ = true;
    if (n <= 0) return false;
    buffer_.append(piece, static_cast<std::size_t>(n));
    return true;
  }
}

std::size_t raw_client::receive_some() {
  buffer_.clear();
  return fill() ? buffer_.size() : 0;
}

answer raw_client::receive(bool head) {
  answer a;
  std::size_t end;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) return a;
  std::string_view lines(buffer_.data(), end + 2);
  std::from_chars(lines.data() + 9, lines.data() + 12, a.status);
  lines.remove_prefix(lines.find("\r\n") + 2);
  while (!lines.empty()) {
    const auto line = lines.substr(0, lines.find("\r\n"));
    lines.remove_prefix(line.size() + 2);
    const auto colon = line.find(": ");
    a.headers[lower(std::string(line.substr(0, colon)))] = line.substr(colon + 2);
  }
  buffer_.erase(0, end + 4);
  if (head || a.status == 204 || a.status / 100 == 1) return a;
  if (a.headers.count("content-length")) {
    a.body = receive_bytes(std::stoul(a.headers["content-length"]));
  } else if (a.headers.count("transfer-encoding")) {
    for (;;) {
      while ((end = buffer_.find("\r\n")) == std::string::npos)
        if (!fill()) return a;
      const auto size = std::stoul(buffer_.substr(0, end), nullptr, 16);
      buffer_.erase(0, end + 2);
      a.body += receive_bytes(size);
      receive_bytes(2);
      if (size == 0) break;
    }
  } else {
    while (fill()) {
    }
    a.body = std::exchange(buffer_, {});
  }
  return a;
}

std::string raw_client::receive_bytes(std::size_t count) {
  while (buffer_.size() < count && fill()) {
  }
  auto bytes = buffer_.substr(0, count);
  buffer_.erase(0, bytes.size());
  return bytes;
}

bool raw_client::closed() {
  char piece[4096];
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    if (!wait_for(fd_, POLLIN)) return false;
    const auto n = ::recv(fd_, piece, sizeof piece, 0);
    if (n == 0) return true;
    if (n < 0 && errno != EAGAIN) {
      reset_ = errno == ECONNRESET;
      return true;
    }
  }
  return false;
}

bool raw_client::readable_now() { return !buffer_.empty() || wait_for(fd_, POLLIN, std::chrono::milliseconds(0)); }

void raw_client::half_close() { ::shutdown(fd_, SHUT_WR); }

void raw_client::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void raw_client::reset() {
  const linger hard{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

std::string get(std::string_view path, std::string_view headers) {
  return std::string("GET ").append(path).append(" HTTP/1.1\r\nHost: x\r\n").append(headers).append("\r\n");
}

std::string post(std::string_view path, std::string_view body, std::string_view headers) {
  return std::string("POST ")
      .append(path)
      .append(" HTTP/1.1\r\nHost: x\r\nContent-Length: ")
      .append(std::to_string(body.size()))
      .append("\r\n")
      .append(headers)
      .append("\r\n")
      .append(body);
}

bool eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

response text_response(std::string text, unsigned status) {
  response r;
  r.status = status;
  r.body = std::move(text);
  r.content_type = "text/plain";
  return r;
}

bool answer_refused(const exchange_ptr& e) {
  if (e->refused_status() == 0) return false;
  e->respond(text_response("refused: " + std::string(e->refused_reason()), e->refused_status()));
  return true;
}

handler test_server::echo() {
  return [](exchange_ptr e) {
    if (answer_refused(e)) return;
    e->respond(text_response(std::string(e->method()) + " " + std::string(e->path()) + " " + std::string(e->query()) +
                             " " + std::to_string(e->body().size())));
  };
}

test_server::test_server(std::function<void(config::settings&)> change, handler h, body_limit limit) {
  settings.listeners[0].port = 0;
  if (change) change(settings);
  server_ = std::make_unique<http::server>(settings, std::move(h), std::move(limit), registry);
  const auto started = server_->start();
  if (!started) throw std::runtime_error(started.error().message);
}

test_server::~test_server() { server_->stop(); }

double test_server::metric(const std::string& name) const {
  for (const auto& family : registry.Collect()) {
    if (family.name != name) continue;
    double sum = 0;
    for (const auto& m : family.metric) sum += m.gauge.value + m.counter.value;
    return sum;
  }
  return -1;
}

std::size_t open_files() {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
  return n;
}

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace troupe::http::testing
