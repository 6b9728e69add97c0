// Documents 000 and 002: what each route asks of the service, and what it makes of the answer.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using actors::download_state;
using cache::source_kind;

constexpr std::uint64_t mib = 1 << 20;

actors::artifact_report stored(const std::string& name, std::uint64_t bytes) {
  actors::artifact_report a;
  auto& m = a.stored;
  m.name = name;
  m.model_id = "org/" + name.substr(name.find('/') + 1);
  m.revision = std::string(40, 'c');
  m.requested_revision = "main";
  m.task = "text-classification";
  m.tags = {"bert"};
  m.files = {{"model.safetensors", bytes, std::string(64, 'd'), {}}};
  m.snapshot = "0123456789abcdef";
  m.downloaded_at = std::chrono::system_clock::time_point(std::chrono::seconds(1704067200));
  a.folder = "/store/" + name + "/@0123456789abcdef";
  a.servable = true;
  return a;
}

struct routes_artifacts : ::testing::Test, bench {
  fake_artifacts& kept = service.kept;

  routes_artifacts() {
    auto& d = kept.download_now;
    d.id = "0a1b2c3d";
    d.what.model_id = "org/name";
    d.what.name = "minilm";
    d.state = download_state::downloading;
    d.message = "Downloading 2 files";
    d.started = std::chrono::system_clock::time_point(std::chrono::seconds(1704067200));
    kept.status_now.stored = stored("org/gamma", 3 * mib);
    kept.removal.model = "org/gamma";
    kept.store_now.root = "/store";
  }
  rapidjson::Document good(const std::string& method, const std::string& target, std::string body = {}) {
    const auto e = ask(method, target, std::move(body));
    EXPECT_EQ(e->answer->status, 200u) << target << e->answer->body;
    EXPECT_EQ(e->answer->content_type, "application/json");
    return parse(e->answer->body);
  }
  rapidjson::Document download(const std::string& body) { return good("POST", "/models/download", body); }
  // The envelope, in this family's words.
  static rapidjson::Document expect_failed(const fake_exchange& e, unsigned status, const std::string& code) {
    EXPECT_EQ(e.answer->status, status) << e.answer->body;
    auto d = parse(e.answer->body);
    for (const char* key : {"status", "error", "message", "code", "error_code", "detail", "details", "timestamp"})
      EXPECT_TRUE(d.HasMember(key) && d[key].IsString()) << key << " in " << e.answer->body;
    EXPECT_STREQ(d["status"].GetString(), "failed");
    EXPECT_FALSE(d["success"].GetBool());
    EXPECT_EQ(d["code"].GetString(), code);
    return d;
  }
};

constexpr const char* minilm = R"({"source":"huggingface","model_id":"org/name","name":"minilm"})";

TEST_F(routes_artifacts, every_documented_field) {
  const char* source = std::getenv("TROUPE_SOURCE");
  auto listed =
      cache::available_models::load(std::filesystem::path(source == nullptr ? "." : source) / "models/available.json");
  ASSERT_TRUE(listed) << listed.error().message;
  kept.listed = *listed;
  kept.download_now.what.model_id = "microsoft/speecht5_tts";
  kept.download_now.what.name = "speecht5_tts";
  kept.status_now.stored = stored("speecht5_tts", mib);
  kept.store_now.models = {stored("speecht5_tts", mib)};
  auto speaks = service.now.models[0];
  speaks.registration.name = "speecht5_tts";
  speaks.registration.task = "text-to-speech";
  service.now.models.push_back(speaks);
  const std::pair<const char*, const char*> cases[] = {
      {"GET /models", "/models"},
      {"POST /models/download", "/models/download"},
      {"GET /models/available", "/models/available"},
      {"GET /models/managed", "/models/managed"},
      {"GET /models/cache/info", "/models/cache/info"},
      {"GET /models/download/status/{download_id}", "/models/download/status/0a1b2c3d"},
      {"POST /models/manage", "/models/manage?action=optimize&model_name=speecht5_tts"},
      {"DELETE /models/download/{model_name}", "/models/download/old_model"},
  };
  EXPECT_EQ(std::size(cases), documented_responses("002").MemberCount());
  for (const auto& [key, target] : cases) {
    const std::string method = std::string(key).substr(0, std::string(key).find(' '));
    ASSERT_TRUE(documented_responses("002").HasMember(key)) << key;
    expect_shape(documented_responses("002")[key], good(method, target, method == "POST" ? minilm : ""),
                 std::string(key) + " $");
  }
  const auto& documented = documented_responses("002");
  const auto cached = good("GET", "/models/cache/info");
  ASSERT_EQ(cached["tts_specific"]["tts_models"].Size(), 1u);
  expect_shape(documented["GET /models/cache/info"]["tts_specific"]["tts_models"][0],
               cached["tts_specific"]["tts_models"][0], "tts_models[0]");
  const auto managed = good("GET", "/models/managed");
  ASSERT_EQ(managed["downloaded_models"].Size(), 1u);
  expect_shape(documented["GET /models/managed"]["downloaded_models"][0], managed["downloaded_models"][0],
               "downloaded_models[0]");
  for (const char* of : {"tts_models", "other_models"}) {
    ASSERT_GT(managed["categories"][of].Size(), 0u) << of;
    expect_shape(documented["GET /models/managed"]["categories"][of][0], managed["categories"][of][0], of);
  }
}

// -- POST /models/download --------------------------------------------------------------------------------------

