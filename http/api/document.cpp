// GET /openapi.json: the document that the routes themselves give (http/core/openapi.hpp).

#include "http/api/families.hpp"

namespace troupe::http {
namespace {

void get_document(const context& c, const exchange_ptr& request, const route_parameters&) {
  response out;
  out.body = c.openapi;
  request->respond(std::move(out));
}

}  // namespace

std::vector<route> document_routes() {
  using s = schema;
  family_routes add({"document", "What this server offers"});
  add.get("/openapi.json", get_document)
      .says("This document: every route, what it takes and what it answers")
      .answers(200, "OpenAPI 3.1",
               as_json(s::object({{"openapi", s::text()},
                                  {"info", s::map(s::anything())},
                                  {"paths", s::map(s::anything())},
                                  {"components", s::map(s::anything())}})));
  return add.take();
}

}  // namespace troupe::http
