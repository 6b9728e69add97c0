#pragma once
// From method and path to a route. Patterns are compiled once into a tree of segments; matching looks at
// each segment of the path once or twice, uses no regular expression, and allocates only for what it decodes.
// Immutable after the last add(); then thread-safe.
//
// A pattern's segment is a literal or a parameter. {model_name} stands for one segment or two (a namespace, or
// the '/' as %2F) and is checked; {catalog_id} and {any_path}, at the end, for all that is left, whatever it is; any
// other ({version}) for one decoded segment, unchecked.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"
#include "http/core/route_parameters.hpp"

namespace troupe::http {

// The names of a pattern's parameters, in order, without braces.
std::vector<std::string> parameter_names(std::string_view pattern);
// The segments of a path or a pattern as written: {"models", "{model_name}", "load"}; none of "/".
std::vector<std::string_view> path_segments(std::string_view path);
// "{model_name}": yes.
bool is_parameter(std::string_view segment) noexcept;
inline constexpr std::string_view model_parameter = "{model_name}";
// All that is left of a path.
bool is_rest_parameter(std::string_view segment) noexcept;

class router {
 public:
  router();
  ~router();

  // `index` is what match() gives back. The pattern is ours: a bad one is a programming error (throws).
  // REQUIRES: it begins with '/'; each name stands once in it, so {model_name} does (with two, the ways to split a
  // path would multiply); in one place of all patterns stand either {model_name} or other parameters; no two
  // routes have one method and place.
  void add(std::string_view method, std::string_view pattern, std::size_t index);

  struct found {
    std::size_t index = 0;
    route_parameters parameters;
  };
  // why: bad_request (encoding, traversal, model name), route_not_found with similar routes, method_not_allowed.
  struct missed {
    error why;
    std::string allow;                   // the Allow header's value, of method_not_allowed
    std::optional<std::size_t> sibling;  // a route of the same path, where there is one
  };
  // `path` as sent. A literal segment wins over a parameter, a name of one segment over one of two. HEAD is
  // answered by GET's route.
  tl::expected<found, missed> match(std::string_view method, std::string_view path) const;

  // The Allow header's value for a path ("*": of the whole server); empty: no such route.
  std::string allowed(std::string_view path) const;

 private:
  struct node;
  struct walk;
  std::string similar_routes(std::string_view path) const;

  std::unique_ptr<node> root_;
  std::vector<std::string> patterns_;  // for the 404's hint, in order, each once
  std::vector<std::string> methods_;   // of all routes, in order, each once
};

}  // namespace troupe::http
