#include "http/ws/live_routes.hpp"

#include <utility>

#include "http/core/openai_words.hpp"
#include "http/core/upgrade.hpp"
#include "http/json/text.hpp"
#include "http/ws/client_session.hpp"
#include "http/ws/funasr_protocol.hpp"
#include "http/ws/realtime_protocol.hpp"
#include "http/ws/vosk_protocol.hpp"

namespace troupe::http {
namespace {

std::string named(const parameter_list& query, std::string_view what) {
  for (const auto& [name, value] : query) {
    if (name == what) return value;
  }
  return {};
}

// `make(model, query)` of the protocol; an empty model: none is named.
template <class Make>
void upgrade(const exchange_ptr& request, std::string subprotocol, Make make) {
  if (auto fault = upgrade_fault(*request)) return request->respond(std::move(*fault));
  const auto query = parse_parameters(request->query(), "query");
  if (!query) return request->fail(query.error());
  result<std::shared_ptr<live_protocol>> protocol = make(named(*query, "model"), *query);
  if (!protocol) return request->fail(protocol.error());
  if (auto made = request->upgrade(std::move(subprotocol), std::move(*protocol)); !made) {
    request->fail(made.error());
  }
}

void get_funasr(const context& c, const exchange_ptr& request, const route_parameters&) {
  // Browsers offer none, and refuse an answer that has one.
  const bool binary = offers_subprotocol(*request, "binary");
  upgrade(request, binary ? "binary" : "", [&](std::string model, const parameter_list&) {
    const file_intake files{c.service.recordings(), c.settings.max_upload_bytes};
    return std::make_shared<funasr_protocol>(c.service.sessions(), files, std::move(model), request->client_address());
  });
}

void get_client(const context& c, const exchange_ptr& request, const route_parameters& in_path) {
  upgrade(request, {}, [&](std::string model, const parameter_list&) {
    return std::make_shared<client_session>(c.service.sessions(), std::move(model),
                                            request->client_address() + " " + shown(in_path["client_id"]));
  });
}

void get_vosk(const context& c, const exchange_ptr& request, const route_parameters&) {
  upgrade(request, {}, [&](std::string model, const parameter_list&) {
    return std::make_shared<vosk_protocol>(c.service.sessions(), std::move(model), request->client_address());
  });
}

void get_realtime(const context& c, const exchange_ptr& request, const route_parameters&) {
  // Browsers, which can send no headers, offer what they would say in them.
  realtime_door door{request->request_id(), offers_subprotocol(*request, "openai-beta.realtime-v1"), false};
  if (const auto beta = request->header("OpenAI-Beta")) door.beta = door.beta || trim(*beta) == "realtime=v1";
  const bool offered = offers_subprotocol(*request, "realtime");
  upgrade(request, offered ? "realtime" : "",
          [&](std::string model, const parameter_list& query) -> result<std::shared_ptr<live_protocol>> {
            const auto intent = named(query, "intent");
            if (!intent.empty() && intent != "transcription") {
              return fail(error_code::bad_request, "intent: found " + in_quotes(shown(intent)),
                          "allowed: transcription");
            }
            door.transcription = !intent.empty();
            return std::make_shared<realtime_protocol>(c.service.sessions(), std::move(model),
                                                       request->client_address(), std::move(door));
          });
}

family_routes::row describe(family_routes::row row, const char* line) {
  return row.says(line)
      .takes("model", schema::text(), "Default: the server's model for live speech")
      .answers(101, "The connection is a WebSocket from here on", {})
      .fails(426, "The request asks for no WebSocket, or for another version than 13");
}

family_routes live_family() { return family_routes({"live", "Live sessions over WebSocket"}); }

constexpr const char* of_funasr = "FunASR's protocol (2pass, online, offline), for its clients";
constexpr const char* of_vosk = "vosk-server's protocol, for its clients";

}  // namespace

std::vector<route> live_routes() {
  auto add = live_family();
  describe(add.get("/funasr", get_funasr), of_funasr);
  describe(add.get("/ws/{client_id}", get_client), "Recordings as JSON messages, sound in base64");
  describe(add.get("/vosk", get_vosk), of_vosk);
  family_routes openai(openai_family());
  describe(openai.get("/v1/realtime", get_realtime), "OpenAI's Realtime API, of transcription sessions")
      .takes("intent", schema::text(), "transcription; what else OpenAI has is not here");
  auto all = add.take();
  for (auto& row : openai.take()) all.push_back(std::move(row));
  return all;
}

std::vector<route> live_dialect_routes(std::string_view dialect) {
  auto add = live_family();
  const bool vosk = dialect == "vosk";
  for (const char* path : {"/", "/{any_path}"}) {
    describe(add.get(path, vosk ? get_vosk : get_funasr), vosk ? of_vosk : of_funasr);
  }
  return add.take();
}

}  // namespace troupe::http
