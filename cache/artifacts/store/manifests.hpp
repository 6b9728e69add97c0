#pragma once
// The manifests on the disk, parsed once for each state of a file: other processes may change them at any time. Owned
// by a store; thread-safe; needs no lock of the store, as a manifest is replaced in one step.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cache/artifacts/manifest.hpp"
#include "cache/artifacts/store/layout.hpp"
#include "config/error.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {

class manifests {
 public:
  using read = result<std::shared_ptr<const manifest>>;

  explicit manifests(const layout& at) : at_(at) {}

  // Error: model_not_found, bad_request (no name), or what is wrong with it.
  read find(const std::string& name) const;
  struct named {
    std::string name;
    read what;
  };
  // By name; also those that cannot be used.
  std::vector<named> all() const;
  // That can be used.
  std::vector<std::shared_ptr<const manifest>> usable() const;

 private:
  struct known {
    inference::file_state state;
    bool settled = false;
    read what;
  };
  read look(const std::string& name) const;

  const layout& at_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, known> known_;
};

}  // namespace troupe::cache
