#include "http/core/route.hpp"

#include <algorithm>

namespace troupe::http {

std::uint64_t limit_bytes(body_size size, const config::settings& settings) noexcept {
  constexpr std::uint64_t small_bytes = 65536;
  switch (size) {
    case body_size::small: return std::min(settings.max_body_bytes, small_bytes);
    case body_size::large: return settings.max_body_bytes;
    case body_size::upload: return settings.max_upload_bytes;
  }
  return 0;
}

std::vector<media> as_json(schema is) { return {{"application/json", std::move(is)}}; }

family_routes::row family_routes::add(std::string method, std::string pattern, route_handler run) {
  route r;
  r.method = std::move(method);
  r.pattern = std::move(pattern);
  r.run = std::move(run);
  r.of = of_;
  routes_.push_back(std::move(r));
  return row(routes_.back());
}

using row = family_routes::row;

row& row::open() {
  route_.needs = guard::open;
  return *this;
}

row& row::admin() {
  route_.needs = guard::admin;
  return *this;
}

row& row::large_body() {
  route_.body_may_be = body_size::large;
  return *this;
}

row& row::upload_body() {
  route_.body_may_be = body_size::upload;
  return *this;
}

row& row::says(std::string line) {
  route_.line = std::move(line);
  return *this;
}

row& row::takes(std::string name, schema is, std::string what) {
  route_.query.push_back({std::move(name), std::move(is), std::move(what)});
  return *this;
}

row& row::body(std::string what, std::vector<media> forms) {
  route_.body = std::move(what);
  route_.body_forms = std::move(forms);
  return *this;
}

row& row::needs_body(std::string what, std::vector<media> forms) {
  route_.body_required = true;
  return body(std::move(what), std::move(forms));
}

row& row::answers(unsigned status, std::string when, std::vector<media> forms) {
  route_.answers.push_back({status, std::move(when), std::move(forms)});
  return *this;
}

row& row::fails(unsigned status, std::string when) { return answers(status, std::move(when), {}); }

}  // namespace troupe::http
