#include "http/routes.hpp"

#include <iterator>
#include <utility>

#include "http/api/families.hpp"
#include "http/core/access.hpp"
#include "http/core/errors.hpp"
#include "http/core/http_metrics.hpp"
#include "http/core/openapi.hpp"

namespace troupe::http {
namespace {

class dispatcher {
 public:
  dispatcher(std::shared_ptr<const route_table> table, actors::service& service, const config::settings& settings)
      : settings_(settings),
        table_(std::move(table)),
        document_(openapi_json(table_->routes(), settings)),
        context_{service, settings, document_},
        metrics_(service.metrics()),
        unmatched_(std::make_shared<route_metrics>(metrics_, "other", "none")) {
    for (const auto& r : table_->routes()) {
      handles_.push_back(std::make_shared<route_metrics>(metrics_, r.method, r.pattern));
    }
  }

  void handle(exchange_ptr request) {
    const auto started = steady_clock::now();
    const auto track_as = [&](const std::shared_ptr<route_metrics>& metrics) {
      request = track(std::move(request), metrics, started, settings_.cors_allow_origin);
    };
    if (const auto refused = request->refused_status(); refused != 0) {
      track_as(unmatched_);
      request->word_errors(table_->words_for_request(request->method(), request->path()));
      return refuse(*request, refused);
    }
    if (request->method() == "OPTIONS") {
      if (const auto allow = table_->allowed(request->path()); !allow.empty()) {
        track_as(unmatched_);
        return request->respond(options_response(settings_, allow, *request));
      }
    }
    auto found = table_->match(request->method(), request->path());
    const auto* target = found ? &table_->routes()[found->index] : nullptr;
    track_as(target != nullptr ? handles_[found->index] : unmatched_);
    request->word_errors(target != nullptr ? target->of->write_error
                                           : table_->words_for(request->path(), found.error().sibling));
    // Before 404 and 405: without a key nobody learns what is there.
    if (const auto denied = check_access(settings_, target != nullptr ? target->needs : guard::keyed, *request)) {
      return request->fail(*denied);
    }
    if (target == nullptr) {
      header_list headers;
      if (!found.error().allow.empty()) headers.emplace_back("Allow", found.error().allow);
      return request->fail(found.error().why, std::move(headers));
    }
    run(request, *target, found->parameters);
  }

 private:
  void refuse(exchange& request, unsigned status) const {
    const auto reason = request.refused_reason();
    error why{code_of_status(status), reason.empty() ? "The request was refused" : std::string(reason), {}, {}};
    if (status == 413) {
      why.detail = "the body may have " +
                   std::to_string(table_->body_limit(settings_, request.method(), request.path())) +
                   " bytes here (max_body_bytes)";
    } else if (status == 414) {
      why.detail = "the URL may have " + std::to_string(settings_.max_url_bytes) + " bytes (max_url_bytes)";
    } else if (status == 431) {
      why.detail = "send at most " + std::to_string(settings_.max_header_count) + " headers and " +
                   std::to_string(settings_.max_header_bytes) + " bytes of them (max_header_count, max_header_bytes)";
    }
    header_list headers;
    if (status == 405) headers.emplace_back("Allow", table_->allowed("*"));  // CONNECT: of all that is here
    if (status == 501) why.detail = "methods here are " + table_->allowed("*");
    auto out = request.error_answer(why, std::move(headers));
    out.status = status;
    request.respond(std::move(out));
  }

  void run(const exchange_ptr& request, const route& target, const route_parameters& parameters) const {
    try {
      target.run(context_, request, parameters);
    } catch (const std::bad_alloc&) {
      request->fail({error_code::unavailable, "No memory for the request", {}, 1});
    } catch (const std::exception& e) {
      request->fail({error_code::internal, "The request failed inside the server", e.what(), {}});
    }
  }

  const config::settings& settings_;
  const std::shared_ptr<const route_table> table_;
  const std::string document_;
  const context context_;
  request_metrics metrics_;
  std::vector<std::shared_ptr<route_metrics>> handles_;  // as the table's routes
  const std::shared_ptr<route_metrics> unmatched_;
};

}  // namespace

std::shared_ptr<const route_table> make_routes(std::vector<route> extra) {
  std::vector<route> all;
  for (auto rows : {model_cache_routes(), artifact_routes(), document_routes()}) {
    all.insert(all.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
  }
  all.insert(all.end(), std::make_move_iterator(extra.begin()), std::make_move_iterator(extra.end()));
  return std::make_shared<const route_table>(std::move(all));
}

handler make_handler(std::shared_ptr<const route_table> routes, actors::service& service,
                     const config::settings& settings) {
  auto all = std::make_shared<dispatcher>(std::move(routes), service, settings);
  return [all](exchange_ptr request) { all->handle(std::move(request)); };
}

}  // namespace troupe::http
