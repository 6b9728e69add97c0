#include "http/ws/live_routes.hpp"

#include <utility>

#include "http/core/upgrade.hpp"
#include "http/json/text.hpp"
#include "http/ws/client_session.hpp"
#include "http/ws/funasr_protocol.hpp"

namespace troupe::http {
namespace {

// `?model=`; empty: none is named.
result<std::string> model_named(const exchange& request) {
  auto given = parse_parameters(request.query(), "query");
  if (!given) return tl::unexpected(given.error());
  for (auto& [name, value] : *given) {
    if (name == "model") return std::move(value);
  }
  return std::string();
}

template <class Make>
void upgrade(const exchange_ptr& request, std::string subprotocol, Make make) {
  if (auto fault = upgrade_fault(*request)) return request->respond(std::move(*fault));
  auto model = model_named(*request);
  if (!model) return request->fail(model.error());
  if (auto made = request->upgrade(std::move(subprotocol), make(std::move(*model))); !made) {
    request->fail(made.error());
  }
}

void get_funasr(const context& c, const exchange_ptr& request, const route_parameters&) {
  // Browsers offer none, and refuse an answer that has one.
  const bool binary = offers_subprotocol(*request, "binary");
  upgrade(request, binary ? "binary" : "", [&](std::string model) {
    return std::make_shared<funasr_protocol>(c.service.sessions(), std::move(model), request->client_address());
  });
}

void get_client(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  upgrade(request, {}, [&](std::string model) {
    return std::make_shared<client_session>(c.service.sessions(), std::move(model),
                                            request->client_address() + " " + shown(in_path["client_id"]));
  });
}

void describe(family_routes::row row, const char* line) {
  row.says(line)
      .takes("model", schema::text(), "Default: the server's model for live speech")
      .answers(101, "The connection is a WebSocket from here on", {})
      .fails(426, "The request asks for no WebSocket, or for another version than 13");
}

family_routes live_family() { return family_routes({"live", "Live sessions over WebSocket"}); }

}  // namespace

std::vector<route> live_routes() {
  auto add = live_family();
  describe(add.get("/funasr", get_funasr), "FunASR's protocol (2pass, online, offline), for its clients");
  describe(add.get("/ws/{client_id}", get_client), "Recordings as JSON messages, sound in base64");
  return add.take();
}

std::vector<route> funasr_dialect_routes() {
  auto add = live_family();
  for (const char* path : {"/", "/{any_path}"}) {
    describe(add.get(path, get_funasr), "FunASR's protocol (2pass, online, offline), for its clients");
  }
  return add.take();
}

}  // namespace troupe::http