TEST_F(routes_artifacts, what_is_asked_for_reaches_the_service) {
  download(R"({"source":"huggingface","model_id":"microsoft/speecht5_tts","name":"org/speech","task":"text-to-speech",)"
           R"("revision":"v1.0","load":false,"auto_convert_tts":true,"include_vocoder":true,"vocoder_model":"org/v"})");
  EXPECT_EQ(kept.called, "download org/speech");
  ASSERT_TRUE(kept.asked);
  const auto& p = kept.asked->pull;
  EXPECT_EQ(p.source, source_kind::huggingface);
  EXPECT_EQ(p.model_id, "microsoft/speecht5_tts");
  EXPECT_EQ(p.name, "org/speech");
  EXPECT_EQ(p.task, "text-to-speech");
  EXPECT_EQ(p.revision, "v1.0");
  EXPECT_TRUE(p.convert_to_tts);
  EXPECT_TRUE(p.include_vocoder);
  EXPECT_EQ(p.vocoder_model, "org/v");
  EXPECT_FALSE(kept.asked->load);
  download(minilm);
  EXPECT_TRUE(kept.asked->load);
  EXPECT_EQ(kept.asked->pull.revision, "");
}

TEST_F(routes_artifacts, a_download_that_has_started) {
  const auto d = download(minilm);
  EXPECT_TRUE(d["success"].GetBool());
  EXPECT_STREQ(d["download_id"].GetString(), "0a1b2c3d");
  EXPECT_STREQ(d["message"].GetString(), "Started downloading model 'minilm'");
  EXPECT_STREQ(d["model_name"].GetString(), "minilm");
  EXPECT_STREQ(d["source"].GetString(), "huggingface");
  EXPECT_STREQ(d["model_id"].GetString(), "org/name");
  EXPECT_STREQ(d["status"].GetString(), "downloading");
  EXPECT_STREQ(d["estimated_time"].GetString(), "unknown until the source tells its size");
  const auto& info = d["download_info"];
  EXPECT_STREQ(info["download_id"].GetString(), "0a1b2c3d");
  EXPECT_STREQ(info["model_type"].GetString(), "general");
  EXPECT_TRUE(info["description"].IsNull());
  EXPECT_TRUE(info["estimated_size_mb"].IsNull());
  EXPECT_FALSE(info["vocoder_included"].GetBool());
  EXPECT_EQ(info["vocoder_models"].Size(), 0u);
  kept.download_now.state = download_state::pending;
  EXPECT_STREQ(download(minilm)["status"].GetString(), "pending");
}

TEST_F(routes_artifacts, a_download_of_a_model_that_speaks) {
  auto& what = kept.download_now.what;
  what.name = "speecht5_tts";
  what.model_id = "microsoft/speecht5_tts";
  what.include_vocoder = true;
  auto d = download(minilm);
  EXPECT_STREQ(d["message"].GetString(), "Started downloading TTS model 'speecht5_tts'");
  EXPECT_STREQ(d["estimated_time"].GetString(), "4-7 minutes") << "at 10 MiB/s, where nothing was measured";
  EXPECT_STREQ(d["download_info"]["model_type"].GetString(), "tts");
  EXPECT_STREQ(d["download_info"]["description"].GetString(), "Microsoft SpeechT5 TTS model");
  EXPECT_EQ(d["download_info"]["estimated_size_mb"].GetDouble(), 2500);
  EXPECT_FALSE(d["download_info"]["supports_voice_cloning"].GetBool());
  EXPECT_TRUE(d["download_info"]["vocoder_included"].GetBool());
  ASSERT_EQ(d["download_info"]["vocoder_models"].Size(), 1u);
  EXPECT_STREQ(d["download_info"]["vocoder_models"][0].GetString(), "microsoft/speecht5_hifigan");
  kept.download_now.usual_bytes_per_s = 100 * mib;
  EXPECT_STREQ(download(minilm)["estimated_time"].GetString(), "less than a minute");
  what.model_id = "suno/bark";
  d = download(minilm);
  EXPECT_TRUE(d["download_info"]["supports_voice_cloning"].GetBool());
  EXPECT_FALSE(d["download_info"]["vocoder_included"].GetBool()) << "none fits";
}

TEST_F(routes_artifacts, a_size_that_the_source_has_told_is_the_size) {
  kept.download_now.what.model_id = "suno/bark";
  kept.download_now.bytes_total = 7 * mib;
  EXPECT_EQ(download(minilm)["download_info"]["estimated_size_mb"].GetDouble(), 7);
}

TEST_F(routes_artifacts, a_name_that_is_taken) {
  kept.download_now.state = download_state::completed;
  kept.download_now.already_exists = true;
  kept.download_now.message = "Model 'minilm' already exists and is ready to use";
  const auto d = download(minilm);
  EXPECT_TRUE(d["success"].GetBool());
  EXPECT_STREQ(d["download_id"].GetString(), "0a1b2c3d");
  EXPECT_STREQ(d["message"].GetString(), "Model 'minilm' already exists and is ready to use");
  EXPECT_STREQ(d["status"].GetString(), "already_exists");
  EXPECT_STREQ(d["estimated_time"].GetString(), "none");
}

TEST_F(routes_artifacts, what_an_address_proves_is_not_told) {
  kept.download_now.what.source = source_kind::url;
  kept.download_now.what.model_id = "https://user:word@host.test/m.pt?signature=secret";
  EXPECT_STREQ(download(minilm)["model_id"].GetString(), "https://host.test/m.pt");
  kept.status_now.stored->stored.model_id = kept.download_now.what.model_id;
  EXPECT_STREQ(good("GET", "/models/download/m/info")["model_id"].GetString(), "https://host.test/m.pt");
  kept.status_now = {std::nullopt, kept.download_now};
  EXPECT_STREQ(good("GET", "/models/download/m/info")["model_id"].GetString(), "https://host.test/m.pt");
}

