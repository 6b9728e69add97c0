// The routes of live connections: who may become one, and what everybody else is told.
#include "http/ws/live_routes.hpp"

#include <gmock/gmock.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using ::testing::HasSubstr;

struct live_routes_test : ::testing::Test, bench {
  const std::map<std::string, std::string> asks{{"Connection", "keep-alive, Upgrade"},
                                                {"Upgrade", "websocket"},
                                                {"Sec-WebSocket-Version", "13"},
                                                {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  std::map<std::string, std::string> asks_with(const std::string& name, const std::string& value) const {
    auto out = asks;
    out[name] = value;
    return out;
  }
  // Upgraded; then its socket is open, and a byte of sound is told.
  std::shared_ptr<fake_socket> open(const std::shared_ptr<fake_exchange>& e) {
    EXPECT_TRUE(e->upgraded) << (e->answer ? e->answer->body : "no answer");
    EXPECT_FALSE(e->answer);
    const auto socket = std::make_shared<fake_socket>();
    if (e->upgraded) e->upgraded->opened(socket);
    return socket;
  }
};

TEST_F(live_routes_test, funasr) {
  const auto e = send("GET", "/funasr?model=alpha", {}, asks_with("Sec-WebSocket-Protocol", "binary"));
  const auto socket = open(e);
  EXPECT_EQ(e->subprotocol, "binary");
  e->upgraded->binary("xxxx");
  socket->pump();
  ASSERT_EQ(service.spoken.all.size(), 1u);
  EXPECT_EQ(service.spoken.all[0]->asked.model, "alpha");
  EXPECT_EQ(service.spoken.all[0]->asked.peer, "192.0.2.7");
  e->upgraded->closed();
  EXPECT_EQ(send("GET", "/funasr", {}, asks)->subprotocol, "") << "browsers offer none";
  EXPECT_EQ(send("GET", "/funasr", {}, asks_with("Sec-WebSocket-Protocol", "chat"))->subprotocol, "");
}

TEST_F(live_routes_test, clients) {
  const auto e = send("GET", "/ws/client%20one", {}, asks);
  const auto socket = open(e);
  e->upgraded->text(R"({"type":"start_recording"})");
  socket->pump();
  ASSERT_EQ(service.spoken.all.size(), 1u);
  EXPECT_EQ(service.spoken.all[0]->asked.peer, "192.0.2.7 client one");
  EXPECT_EQ(service.spoken.all[0]->asked.model, "");
  e->upgraded->closed();
}

TEST_F(live_routes_test, vosk) {
  const auto e = send("GET", "/vosk?model=alpha", {}, asks);
  const auto socket = open(e);
  e->upgraded->binary("xxxx");
  socket->pump();
  ASSERT_EQ(service.spoken.all.size(), 1u);
  EXPECT_EQ(service.spoken.all[0]->asked.model, "alpha");
  EXPECT_THAT(socket->sent.front(), HasSubstr("partial"));
  e->upgraded->closed();
}

TEST_F(live_routes_test, realtime) {
  const auto first_of = [&](const std::shared_ptr<fake_exchange>& e) {
    const auto socket = open(e);
    EXPECT_EQ(socket->sent.size(), 1u);
    if (e->upgraded) e->upgraded->closed();
    return socket->sent.empty() ? std::string() : std::string(parse(socket->sent[0])["type"].GetString());
  };
  EXPECT_EQ(first_of(send("GET", "/v1/realtime", {}, asks)), "session.created");
  EXPECT_EQ(first_of(send("GET", "/v1/realtime?intent=transcription&model=m", {}, asks)), "session.created");
  const auto beta = asks_with("OpenAI-Beta", "realtime=v1");
  EXPECT_EQ(first_of(send("GET", "/v1/realtime?model=m", {}, beta)), "session.created");
  EXPECT_EQ(first_of(send("GET", "/v1/realtime?intent=transcription", {}, beta)), "transcription_session.created");
  const auto browser =
      send("GET", "/v1/realtime?intent=transcription", {},
           asks_with("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.x, openai-beta.realtime-v1"));
  EXPECT_EQ(browser->subprotocol, "realtime");
  EXPECT_EQ(first_of(browser), "transcription_session.created");
  // What goes wrong at the door is in OpenAI's words.
  const auto refused = ask("GET", "/v1/realtime?intent=conversation", {}, asks);
  EXPECT_EQ(refused->answer->status, 400u);
  EXPECT_EQ(parse(refused->answer->body)["error"]["code"], "bad_request");
  const auto plain = ask("GET", "/v1/realtime");
  EXPECT_EQ(plain->answer->status, 426u);
  EXPECT_EQ(plain->header_of_answer("Upgrade"), "websocket");
  EXPECT_EQ(parse(plain->answer->body)["error"]["type"], "invalid_request_error");
}

TEST_F(live_routes_test, requests_that_ask_for_none) {
  for (const char* path : {"/funasr", "/ws/me", "/vosk"}) {
    const auto plain = ask("GET", path);
    expect_error(*plain, 426, "BAD_REQUEST");
    EXPECT_EQ(plain->header_of_answer("Upgrade"), "websocket");
    EXPECT_EQ(plain->header_of_answer("Sec-WebSocket-Version"), "13");
    expect_error(*ask("GET", path, {}, asks_with("Upgrade", "h2c")), 426, "BAD_REQUEST");
    expect_error(*ask("GET", path, {}, asks_with("Sec-WebSocket-Version", "8")), 426, "BAD_REQUEST");
    expect_error(*ask("GET", path, {}, asks_with("Connection", "keep-alive")), 400, "BAD_REQUEST");
    for (const char* key :
         {"", "short", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZ$==", "dGhlIHNhbXBsZSBub25jZQ==x"})
      expect_error(*ask("GET", path, {}, asks_with("Sec-WebSocket-Key", key)), 400, "BAD_REQUEST");
    expect_error(*ask("HEAD", path, {}, asks), 400, "BAD_REQUEST");
    expect_error(*ask("POST", path, {}, asks), 405, "METHOD_NOT_ALLOWED");
    expect_error(*ask("GET", std::string(path) + "?model=%zz", {}, asks), 400, "BAD_REQUEST");
  }
  EXPECT_TRUE(open(send("GET", "/funasr", {}, asks_with("Connection", "upgrade"))));
  EXPECT_TRUE(open(send("GET", "/funasr", {}, asks_with("Upgrade", "WebSocket"))));
}

TEST_F(live_routes_test, keys_are_asked_for_as_of_any_route) {
  settings.api_keys = {"key"};
  expect_error(*ask("GET", "/funasr", {}, asks), 401, "UNAUTHORIZED");
  expect_error(*ask("GET", "/ws/me", {}, asks_with("X-API-Key", "wrong")), 403, "FORBIDDEN");
  EXPECT_TRUE(open(send("GET", "/funasr", {}, asks_with("Authorization", "Bearer key"))));
  EXPECT_TRUE(open(send("GET", "/ws/me", {}, asks_with("X-API-Key", "key"))));
  // A browser's, which is told another of its subprotocols.
  const auto browser = [this](const char* key) {
    return asks_with("Sec-WebSocket-Protocol", std::string("binary, openai-insecure-api-key.") + key);
  };
  expect_error(*ask("GET", "/funasr", {}, browser("ke")), 403, "FORBIDDEN");
  expect_error(*ask("GET", "/funasr", {}, browser("")), 401, "UNAUTHORIZED");
  const auto e = send("GET", "/funasr", {}, browser("key"));
  EXPECT_TRUE(open(e));
  EXPECT_EQ(e->subprotocol, "binary");
}

TEST_F(live_routes_test, an_upgrade_that_cannot_be_made_is_answered) {
  ask("GET", "/health");  // makes the handler
  auto e = std::make_shared<fake_exchange>();
  e->path_ = "/funasr";
  e->headers_ = asks;
  e->upgrade_problem = error{error_code::unavailable, "The server is ending", {}, 1};
  handle(e);
  expect_error(*e, 503, "UNAVAILABLE");
}

TEST_F(live_routes_test, the_document_tells_of_them) {
  ask("GET", "/health");
  const auto& paths = document->document()["paths"];
  for (const char* path : {"/funasr", "/ws/{client_id}", "/vosk", "/v1/realtime"}) {
    const auto& answers = paths[path]["get"]["responses"];
    EXPECT_FALSE(answers["101"].HasMember("content"));
    EXPECT_TRUE(answers.HasMember("426"));
    EXPECT_TRUE(answers.HasMember("400"));
    EXPECT_FALSE(answers.HasMember("200"));
  }
}

TEST_F(live_routes_test, every_path_of_a_listener_of_the_dialect) {
  dialect = "funasr";
  for (const char* path : {"/", "/any", "/any/path/at/all", "/models", "/funasr", "/%2e%2e/x"}) {
    const auto socket = open(send("GET", path, {}, asks));
    expect_error(*ask("GET", path), 426, "BAD_REQUEST");
  }
  expect_error(*ask("POST", "/predict"), 405, "METHOD_NOT_ALLOWED");
  settings.api_keys = {"key"};
  handle = nullptr;
  expect_error(*ask("GET", "/", {}, asks), 401, "UNAUTHORIZED");
}

TEST_F(live_routes_test, vosk_at_every_path) {
  dialect = "vosk";
  const auto e = send("GET", "/", {}, asks);
  const auto socket = open(e);
  e->upgraded->text(R"({"eof" : 1})");
  EXPECT_EQ(socket->sent.back(), R"({"text":""})");
  e->upgraded->closed();
  expect_error(*ask("GET", "/models"), 426, "BAD_REQUEST");
}

}  // namespace
}  // namespace troupe::http::tests
