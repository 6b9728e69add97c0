#pragma once
// All routes of a server, and what is known of a request before its route runs, or without one. Immutable,
// thread-safe; shared by the handler, the edge (limits of bodies), and whoever asks what there is.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "http/core/route.hpp"
#include "http/core/router.hpp"

namespace troupe::http {

class route_table {
 public:
  // A row that cannot be served (router::add, or no family) is a programming error (throws).
  explicit route_table(std::vector<route> routes);

  const std::vector<route>& routes() const noexcept { return routes_; }
  // found.index and missed.sibling are places in routes().
  tl::expected<router::found, router::missed> match(std::string_view method, std::string_view path) const {
    return router_.match(method, path);
  }
  std::string allowed(std::string_view path) const { return router_.allowed(path); }

  // Of a request to a path that no route has: max_body_bytes, so that it is told so, whatever it sends.
  std::uint64_t body_limit(const config::settings& settings, std::string_view method, std::string_view path) const;

  // The setting that bounds it.
  std::string body_setting(std::string_view method, std::string_view path) const;

  // Who writes the errors of a request to which no route answers: `sibling`'s family, else the one that has the
  // path's first segment to itself, else the envelope.
  const error_writer& words_for(std::string_view path, std::optional<std::size_t> sibling) const;
  // Of any request.
  const error_writer& words_for_request(std::string_view method, std::string_view path) const;

 private:
  std::vector<route> routes_;
  router router_;
  std::map<std::string, const family*, std::less<>> by_first_segment_;  // null: several families share it
  const error_writer envelope_ = error_response;
};

}  // namespace troupe::http
