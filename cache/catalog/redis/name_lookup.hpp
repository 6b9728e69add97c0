#pragma once
// The addresses of one host, asked of the system on a thread of its own: getaddrinfo cannot be called off, so a thread
// that does not come back is left behind, at most one at a time. For the loop's thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/catalog/redis/asio.hpp"
#include "cache/catalog/redis/redis_client.hpp"
#include "config/error.hpp"

namespace troupe::cache {

class name_lookup {
 public:
  using told = std::function<void(result<std::vector<std::string>>)>;

  // `resolve` empty: the system's.
  name_lookup(asio::io_context& loop, redis_resolver resolve);
  ~name_lookup();  // never waits
  name_lookup(name_lookup&&) = delete;

  // `then` is called later, unless forget() or the next find() comes first. One that is still on its way from before
  // is waited for, not asked again.
  void find(const std::string& host, told then);
  void forget();

 private:
  struct shared;
  std::shared_ptr<shared> shared_;
  redis_resolver resolve_;
};

}  // namespace troupe::cache