TEST_F(routes_artifacts, an_invalid_source_is_worded_as_the_document_does) {
  const auto d = expect_failed(
      *ask("POST", "/models/download", R"({"source":"invalid_source","model_id":"x","name":"m"})"), 400, "BAD_REQUEST");
  EXPECT_TRUE(std::string(d["message"].GetString()).starts_with("Invalid source. Must be one of: [pytorch_hub, "));
  EXPECT_STREQ(d["error"].GetString(), "Invalid source: invalid_source");
}

TEST_F(routes_artifacts, downloads_that_cannot_be_asked_for) {
  for (const char* body :
       {"", "{", "[]", "{}", R"({"source":"huggingface","model_id":"org/name"})",
        R"({"source":"huggingface","model_id":"org/name","name":"../m"})",
        R"({"source":"huggingface","model_id":"org/name","name":"m","load":1})", "{\"source\":\"\xff\"}"}) {
    expect_failed(*ask("POST", "/models/download", body), 400, "BAD_REQUEST");
    EXPECT_FALSE(kept.asked) << body;
  }
}

TEST_F(routes_artifacts, paths_of_this_machine_need_the_admin_key) {
  const std::string local = R"({"source":"local","model_id":"/models/bert","name":"m"})";
  const std::string bucket = R"({"source":"url","model_id":"s3://bucket/m.pt","name":"m"})";
  for (const auto& body : {local, bucket}) {
    settings.admin_api_key.clear();
    expect_failed(*ask("POST", "/models/download", body), 403, "FORBIDDEN");
    settings.admin_api_key = "admin";
    const auto e = ask("POST", "/models/download", body);
    expect_failed(*e, 401, "UNAUTHORIZED");
    EXPECT_EQ(e->header_of_answer("WWW-Authenticate"), "Bearer");
    expect_failed(*ask("POST", "/models/download", body, {{"X-API-Key", "wrong"}}), 403, "FORBIDDEN");
    EXPECT_FALSE(kept.asked);
    EXPECT_EQ(ask("POST", "/models/download", body, {{"X-API-Key", "admin"}})->answer->status, 200u);
    ASSERT_TRUE(kept.asked);
    kept.asked.reset();
  }
}

TEST_F(routes_artifacts, downloads_that_the_service_refuses) {
  const struct {
    error why;
    unsigned status;
    const char *code, *retry_after;
  } cases[] = {
      {{error_code::bad_request, "Reserved model name", "choose another name", {}}, 400, "BAD_REQUEST", ""},
      {{error_code::conflict, "Model 'minilm' is being removed", {}, 1}, 409, "CONFLICT", "1"},
      {{error_code::too_many_requests, "256 downloads wait already", {}, 10}, 429, "TOO_MANY_REQUESTS", "10"},
      {{error_code::unavailable, "the server is shutting down", {}, {}}, 503, "UNAVAILABLE", "1"},
  };
  for (const auto& c : cases) {
    kept.problem = c.why;
    const auto e = ask("POST", "/models/download", minilm);
    EXPECT_EQ(expect_failed(*e, c.status, c.code)["message"].GetString(), c.why.message);
    EXPECT_EQ(e->header_of_answer("Retry-After"), c.retry_after);
  }
}

// -- GET /models/download/status/{download_id} ------------------------------------------------------------------

TEST_F(routes_artifacts, how_far_a_download_is) {
  auto& r = kept.download_now;
  r.files = {{"config.json", 10, 10}, {"model.safetensors", 2 * mib, std::nullopt}};
  r.bytes_done = 2 * mib + 10;
  auto d = good("GET", "/models/download/status/0a1b2c3d");
  EXPECT_EQ(kept.called, "status 0a1b2c3d");
  EXPECT_STREQ(d["download_id"].GetString(), "0a1b2c3d");
  EXPECT_STREQ(d["model_name"].GetString(), "minilm");
  EXPECT_STREQ(d["status"].GetString(), "downloading");
  EXPECT_EQ(d["progress"].GetDouble(), 0) << "of an unknown total";
  EXPECT_TRUE(d["eta"].IsNull());
  EXPECT_TRUE(d["bytes_total"].IsNull());
  EXPECT_EQ(d["bytes_done"].GetUint64(), 2 * mib + 10);
  EXPECT_STREQ(d["message"].GetString(), "Downloading 2 files");
  ASSERT_EQ(d["files"].Size(), 2u);
  EXPECT_STREQ(d["files"][0]["path"].GetString(), "config.json");
  EXPECT_EQ(d["files"][0]["bytes_total"].GetUint64(), 10u);
  EXPECT_EQ(d["files"][1]["bytes_done"].GetUint64(), 2 * mib);
  EXPECT_TRUE(d["files"][1]["bytes_total"].IsNull());
  EXPECT_STREQ(d["started_at"].GetString(), "2024-01-01T00:00:00Z");
  EXPECT_TRUE(d["ended_at"].IsNull());
  for (const char* none : {"error", "code", "detail", "load_error"}) EXPECT_FALSE(d.HasMember(none)) << none;

  r.bytes_done = 3 * mib;
  r.bytes_total = 9 * mib;
  r.bytes_per_s = 4 * mib;
  d = good("GET", "/models/download/status/0a1b2c3d");
  EXPECT_EQ(d["progress"].GetDouble(), 33.3);
  EXPECT_EQ(d["eta"].GetDouble(), 2) << "whole seconds";
  EXPECT_EQ(d["speed_mb_s"].GetDouble(), 4);
  r.bytes_done = 9 * mib;
  EXPECT_EQ(good("GET", "/models/download/status/0a1b2c3d")["progress"].GetDouble(), 99.9) << "not registered yet";
}

