#pragma once
// From method and path to a route. Patterns are compiled once into a tree of segments; matching looks at
// each segment of the path once or twice, uses no regular expression, and allocates only for what it decodes.
// Immutable after the last add(); then thread-safe.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::http {

class router {
 public:
  router();
  ~router();

  // `index` is what match() gives back. The pattern is ours: a bad one is a programming error (throws).
  void add(std::string_view method, std::string_view pattern, std::size_t index);

  struct found {
    std::size_t index = 0;
    std::string parameter;  // decoded; {model_name} checked
  };
  // `path` as sent. A literal segment wins over a parameter. HEAD is answered by GET's route.
  // Errors: bad_request (encoding, traversal, model name), route_not_found with similar routes,
  // method_not_allowed, for which `allow` gets the Allow header's value.
  result<found> match(std::string_view method, std::string_view path, std::string& allow) const;

  // The Allow header's value for a path ("*": of the whole server); empty: no such route.
  std::string allowed(std::string_view path) const;

 private:
  struct node;
  struct walk;
  std::string similar_routes(std::string_view path) const;

  std::unique_ptr<node> root_;
  std::vector<std::string> patterns_;  // for the 404's hint, in order, each once
};

}  // namespace troupe::http
