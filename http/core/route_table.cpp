#include "http/core/route_table.hpp"

#include <stdexcept>

namespace troupe::http {
namespace {

std::string_view first_segment(std::string_view path) {
  const auto segments = path_segments(path);
  return segments.empty() ? std::string_view() : segments.front();
}

}  // namespace

route_table::route_table(std::vector<route> routes) : routes_(std::move(routes)) {
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const auto& r = routes_[i];
    if (!r.of || !r.run) throw std::invalid_argument("a route without family or handler: " + r.pattern);
    router_.add(r.method, r.pattern, i);
    const auto [place, fresh] = by_first_segment_.emplace(first_segment(r.pattern), r.of.get());
    if (!fresh && place->second != r.of.get()) place->second = nullptr;
  }
}

std::uint64_t route_table::body_limit(const config::settings& settings, std::string_view method,
                                      std::string_view path) const {
  const auto found = match(method, path);
  return limit_bytes(found ? routes_[found->index].body_may_be : body_size::large, settings);
}

std::string route_table::body_setting(std::string_view method, std::string_view path) const {
  const auto found = match(method, path);
  const bool upload = found && routes_[found->index].body_may_be == body_size::upload;
  return upload ? "max_upload_bytes" : "max_body_bytes";
}

const error_writer& route_table::words_for(std::string_view path, std::optional<std::size_t> sibling) const {
  if (sibling) return routes_[*sibling].of->write_error;
  const auto known = by_first_segment_.find(first_segment(path));
  return known == by_first_segment_.end() || known->second == nullptr ? envelope_ : known->second->write_error;
}

const error_writer& route_table::words_for_request(std::string_view method, std::string_view path) const {
  const auto found = match(method, path);
  return words_for(path, found ? std::optional(found->index) : found.error().sibling);
}

}  // namespace troupe::http