TEST_F(routes_artifacts, downloads_that_have_ended) {
  auto& r = kept.download_now;
  r.state = download_state::completed;
  r.ended = r.started + std::chrono::seconds(90);
  r.load_error = "no room";
  auto d = good("GET", "/models/download/status/0a1b2c3d");
  EXPECT_STREQ(d["status"].GetString(), "completed");
  EXPECT_EQ(d["progress"].GetDouble(), 100);
  EXPECT_STREQ(d["ended_at"].GetString(), "2024-01-01T00:01:30Z");
  EXPECT_STREQ(d["load_error"].GetString(), "no room");
  EXPECT_FALSE(d.HasMember("error"));

  r.state = download_state::failed;
  r.load_error.clear();
  r.why = error{error_code::forbidden, "'org/name' is gated", "set HF_TOKEN", {}};
  d = good("GET", "/models/download/status/0a1b2c3d");
  EXPECT_STREQ(d["status"].GetString(), "failed");
  EXPECT_STREQ(d["error"].GetString(), "'org/name' is gated");
  EXPECT_STREQ(d["code"].GetString(), "FORBIDDEN");
  EXPECT_STREQ(d["detail"].GetString(), "set HF_TOKEN");
  EXPECT_FALSE(d.HasMember("load_error"));

  r.state = download_state::cancelled;
  r.why = error{error_code::cancelled, "the download was cancelled", {}, {}};
  d = good("GET", "/models/download/status/0a1b2c3d");
  EXPECT_STREQ(d["status"].GetString(), "cancelled");
  EXPECT_FALSE(d.HasMember("error")) << "nothing went wrong";
}

TEST_F(routes_artifacts, an_unknown_download) {
  kept.problem = error{error_code::model_not_found, "Download not found: ffffffff", "ids are 8 digits", {}};
  for (const char* path : {"/models/download/status/ffffffff", "/models/download/status/ffffffff/events"}) {
    const auto d = expect_failed(*ask("GET", path), 404, "MODEL_NOT_FOUND");
    EXPECT_STREQ(d["error"].GetString(), "Download not found: ffffffff");
  }
}

// What is posted, and who waits for room, holds an open stream, which holds its exchange.
void end_stream(fake_exchange& e) {
  e.posts.clear();
  if (e.stream) e.stream->waiter = nullptr;
}

// -- its events -------------------------------------------------------------------------------------------------

TEST_F(routes_artifacts, events_are_the_status_with_each_change_until_it_is_done) {
  const auto e = send("GET", "/models/download/status/0a1b2c3d/events");
  EXPECT_EQ(kept.called, "watch 0a1b2c3d");
  EXPECT_FALSE(e->streaming) << "on the connection's thread";
  e->pump();
  EXPECT_EQ(e->stream_type, "text/event-stream");
  kept.download_now.bytes_done = 5;
  EXPECT_TRUE(kept.watcher(kept.download_now));
  kept.download_now.state = download_state::completed;
  kept.watcher(kept.download_now);
  kept.watcher(kept.download_now);  // too late
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 3u) << e->stream->written;
  EXPECT_EQ(events[0].name, "progress");
  EXPECT_EQ(events[1].name, "progress");
  EXPECT_EQ(parse(events[1].data)["bytes_done"].GetInt(), 5);
  EXPECT_EQ(events[2].name, "done");
  EXPECT_STREQ(parse(events[2].data)["status"].GetString(), "completed");
  EXPECT_TRUE(e->stream->ended);
  EXPECT_FALSE(e->answer);
}

TEST_F(routes_artifacts, events_of_what_has_ended_are_one) {
  kept.download_now.state = download_state::failed;
  const auto e = send("GET", "/models/download/status/0a1b2c3d/events");
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 1u) << e->stream->written;
  EXPECT_EQ(events[0].name, "done");
  EXPECT_TRUE(e->stream->ended);
}

TEST_F(routes_artifacts, nobody_is_watched_for_a_client_that_is_gone) {
  const auto e = send("GET", "/models/download/status/0a1b2c3d/events");
  e->pump();
  ASSERT_TRUE(kept.watcher(kept.download_now));
  for (const auto& gone : e->on_gone) gone();
  EXPECT_FALSE(kept.watcher(kept.download_now));
  end_stream(*e);
}

