#include "http/routes.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "http/api/families.hpp"
#include "http/core/access.hpp"
#include "http/core/errors.hpp"
#include "http/core/http_metrics.hpp"
#include "http/core/openapi.hpp"
#include "http/pages/pages.hpp"
#include "http/ws/live_routes.hpp"

namespace troupe::http {
namespace {

// The routes of one dialect, ready to run.
struct served {
  served(std::shared_ptr<const route_table> t, actors::service& service, const config::settings& settings,
         request_metrics& metrics)
      : table(std::move(t)), document(openapi_json(table->routes(), settings)), here{service, settings, document} {
    for (const auto& r : table->routes()) {
      handles.push_back(std::make_shared<route_metrics>(metrics, r.method, r.pattern));
    }
  }
  served(const served&) = delete;
  served& operator=(const served&) = delete;

  const std::shared_ptr<const route_table> table;
  const std::string document;
  const context here;
  std::vector<std::shared_ptr<route_metrics>> handles;  // as the table's routes
};

class dispatcher {
 public:
  dispatcher(std::shared_ptr<const route_table> table, actors::service& service, const config::settings& settings)
      : settings_(settings),
        metrics_(service.metrics()),
        unmatched_(std::make_shared<route_metrics>(metrics_, "other", "none")) {
    for (const auto& l : settings.listeners) {
      if (l.dialect != config::usual_dialect && !others_.contains(l.dialect)) {
        others_.try_emplace(l.dialect, in_dialect(*table, l.dialect), service, settings, metrics_);
      }
    }
    usual_.emplace(std::move(table), service, settings, metrics_);
  }

  void handle(exchange_ptr request) {
    const auto started = steady_clock::now();
    const auto& at = served_to(*request);
    const auto& table = *at.table;
    const auto track_as = [&](const std::shared_ptr<route_metrics>& metrics) {
      request = track(std::move(request), metrics, started, settings_.cors_allow_origin);
    };
    if (const auto refused = request->refused_status(); refused != 0) {
      track_as(unmatched_);
      request->word_errors(table.words_for_request(request->method(), request->path()));
      return refuse(table, *request, refused);
    }
    if (request->method() == "OPTIONS") {
      if (const auto allow = table.allowed(request->path()); !allow.empty()) {
        track_as(unmatched_);
        return request->respond(options_response(settings_, allow, *request));
      }
    }
    auto found = table.match(request->method(), request->path());
    const auto* target = found ? &table.routes()[found->index] : nullptr;
    track_as(target != nullptr ? at.handles[found->index] : unmatched_);
    request->word_errors(target != nullptr ? target->of->write_error
                                           : table.words_for(request->path(), found.error().sibling));
    // Before 404 and 405: without a key nobody learns what is there.
    if (const auto denied = check_access(settings_, target != nullptr ? target->needs : guard::keyed, *request)) {
      return request->fail(*denied);
    }
    if (target == nullptr) {
      header_list headers;
      if (!found.error().allow.empty()) headers.emplace_back("Allow", found.error().allow);
      return request->fail(found.error().why, std::move(headers));
    }
    run(at.here, request, *target, found->parameters);
  }

 private:
  const served& served_to(const exchange& request) const {
    const auto other = others_.find(request.dialect());
    return other == others_.end() ? *usual_ : other->second;
  }

  void refuse(const route_table& table, exchange& request, unsigned status) const {
    const auto reason = request.refused_reason();
    error why{code_of_status(status), reason.empty() ? "The request was refused" : std::string(reason), {}, {}};
    if (status == 413) {
      why.detail = "the body may have " +
                   std::to_string(table.body_limit(settings_, request.method(), request.path())) + " bytes here (" +
                   table.body_setting(request.method(), request.path()) + ")";
    } else if (status == 414) {
      why.detail = "the URL may have " + std::to_string(settings_.max_url_bytes) + " bytes (max_url_bytes)";
    } else if (status == 431) {
      why.detail = "send at most " + std::to_string(settings_.max_header_count) + " headers and " +
                   std::to_string(settings_.max_header_bytes) + " bytes of them (max_header_count, max_header_bytes)";
    }
    header_list headers;
    if (status == 405) headers.emplace_back("Allow", table.allowed("*"));  // CONNECT: of all that is here
    if (status == 501) why.detail = "methods here are " + table.allowed("*");
    auto out = request.error_answer(why, std::move(headers));
    out.status = status;
    request.respond(std::move(out));
  }

  static void run(const context& here, const exchange_ptr& request, const route& target,
                  const route_parameters& parameters) {
    try {
      target.run(here, request, parameters);
    } catch (const std::bad_alloc&) {
      request->fail({error_code::unavailable, "No memory for the request", {}, 1});
    } catch (const std::exception& e) {
      request->fail({error_code::internal, "The request failed inside the server", e.what(), {}});
    }
  }

  const config::settings& settings_;
  request_metrics metrics_;
  const std::shared_ptr<route_metrics> unmatched_;
  std::optional<served> usual_;
  std::map<std::string, served, std::less<>> others_;  // by dialect
};

}  // namespace

std::shared_ptr<const route_table> make_routes(std::vector<route> extra) {
  std::vector<route> all;
  for (auto rows :
       {model_cache_routes(), artifact_routes(), inference_routes(), openai_routes(), tei_routes(), lifecycle_routes(),
        catalog_routes(), live_routes(), recording_routes(), page_routes(), document_routes()}) {
    all.insert(all.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
  }
  all.insert(all.end(), std::make_move_iterator(extra.begin()), std::make_move_iterator(extra.end()));
  return std::make_shared<const route_table>(std::move(all));
}

std::shared_ptr<const route_table> in_dialect(const route_table& usual, std::string_view dialect) {
  // Their clients connect to any path: there nothing else is served.
  if (dialect == "funasr" || dialect == "vosk") {
    return std::make_shared<const route_table>(live_dialect_routes(dialect));
  }
  auto all = dialect == "tei" ? tei_dialect_routes() : std::vector<route>();
  const auto own = all.size();
  for (const auto& r : usual.routes()) {
    const bool taken = std::any_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(own),
                                   [&](const route& o) { return o.method == r.method && o.pattern == r.pattern; });
    if (!taken) all.push_back(r);
  }
  return std::make_shared<const route_table>(std::move(all));
}

handler make_handler(std::shared_ptr<const route_table> routes, actors::service& service,
                     const config::settings& settings) {
  auto all = std::make_shared<dispatcher>(std::move(routes), service, settings);
  return [all](exchange_ptr request) { all->handle(std::move(request)); };
}

}  // namespace troupe::http
