#pragma once
// The bytes of one connection: TCP or a Unix socket, with TLS where it is asked for. Opened once, closed once. For the
// loop's thread; kept alive by what it has asked of Asio.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/catalog/redis/asio.hpp"
#include "cache/catalog/redis/outbox.hpp"
#include "config/error.hpp"

namespace troupe::cache {

// With the authorities of `ca_file` (empty: the system's). unavailable: the file cannot be used.
result<std::shared_ptr<asio::ssl::context>> make_redis_tls(const std::string& ca_file);

class redis_stream : public std::enable_shared_from_this<redis_stream> {
 public:
  // Not called from inside open() and write(), and not after close().
  class user {
   public:
    virtual void opened() = 0;
    virtual void received(std::string_view bytes) = 0;  // they are there until it returns
    virtual void written() = 0;                         // all that write() was given
    virtual void broken(std::string why) = 0;           // nothing comes after that; close() it

   protected:
    ~user() = default;
  };

  redis_stream(asio::io_context& loop, user& u) : socket_(loop), user_(&u) {}

  // Tries one endpoint after the other. `tls` and the name to be proved: for TLS, else null.
  void open(std::vector<asio_endpoint> endpoints, std::shared_ptr<asio::ssl::context> tls, std::string host);
  // Takes all that is in `out`, unless something is being written: it stays there, and written() will come.
  void write(outbox& out);
  void close();

 private:
  using tls_stream = asio::ssl::stream<asio_socket&>;
  template <class F>
  void with_stream(const F& f) {
    if (tls_)
      f(*tls_);
    else
      f(socket_);
  }
  void connect_next(std::string why_not);
  void connected();
  void secure();
  void receive();
  void write_on();
  void break_off(std::string why);

  asio_socket socket_;
  user* user_;  // null: closed
  std::vector<asio_endpoint> endpoints_;
  std::size_t next_endpoint_ = 0;
  std::shared_ptr<asio::ssl::context> tls_context_;
  std::unique_ptr<tls_stream> tls_;
  std::string host_;
  std::vector<char> buffer_;
  outbox out_;
};

}  // namespace troupe::cache
