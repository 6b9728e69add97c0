#include "http/routes.hpp"

#include <algorithm>
#include <memory>

#include "http/api/families.hpp"
#include "http/core/access.hpp"
#include "http/core/errors.hpp"
#include "http/core/http_metrics.hpp"
#include "http/core/router.hpp"

namespace troupe::http {
namespace {

constexpr std::uint64_t small_body_bytes = 65536;

class dispatcher {
 public:
  dispatcher(actors::service& service, const config::settings& settings, std::vector<route> extra)
      : settings_(settings), metrics_(service.metrics()) {
    add_model_cache_routes(routes_, service, settings);
    for (auto& r : extra) routes_.push_back(std::move(r));
    for (std::size_t i = 0; i < routes_.size(); ++i) {
      router_.add(routes_[i].method, routes_[i].pattern, i);
      handles_.push_back(std::make_shared<route_metrics>(metrics_, routes_[i].method, routes_[i].pattern));
    }
    unmatched_ = std::make_shared<route_metrics>(metrics_, "other", "none");
  }

  void handle(exchange_ptr request) {
    const auto started = steady_clock::now();
    if (const auto refused = request->refused_status(); refused != 0) {
      request = track(std::move(request), unmatched_, started, settings_.cors_allow_origin);
      return refuse(*request, refused);
    }
    if (request->method() == "OPTIONS") {
      request = track(std::move(request), unmatched_, started, settings_.cors_allow_origin);
      const auto allow = router_.allowed(request->path());
      if (!allow.empty()) return request->respond(options_response(settings_, allow, *request));
    }
    std::string allow;
    auto found = router_.match(request->method(), request->path(), allow);
    if (request->method() != "OPTIONS") {
      request = track(std::move(request), found ? handles_[found->index] : unmatched_, started,
                      settings_.cors_allow_origin);
    }
    // Before 404 and 405: without a key nobody learns what is there.
    const auto needed = !found || !routes_[found->index].open
                            ? (found && routes_[found->index].admin ? guard::admin : guard::keyed)
                            : guard::open;
    if (const auto denied = check_access(settings_, needed, *request)) {
      header_list headers;
      if (denied->code == error_code::unauthorized) headers.emplace_back("WWW-Authenticate", "Bearer");
      return request->respond(error_response(*denied, request->request_id(), std::move(headers)));
    }
    if (!found) {
      header_list headers;
      if (!allow.empty()) headers.emplace_back("Allow", allow);
      return request->respond(error_response(found.error(), request->request_id(), std::move(headers)));
    }
    run(request, routes_[found->index], std::move(found->parameter));
  }

 private:
  void refuse(exchange& request, unsigned status) const {
    const auto reason = request.refused_reason();
    error why{code_of_status(status), reason.empty() ? "The request was refused" : std::string(reason), {}, {}};
    if (status == 413) {
      why.detail = "the body may have " +
                   std::to_string(body_limit_for(settings_, request.method(), request.path())) +
                   " bytes here (max_body_bytes)";
    } else if (status == 414) {
      why.detail = "the URL may have " + std::to_string(settings_.max_url_bytes) + " bytes (max_url_bytes)";
    } else if (status == 431) {
      why.detail = "send at most " + std::to_string(settings_.max_header_count) + " headers and " +
                   std::to_string(settings_.max_header_bytes) + " bytes of them (max_header_count, max_header_bytes)";
    }
    header_list headers;
    if (status == 405) headers.emplace_back("Allow", router_.allowed("*"));  // CONNECT: of all that is here
    if (status == 501) why.detail = "methods here are " + router_.allowed("*");
    auto out = error_response(why, request.request_id(), std::move(headers));
    out.status = status;
    request.respond(std::move(out));
  }

  static void run(const exchange_ptr& request, const route& target, std::string parameter) {
    try {
      target.run(request, std::move(parameter));
    } catch (const std::bad_alloc&) {
      request->respond(error_response({error_code::unavailable, "No memory for the request", {}, 1}, request->request_id()));
    } catch (const std::exception& e) {
      request->respond(error_response({error_code::internal, "The request failed inside the server", e.what(), {}},
                                      request->request_id()));
    }
  }

  const config::settings& settings_;
  request_metrics metrics_;
  std::vector<route> routes_;
  router router_;
  std::vector<std::shared_ptr<route_metrics>> handles_;  // as routes_
  std::shared_ptr<route_metrics> unmatched_;
};

}  // namespace

handler make_handler(actors::service& service, const config::settings& settings, std::vector<route> extra) {
  auto all = std::make_shared<dispatcher>(service, settings, std::move(extra));
  return [all](exchange_ptr request) { all->handle(std::move(request)); };
}

std::uint64_t body_limit_for(const config::settings& settings, std::string_view method, std::string_view path) {
  if (method == "GET" || method == "HEAD" || method == "OPTIONS") {
    return std::min(settings.max_body_bytes, small_body_bytes);
  }
  const bool predicts = path == "/predict" || path.starts_with("/predict/");
  return predicts || !path.starts_with("/models/") ? settings.max_body_bytes
                                                    : std::min(settings.max_body_bytes, small_body_bytes);
}

}  // namespace troupe::http
