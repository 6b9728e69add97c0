#pragma once
// One row of the routing table: how it is found, who may call it, what runs, in whose words it fails, and what it
// says of itself. A row holds no state: what it needs of the running server comes with each request, so that the
// table is there before the service is.
//
// A family writes its rows with family_routes, documentation beside registration:
//
//   family_routes add({"things", "What the document of things describes"});
//   add.get("/things/{id}", get_thing).says("One thing").answers(200, "It", as_json(thing_schema())).fails(404, "..");
//   return add.take();

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/protocol/service.hpp"
#include "config/settings.hpp"
#include "http/core/access.hpp"
#include "http/core/errors.hpp"
#include "http/core/exchange.hpp"
#include "http/core/route_parameters.hpp"
#include "http/core/schema.hpp"

namespace troupe::http {

// The running server, as a route sees it. Outlives every request.
struct context {
  actors::service& service;
  const config::settings& settings;
  const std::string& openapi;  // the document of all routes (http/core/openapi.hpp)
};

// Called on the connection's thread; the exchange may be answered later, from any thread.
using route_handler = std::function<void(const context&, const exchange_ptr&, const route_parameters&)>;

// Routes whose clients know one way of writing errors.
struct family {
  std::string name;  // the document's tag
  std::string description;
  error_writer write_error = error_response;
  std::string error_name = "Error";  // of the document's components
  schema error_is = error_schema();
};

enum class body_size : std::uint8_t {
  small,   // 64 KiB, or max_body_bytes where that is less
  large,   // max_body_bytes
  upload,  // max_upload_bytes: recordings
};
std::uint64_t limit_bytes(body_size size, const config::settings& settings) noexcept;

// A body in one media type.
struct media {
  std::string type;
  schema is;
};
std::vector<media> as_json(schema is);

struct query_parameter {
  std::string name;
  schema is;
  std::string what;
};

struct possible_answer {
  unsigned status = 200;
  std::string when;
  std::vector<media> forms;  // empty: the family's error; of 101, 204 and 304: no body
};

struct route {
  std::string method;   // "GET"
  std::string pattern;  // "/models/{model_name}/load": http/core/router.hpp
  route_handler run;
  std::shared_ptr<const family> of;  // never null
  guard needs = guard::keyed;
  body_size body_may_be = body_size::small;
  // For the document:
  std::string line;
  std::vector<query_parameter> query;  // none is required
  std::string body;                    // what it is
  std::vector<media> body_forms;       // empty: none is read
  bool body_required = false;
  std::vector<possible_answer> answers;  // beyond those that every such route has
};

// The routes of one family, while they are written.
class family_routes {
 public:
  // The route just added. REQUIRES: used in the statement that added it.
  class row {
   public:
    explicit row(route& r) : route_(r) {}
    row& open();   // needs no key even where API_KEYS are set
    row& admin();  // needs the admin key
    row& large_body();
    row& upload_body();
    row& says(std::string line);
    row& takes(std::string name, schema is, std::string what);  // in the query
    row& body(std::string what, std::vector<media> forms);      // may be left out
    row& needs_body(std::string what, std::vector<media> forms);
    row& answers(unsigned status, std::string when, std::vector<media> forms);
    row& fails(unsigned status, std::string when);  // in the family's words

   private:
    route& route_;
  };

  explicit family_routes(family of) : of_(std::make_shared<const family>(std::move(of))) {}
  // Of a family that has rows elsewhere, too.
  explicit family_routes(std::shared_ptr<const family> of) : of_(std::move(of)) {}

  row get(std::string pattern, route_handler run) { return add("GET", std::move(pattern), std::move(run)); }
  row post(std::string pattern, route_handler run) { return add("POST", std::move(pattern), std::move(run)); }
  row add(std::string method, std::string pattern, route_handler run);
  std::vector<route> take() { return std::move(routes_); }

 private:
  const std::shared_ptr<const family> of_;
  std::vector<route> routes_;
};

}  // namespace troupe::http
