#include "http/server.hpp"

#include <future>

#include "config/machine.hpp"
#include "http/edge/io_thread.hpp"
#include "http/edge/listener.hpp"
#include "http/edge/shared.hpp"

namespace troupe::http {
std::uint32_t chosen_io_threads(std::uint32_t wanted) {
  if (wanted > 0) return wanted;
  const auto cores = config::usable_cores();
  return cores <= 4 ? 1 : cores / 4;
}

struct server::impl {
  impl(const config::settings& settings, handler on_request, body_limit limit_for, prometheus::Registry& metrics)
      : shared(std::make_shared<edge::shared>(settings, std::move(on_request), std::move(limit_for), metrics)),
        addresses(settings.listeners) {
    for (std::uint32_t i = 0; i < chosen_io_threads(settings.io_threads); ++i)
      threads.push_back(std::make_shared<edge::io_thread>(shared));
    // http_parser's own limit is the process's, and must not be below ours.
    http_parser_set_max_header_size(2 * (settings.max_url_bytes + settings.max_header_bytes) + 64 * 1024);
  }

  std::shared_ptr<edge::shared> shared;
  std::vector<config::listener> addresses;
  std::vector<std::shared_ptr<edge::io_thread>> threads;
  std::vector<std::shared_ptr<edge::listener>> listeners;
  bool started = false;
};

server::server(const config::settings& settings, handler on_request, body_limit limit_for,
               prometheus::Registry& metrics)
    : impl_(std::make_unique<impl>(settings, std::move(on_request), std::move(limit_for), metrics)) {}

server::~server() { stop(); }

result<void> server::start() {
  auto& s = *impl_;
  for (const auto& address : s.addresses) {
    s.listeners.push_back(std::make_shared<edge::listener>(address, s.threads));
    if (auto bound = s.listeners.back()->bind(); !bound) {
      s.listeners.clear();
      return bound;
    }
  }
  {
    std::lock_guard lock(s.shared->resume_mutex);
    s.shared->resume_accepting = [first = s.threads.front().get(), listeners = s.listeners, shared = s.shared.get()] {
      first->post([listeners, shared] {
        shared->accept_paused = false;
        for (const auto& l : listeners) l->accept();
      });
    };
  }
  for (const auto& t : s.threads) t->start();
  s.started = true;
  s.threads.front()->post([listeners = s.listeners] {
    for (const auto& l : listeners) l->accept();
  });
  return {};
}

std::vector<std::uint16_t> server::ports() const {
  std::vector<std::uint16_t> ports;
  for (const auto& l : impl_->listeners) ports.push_back(l->port());
  return ports;
}

void server::stop_accepting() {
  auto& s = *impl_;
  s.shared->draining = true;
  if (!s.started) return;
  {
    std::lock_guard lock(s.shared->resume_mutex);
    s.shared->resume_accepting = nullptr;
  }
  const auto done = std::make_shared<std::promise<void>>();
  if (s.threads.front()->post([listeners = s.listeners, done] {
        for (const auto& l : listeners) l->close();
        done->set_value();
      }))
    done->get_future().wait();
}

void server::stop() {
  auto& s = *impl_;
  if (!s.started) return;
  stop_accepting();
  s.started = false;
  for (const auto& t : s.threads) t->stop();
}

std::uint32_t server::open_exchanges() const {
  std::uint32_t open = 0;
  for (const auto& t : impl_->threads) open += t->exchanges();
  return open;
}

}  // namespace troupe::http
