#pragma once
// Addresses of names: asked of a resolver on a thread of its own, one name at a time, and kept for a moment, so that
// the ranges of a file do not ask again each. For the loop's thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/artifacts/transfer/loop.hpp"
#include "cache/artifacts/transfer/transfers.hpp"

namespace troupe::cache {

class names {
 public:
  using told = std::function<void(const result<std::vector<std::string>>&)>;

  names(resolver resolve, loop::poster post);
  // Ends the thread. One that does not come back from its resolver in two seconds is left behind: getaddrinfo cannot
  // be called off. It touches nothing of ours afterwards but what it shares.
  ~names();

  // Calls `then` once, at once or later; the caller sees to it that it may still be called.
  void find(const std::string& host, told then);
  // It leads nowhere: the next find() asks again.
  void forget(const std::string& host);

 private:
  struct shared;
  void settle(const std::string& host, const result<std::vector<std::string>>& found);
  struct kept {
    std::vector<std::string> addresses;
    steady_time until;
  };
  std::map<std::string, kept> kept_;
  std::map<std::string, std::vector<told>> waiting_;
  std::shared_ptr<shared> shared_;
  std::shared_ptr<names*> self_;  // for what is posted: gone with us
  std::thread thread_;
};

}  // namespace troupe::cache
