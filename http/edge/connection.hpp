#pragma once
// One connection, free of its kind of socket: what exchanges need of it, and what the sweep may do to it.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "http/core/live_socket.hpp"
#include "http/edge/io_thread.hpp"
#include "http/edge/live_connection.hpp"

namespace troupe::http::edge {

// Someone who wants to know that the client has left. Lives in the exchange.
struct watch {
  std::function<void()> run;
  watch* previous = nullptr;
  watch* next = nullptr;
  bool linked = false;
};

class connection : public swept {
 public:
  connection(std::shared_ptr<io_thread> thread, std::string dialect)
      : thread_(std::move(thread)), dialect_(std::move(dialect)) {}

  io_thread& thread() const { return *thread_; }
  edge::shared& shared() const { return thread_->shared(); }
  const std::string& dialect() const { return dialect_; }  // of its listener

  // Any thread.
  bool gone() const { return gone_.load(std::memory_order_acquire); }
  // Sets what `w` runs, once, when the client leaves. False: it has left, `f` is given back.
  bool set_watch(watch& w, std::function<void()>& f);
  // No call of it begins after this; the function is given back to be dropped without a lock.
  [[nodiscard]] std::function<void()> drop_watch(watch& w);

  // The rest on the I/O thread.
  void begun() { ++in_flight_; }
  void finished();
  // The status of the refusal if request `ordinal` of this connection was refused by the edge, else 0.
  virtual unsigned refused_status(std::uint64_t ordinal) const = 0;
  virtual const std::string& refused_reason() const = 0;
  // The body of request `ordinal`, where RESTinio has none of it (framer.hpp); once.
  virtual std::string take_body(std::uint64_t ordinal) = 0;
  virtual bool http_1_0() const = 0;     // RESTinio keeps no version
  virtual bool half_closed() const = 0;  // the client has ended its side, and may still read
  // Hands the socket, and what was read of it after the request that asked for an upgrade, to a live connection. An
  // error leaves all as it was. REQUIRES: that request is being answered, and alone.
  virtual result<void> become_live(live_terms terms, std::shared_ptr<live_protocol> protocol) = 0;

 protected:
  // Tells those who watch; later calls do nothing.
  void client_left();
  virtual void one_answered() = 0;
  std::uint32_t in_flight_ = 0;

 private:
  std::shared_ptr<io_thread> thread_;
  const std::string dialect_;
  std::atomic<bool> gone_{false};
  std::mutex mutex_;
  watch* watches_ = nullptr;
};

}  // namespace troupe::http::edge