TEST_F(routes_artifacts, nobody_is_watched_for_a_client_that_does_not_read) {
  settings.stream_credit_bytes = 1000;
  const auto e = send("GET", "/models/download/status/0a1b2c3d/events");
  e->stream->slow = true;
  e->pump();
  kept.download_now.message = std::string(100'000, 'm');
  for (int i = 0; i < 4; ++i) kept.watcher(kept.download_now);
  e->pump();
  EXPECT_FALSE(kept.watcher(kept.download_now));
  EXPECT_LT(e->stream->written.size(), 200'000u);
  end_stream(*e);
}

// -- GET /models/download/{model_name}/info ---------------------------------------------------------------------

TEST_F(routes_artifacts, what_the_cache_has_of_a_model) {
  kept.status_now.stored->ready_bytes = 2 * mib;
  kept.status_now.stored->stored.pinned = true;
  for (const char* path : {"/models/download/org/gamma/info", "/models/download/org%2Fgamma/info"}) {
    const auto d = good("GET", path);
    EXPECT_EQ(kept.called, "find org/gamma");
    for (const auto* in : {static_cast<const rapidjson::Value*>(&d), &d["info"]}) {
      const auto& of = *in;
      EXPECT_STREQ(of["name"].GetString(), "org/gamma");
      EXPECT_EQ(of["version"].GetString(), std::string(40, 'c'));
      EXPECT_EQ(of["size_mb"].GetDouble(), 3);
      EXPECT_STREQ(of["source"].GetString(), "huggingface");
      EXPECT_STREQ(of["model_id"].GetString(), "org/gamma");
      EXPECT_STREQ(of["requested_revision"].GetString(), "main");
      EXPECT_STREQ(of["task"].GetString(), "text-classification");
      EXPECT_STREQ(of["status"].GetString(), "completed");
      EXPECT_TRUE(of["servable"].GetBool());
      EXPECT_FALSE(of.HasMember("reason"));
      EXPECT_TRUE(of["optimized"].GetBool());
      EXPECT_EQ(of["ready_size_mb"].GetDouble(), 2);
      EXPECT_TRUE(of["pinned"].GetBool());
      EXPECT_STREQ(of["downloaded_at"].GetString(), "2024-01-01T00:00:00Z");
      EXPECT_STREQ(of["path"].GetString(), "/store/org/gamma/@0123456789abcdef");
      ASSERT_EQ(of["files"].Size(), 1u);
      EXPECT_STREQ(of["files"][0]["path"].GetString(), "model.safetensors");
      EXPECT_EQ(of["files"][0]["size_bytes"].GetUint64(), 3 * mib);
      EXPECT_EQ(of["files"][0]["sha256"].GetString(), std::string(64, 'd'));
    }
    EXPECT_FALSE(d.HasMember("download"));
  }
}

TEST_F(routes_artifacts, a_version_follows_from_the_content_where_the_source_has_none) {
  auto& a = *kept.status_now.stored;
  a.stored.revision.clear();
  a.stored.task.clear();
  a.servable.reset();
  auto d = good("GET", "/models/download/m/info");
  EXPECT_STREQ(d["version"].GetString(), "0123456789abcdef");
  EXPECT_TRUE(d["task"].IsNull());
  EXPECT_TRUE(d["servable"].IsNull()) << "not looked at yet";
  a.stored.asked_task = "fill-mask";
  a.servable = false;
  a.reason = "no such architecture";
  d = good("GET", "/models/download/m/info");
  EXPECT_STREQ(d["task"].GetString(), "fill-mask");
  EXPECT_FALSE(d["servable"].GetBool());
  EXPECT_STREQ(d["reason"].GetString(), "no such architecture");
}

TEST_F(routes_artifacts, what_a_models_download_does) {
  kept.download_now.bytes_total = 4 * mib;
  kept.status_now.download = kept.download_now;
  auto d = good("GET", "/models/download/org/gamma/info");
  EXPECT_STREQ(d["status"].GetString(), "downloading") << "an update, while the old one is there";
  EXPECT_EQ(d["size_mb"].GetDouble(), 3);
  EXPECT_STREQ(d["download"]["download_id"].GetString(), "0a1b2c3d");
  EXPECT_STREQ(d["download"]["status"].GetString(), "downloading");

  kept.status_now.download->state = download_state::failed;
  kept.status_now.download->why = error{error_code::unavailable, "the hub does not answer", {}, {}};
  d = good("GET", "/models/download/org/gamma/info");
  EXPECT_STREQ(d["status"].GetString(), "completed") << "what is there is there";
  EXPECT_STREQ(d["download"]["error"].GetString(), "the hub does not answer");

  kept.status_now.stored.reset();
  d = good("GET", "/models/download/minilm/info");
  EXPECT_STREQ(d["status"].GetString(), "failed");
  EXPECT_STREQ(d["name"].GetString(), "minilm");
  EXPECT_TRUE(d["version"].IsNull());
  EXPECT_EQ(d["size_mb"].GetDouble(), 4);
  EXPECT_TRUE(d["task"].IsNull());
}

// -- POST /models/download/{model_name}/copy --------------------------------------------------------------------

TEST_F(routes_artifacts, a_second_name) {
  const auto d = good("POST", "/models/download/org%2Fgamma/copy", R"({"name":"org/second"})");
  EXPECT_EQ(kept.called, "copy org/gamma org/second");
  EXPECT_STREQ(d["name"].GetString(), "org/gamma");
  kept.called.clear();
  for (const char* body : {"", "[]", "{}", R"({"name":7})", R"({"name":"../x"})"})
    expect_failed(*ask("POST", "/models/download/org/gamma/copy", body), 400, "BAD_REQUEST");
  EXPECT_EQ(kept.called, "");
  kept.problem = error{error_code::conflict, "Model 'second' is there already", {}, {}};
  expect_failed(*ask("POST", "/models/download/m/copy", R"({"name":"second"})"), 409, "CONFLICT");
}

// -- DELETE /models/download/{model_name} -----------------------------------------------------------------------

TEST_F(routes_artifacts, a_model_is_removed) {
  kept.removal.freed_bytes = 3 * mib;
  auto d = good("DELETE", "/models/download/org%2Fgamma");
  EXPECT_EQ(kept.called, "remove org/gamma");
  EXPECT_STREQ(d["message"].GetString(), "Successfully removed model from cache: org/gamma");
  EXPECT_STREQ(d["model_name"].GetString(), "org/gamma");
  EXPECT_FALSE(d["cancelled"].GetBool());
  EXPECT_EQ(d["freed_mb"].GetDouble(), 3);
  kept.removal.cancelled = true;
  d = good("DELETE", "/models/download/org/gamma");
  EXPECT_STREQ(d["message"].GetString(), "Cancelled the download and removed model from cache: org/gamma");
  EXPECT_TRUE(d["cancelled"].GetBool());
}

TEST_F(routes_artifacts, a_model_that_is_not_there_is_worded_as_the_document_does) {
  kept.problem = error{error_code::model_not_found, "Model not found in cache: nobody", "GET /models/cache/info", {}};
  for (const auto& [method, target] :
       {std::pair{"DELETE", "/models/download/nobody"}, std::pair{"GET", "/models/download/nobody/info"},
        std::pair{"POST", "/models/manage?action=optimize&model_name=nobody"},
        std::pair{"POST", "/models/manage?action=update&model_name=nobody"},
        std::pair{"POST", "/models/manage?action=retry_download&model_name=nobody"}}) {
    const auto d = expect_failed(*ask(method, target), 404, "MODEL_NOT_FOUND");
    EXPECT_STREQ(d["message"].GetString(), "Model not found in cache: nobody");
    EXPECT_STREQ(d["error"].GetString(), "Model does not exist");
  }
}

TEST_F(routes_artifacts, a_model_of_the_operators_stays) {
  kept.problem = error{error_code::conflict, "Model 'alpha' stands in the operator's registry", {}, {}};
  expect_failed(*ask("DELETE", "/models/download/alpha"), 409, "CONFLICT");
}

// -- lists ------------------------------------------------------------------------------------------------------

TEST_F(routes_artifacts, an_empty_cache) {
  const auto d = good("GET", "/models/cache/info");
  EXPECT_EQ(kept.called, "list");
  EXPECT_STREQ(d["cache_directory"].GetString(), "/store");
  EXPECT_EQ(d["total_models"].GetInt(), 0);
  EXPECT_EQ(d["total_size_mb"].GetDouble(), 0);
  EXPECT_EQ(d["models"].Size(), 0u);
  EXPECT_EQ(d["tts_specific"]["tts_percentage"].GetDouble(), 0);
  EXPECT_EQ(d["cache_optimization"]["cache_hit_rate"].GetDouble(), 0);
  EXPECT_FALSE(d["cache_optimization"]["auto_cleanup"].GetBool());
  EXPECT_TRUE(d["storage"]["limit_mb"].IsNull());
}

TEST_F(routes_artifacts, what_the_cache_has) {
  auto speaks = stored("bark_tts", 2 * mib);
  speaks.stored.task.clear();
  speaks.servable = false;
  speaks.reason = "no such architecture";
  auto& now = kept.store_now;
  now.models = {speaks, stored("org/gamma", mib)};
  now.size_bytes = 5 * mib / 2;
  now.ready_bytes = 4 * mib;
  now.partial_bytes = mib;
  now.limit_bytes = 100 * mib;
  now.answered = 3;
  now.downloaded = 1;
  const auto d = good("GET", "/models/cache/info");
  EXPECT_EQ(d["total_models"].GetInt(), 2);
  EXPECT_EQ(d["total_size_mb"].GetDouble(), 3);
  EXPECT_STREQ(d["models"][0].GetString(), "bark_tts");
  EXPECT_STREQ(d["models"][1].GetString(), "org/gamma");
  const auto& tts = d["tts_specific"];
  EXPECT_EQ(tts["tts_models_count"].GetInt(), 1);
  EXPECT_STREQ(tts["tts_models"][0]["name"].GetString(), "bark_tts");
  EXPECT_TRUE(tts["tts_models"][0]["task"].IsNull());
  EXPECT_STREQ(tts["tts_models"][0]["tags"][0].GetString(), "bert");
  EXPECT_FALSE(tts["tts_models"][0]["servable"].GetBool());
  EXPECT_STREQ(tts["tts_models"][0]["reason"].GetString(), "no such architecture");
  EXPECT_EQ(tts["tts_total_size_mb"].GetDouble(), 2);
  EXPECT_EQ(tts["tts_percentage"].GetDouble(), 66.7);
  EXPECT_EQ(d["cache_optimization"]["cache_hit_rate"].GetDouble(), 0.75);
  EXPECT_TRUE(d["cache_optimization"]["auto_cleanup"].GetBool());
  EXPECT_EQ(d["storage"]["content_size_mb"].GetDouble(), 2.5) << "each content once";
  EXPECT_EQ(d["storage"]["ready_size_mb"].GetDouble(), 4);
  EXPECT_EQ(d["storage"]["partial_size_mb"].GetDouble(), 1);
  EXPECT_EQ(d["storage"]["limit_mb"].GetDouble(), 100);
}

TEST_F(routes_artifacts, nothing_is_listed_as_available) {
  const auto d = good("GET", "/models/available");
  EXPECT_EQ(d["total_available"].GetInt(), 0);
  EXPECT_EQ(d["available_models"].MemberCount(), 0u);
}

TEST_F(routes_artifacts, what_was_downloaded_and_what_of_it_is_in_memory) {
  auto alpha = stored("alpha", 2 * mib);
  alpha.ready_bytes = mib;
  auto odd = stored("tacotron2", mib);
  odd.stored.convert_to_tts = true;
  odd.servable = false;
  odd.reason = "no such architecture";
  kept.store_now.models = {alpha, odd};
  service.now.models[0].info->parameters = 4'000'000;
  const auto d = good("GET", "/models/managed");
  EXPECT_EQ(d["total_models"].GetInt(), 4) << "the operator's, too";
  const auto& rows = d["downloaded_models"];
  ASSERT_EQ(rows.Size(), 2u);
  EXPECT_STREQ(rows[0]["name"].GetString(), "alpha");
  EXPECT_TRUE(rows[0]["loaded"].GetBool());
  EXPECT_STREQ(rows[0]["device"].GetString(), "cpu");
  EXPECT_FALSE(rows[0]["is_tts"].GetBool());
  EXPECT_TRUE(rows[0]["optimized"].GetBool());
  EXPECT_EQ(rows[0]["size_mb"].GetDouble(), 2);
  EXPECT_EQ(rows[0]["memory_usage"]["allocated_mb"].GetDouble(), 3);
  EXPECT_EQ(rows[0]["memory_usage"]["reserved_mb"].GetDouble(), 3);
  EXPECT_EQ(rows[0]["parameters"].GetInt(), 4'000'000);
  EXPECT_FALSE(rows[0].HasMember("tts_adapted"));
  EXPECT_STREQ(rows[1]["name"].GetString(), "tacotron2");
  EXPECT_FALSE(rows[1]["loaded"].GetBool()) << "it is not registered";
  EXPECT_TRUE(rows[1]["device"].IsNull());
  EXPECT_TRUE(rows[1]["is_tts"].GetBool());
  EXPECT_TRUE(rows[1]["tts_adapted"].GetBool());
  EXPECT_EQ(rows[1]["memory_usage"]["allocated_mb"].GetDouble(), 0);
  EXPECT_TRUE(rows[1]["parameters"].IsNull());
  EXPECT_STREQ(rows[1]["reason"].GetString(), "no such architecture");
  EXPECT_EQ(d["categories"]["tts_models"].Size(), 0u);
  ASSERT_EQ(d["categories"]["other_models"].Size(), 4u);
  EXPECT_STREQ(d["categories"]["other_models"][2]["name"].GetString(), "org/gamma");
  EXPECT_FALSE(d["categories"]["other_models"][2]["loaded"].GetBool());
  EXPECT_EQ(d["summary"]["total_loaded"].GetInt(), 1);
  EXPECT_EQ(d["summary"]["tts_models_count"].GetInt(), 0);
  EXPECT_EQ(d["summary"]["optimized_count"].GetInt(), 1);
  EXPECT_EQ(d["summary"]["total_parameters"].GetInt(), 4'000'000);
}

TEST_F(routes_artifacts, lists_that_fail) {
  service.problem = error{error_code::unavailable, "the supervisor is gone", {}, {}};
  expect_failed(*ask("GET", "/models/managed"), 503, "UNAVAILABLE");
  service.problem.reset();
  kept.problem = error{error_code::unavailable, "the store cannot be opened", {}, {}};
  for (const char* path : {"/models/managed", "/models/cache/info"})
    EXPECT_STREQ(expect_failed(*ask("GET", path), 503, "UNAVAILABLE")["error"].GetString(),
                 "the store cannot be opened");
  EXPECT_EQ(ask("GET", "/models/available")->answer->status, 200u) << "it needs no store";
}

// -- POST /models/manage ----------------------------------------------------------------------------------------

TEST_F(routes_artifacts, an_optimization_tells_what_it_gained) {
  const auto d = good("POST", "/models/manage?action=optimize&model_name=org%2Fgamma");
  EXPECT_EQ(kept.called, "find org/gamma");
  EXPECT_EQ(service.called, "optimize org/gamma 120000");
  EXPECT_TRUE(d["success"].GetBool());
  EXPECT_STREQ(d["action"].GetString(), "optimize");
  EXPECT_STREQ(d["model_name"].GetString(), "org/gamma");
  EXPECT_STREQ(d["message"].GetString(), "Model 'org/gamma' optimized successfully");
  EXPECT_EQ(d["ready_size_mb"].GetDouble(), 2);
  EXPECT_EQ(d["before"]["first_answer_ms"].GetDouble(), 500);
  EXPECT_EQ(d["before"]["weights_mb"].GetDouble(), 3);
  EXPECT_EQ(d["after"]["private_memory_mb"].GetDouble(), 1);
  EXPECT_EQ(d["gained"]["first_answer_ms"].GetDouble(), 375);
}

TEST_F(routes_artifacts, what_cannot_be_optimized) {
  const std::string target = "/models/manage?action=optimize&model_name=org/gamma";
  service.problem = error{error_code::deadline_exceeded, "still loading", {}, {}};
  expect_failed(*ask("POST", target), 504, "DEADLINE_EXCEEDED");
  service.problem = error{error_code::insufficient_memory, "no room", {}, 3};
  EXPECT_EQ(ask("POST", target)->header_of_answer("Retry-After"), "3");
  service.problem.reset();
  service.called.clear();
  kept.status_now.stored->servable = false;
  kept.status_now.stored->reason = "no such architecture";
  auto d = expect_failed(*ask("POST", target), 422, "UNPROCESSABLE");
  EXPECT_NE(std::string(d["detail"].GetString()).find("no such architecture"), std::string::npos);
  kept.status_now = {std::nullopt, kept.download_now};
  d = expect_failed(*ask("POST", target), 409, "CONFLICT");
  EXPECT_NE(std::string(d["detail"].GetString()).find("Downloading 2 files"), std::string::npos);
  EXPECT_EQ(service.called, "") << "nothing was loaded";
}

TEST_F(routes_artifacts, updates_and_retries_are_downloads) {
  const struct {
    const char *target, *body, *called, *action;
  } cases[] = {
      {"/models/manage?action=update&model_name=org/gamma", "", "update org/gamma", "update"},
      {"/models/manage", R"({"action":"update","model_name":"org/gamma"})", "update org/gamma", "update"},
      {"/models/manage?action=retry_download&model_name=m", "", "retry m", "retry_download"},
      {"/models/manage?action=retry_download&model_name=m&force_redownload=true", "", "retry m by force",
       "retry_download"},
      {"/models/manage", R"({"action":"retry_download","model_name":"m","force_redownload":true})", "retry m by force",
       "retry_download"},
  };
  for (const auto& c : cases) {
    const auto d = good("POST", c.target, c.body);
    EXPECT_EQ(kept.called, c.called);
    EXPECT_TRUE(d["success"].GetBool());
    EXPECT_STREQ(d["action"].GetString(), c.action);
    EXPECT_STREQ(d["message"].GetString(), "Started downloading model 'minilm'");
    EXPECT_STREQ(d["model_name"].GetString(), "minilm");
    EXPECT_STREQ(d["download_id"].GetString(), "0a1b2c3d");
    EXPECT_STREQ(d["status"].GetString(), "downloading");
  }
}

TEST_F(routes_artifacts, what_cannot_be_managed) {
  for (const char* query : {"", "?action=optimize", "?action=delete&model_name=m", "?action=update&model_name=../m",
                            "?action=retry_download&model_name=m&force_redownload=maybe", "?action=%zz"}) {
    expect_failed(*ask("POST", std::string("/models/manage") + query), 400, "BAD_REQUEST");
  }
  expect_failed(*ask("POST", "/models/manage?action=update&model_name=m", "{"), 400, "BAD_REQUEST");
  EXPECT_EQ(kept.called, "");
  kept.problem = error{error_code::conflict, "The download of model 'm' did not fail", {}, {}};
  expect_failed(*ask("POST", "/models/manage?action=retry_download&model_name=m"), 409, "CONFLICT");
  kept.problem = error{error_code::too_many_requests, "256 downloads wait already", {}, 10};
  const auto e = ask("POST", "/models/manage?action=update&model_name=m");
  expect_failed(*e, 429, "TOO_MANY_REQUESTS");
  EXPECT_EQ(e->header_of_answer("Retry-After"), "10");
}

// -- the family -------------------------------------------------------------------------------------------------

TEST_F(routes_artifacts, each_route_needs_a_key_where_there_are_keys) {
  settings.api_keys = {"key"};
  for (const auto& [method, target] :
       {std::pair{"POST", "/models/download"}, std::pair{"GET", "/models/download/status/0a1b2c3d"},
        std::pair{"GET", "/models/download/status/0a1b2c3d/events"}, std::pair{"GET", "/models/download/m/info"},
        std::pair{"POST", "/models/download/m/copy"}, std::pair{"DELETE", "/models/download/m"},
        std::pair{"GET", "/models/cache/info"}, std::pair{"GET", "/models/available"},
        std::pair{"GET", "/models/managed"}, std::pair{"POST", "/models/manage?action=optimize&model_name=m"}}) {
    SCOPED_TRACE(target);
    const auto e = ask(method, target);
    expect_failed(*e, 401, "UNAUTHORIZED");
    EXPECT_EQ(e->header_of_answer("WWW-Authenticate"), "Bearer");
    expect_failed(*ask(method, target, {}, {{"X-API-Key", "wrong"}}), 403, "FORBIDDEN");
    EXPECT_EQ(kept.called, "");
  }
  EXPECT_EQ(ask("GET", "/models/cache/info", {}, {{"X-API-Key", "key"}})->answer->status, 200u);
}

TEST_F(routes_artifacts, what_goes_wrong_at_their_paths_is_in_their_words) {
  const auto e = ask("PUT", "/models/download");
  expect_failed(*e, 405, "METHOD_NOT_ALLOWED");
  EXPECT_EQ(e->header_of_answer("Allow"), "POST, OPTIONS");
  expect_failed(*ask("GET", "/models/download/m"), 405, "METHOD_NOT_ALLOWED");
  expect_failed(*ask("GET", "/models/download/-m/info"), 400, "BAD_REQUEST");
  expect_failed(*ask("DELETE", "/models/download/..%2fetc"), 400, "BAD_REQUEST");
  expect_failed(*ask("DELETE", "/models/download/a%00b"), 400, "BAD_REQUEST");
  // Nobody's path below /models, which document 001 shares.
  expect_error(*ask("GET", "/models/download/a/b/c/d"), 404, "ROUTE_NOT_FOUND");
}

TEST_F(routes_artifacts, bodies_are_small) {
  const auto table = make_routes();
  for (const char* path : {"/models/download", "/models/manage"})
    EXPECT_EQ(table->body_limit(settings, "POST", path), 65536u) << path;
  ask("GET", "/models/available");  // makes the handler
  auto x = std::make_shared<fake_exchange>();
  x->refused_ = 413;
  x->method_ = "POST";
  x->path_ = "/models/download";
  handle(x);
  expect_failed(*x, 413, "PAYLOAD_TOO_LARGE");
}

}  // namespace
}  // namespace troupe::http::tests
