#include "http/api/artifact_input.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using cache::source_kind;

struct reading_downloads : ::testing::Test {
  config::settings settings;
  cache::available_models listed;

  result<actors::download_request> read(std::string body, std::map<std::string, std::string> headers = {}) const {
    fake_exchange e;
    e.method_ = "POST";
    e.body_ = std::move(body);
    e.headers_ = std::move(headers);
    return read_download(e, settings, listed);
  }
  // {"source", "model_id", "name": "m"}
  result<actors::download_request> read_from(const std::string& source, const std::string& id,
                                             const std::string& more = {},
                                             std::map<std::string, std::string> headers = {}) const {
    return read(R"({"source":")" + source + R"(","model_id":")" + id + R"(","name":"m")" + more + "}",
                std::move(headers));
  }
  static std::string text(const error& e) { return e.message + " / " + e.detail; }
  static void expect_refused(const result<actors::download_request>& r, error_code code, const std::string& says) {
    ASSERT_FALSE(r) << says;
    EXPECT_EQ(to_string(r.error().code), to_string(code)) << text(r.error());
    EXPECT_NE(text(r.error()).find(says), std::string::npos) << text(r.error());
  }
};

TEST_F(reading_downloads, the_documents_example_is_read) {
  const auto r = read(
      R"({"source":"huggingface","model_id":"microsoft/speecht5_tts","name":"speecht5_tts","task":"text-to-speech",)"
      R"("auto_convert_tts":true,"include_vocoder":true,"vocoder_model":"microsoft/speecht5_hifigan",)"
      R"("enable_large_model":false,"experimental":false})");
  ASSERT_TRUE(r) << text(r.error());
  EXPECT_EQ(r->pull.source, source_kind::huggingface);
  EXPECT_EQ(r->pull.model_id, "microsoft/speecht5_tts");
  EXPECT_EQ(r->pull.name, "speecht5_tts");
  EXPECT_EQ(r->pull.task, "text-to-speech");
  EXPECT_TRUE(r->pull.convert_to_tts);
  EXPECT_TRUE(r->pull.include_vocoder);
  EXPECT_EQ(r->pull.vocoder_model, "microsoft/speecht5_hifigan");
  EXPECT_EQ(r->pull.revision, "");
  EXPECT_FALSE(r->pull.afresh);
  EXPECT_TRUE(r->load);
}

TEST_F(reading_downloads, options_have_defaults_and_null_is_none) {
  for (const std::string more : {R"()", R"(,"task":null,"revision":null,"load":null,"auto_convert_tts":null)",
                                 R"(,"vocoder_model":null,"experimental":null,"unknown":{"a":[1]})"}) {
    const auto r = read_from("huggingface", "org/name", more);
    ASSERT_TRUE(r) << more << text(r.error());
    EXPECT_EQ(r->pull.task, "");
    EXPECT_EQ(r->pull.revision, "");
    EXPECT_EQ(r->pull.vocoder_model, "");
    EXPECT_FALSE(r->pull.convert_to_tts);
    EXPECT_FALSE(r->pull.include_vocoder);
    EXPECT_TRUE(r->load);
  }
}

TEST_F(reading_downloads, revision_and_load_are_ours) {
  const auto r = read_from("huggingface", "org/name", R"(,"revision":"refs/pr/1","load":false)");
  ASSERT_TRUE(r) << text(r.error());
  EXPECT_EQ(r->pull.revision, "refs/pr/1");
  EXPECT_FALSE(r->load);
}

TEST_F(reading_downloads, each_source_by_the_documents_word) {
  settings.admin_api_key = "admin";
  for (const char* word :
       {"pytorch_hub", "torchvision", "huggingface", "url", "tts_auto", "torchaudio", "s3", "local"}) {
    const auto r = read_from(word, "x", {}, {{"X-API-Key", "admin"}});
    ASSERT_TRUE(r) << word << text(r.error());
    EXPECT_EQ(cache::to_string(r->pull.source), word);
  }
  for (const char* word : {"invalid_source", "HuggingFace", " huggingface"}) {
    expect_refused(read_from(word, "x"), error_code::bad_request,
                   "Invalid source. Must be one of: [pytorch_hub, torchvision, huggingface, url, tts_auto, ");
    EXPECT_EQ(read_from(word, "x").error().detail, "Invalid source: " + std::string(word));
  }
}

TEST_F(reading_downloads, bodies_that_ask_for_nothing) {
  const struct {
    const char *body, *says;
  } cases[] = {
      {"", "JSON"},
      {"{", "JSON"},
      {R"({"source":"url",})", "JSON"},
      {R"({"source":"url"} x)", "JSON"},
      {"{\"name\":\"\xff\"}", "UTF-8"},
      {"[]", "must be a JSON object, found an array"},
      {"\"huggingface\"", "must be a JSON object, found a string"},
      {"null", "must be a JSON object"},
      {"{}", "'source' is missing"},
      {R"({"source":""})", "'source' is missing"},
      {R"({"source":null,"model_id":"x","name":"m"})", "'source' is missing"},
      {R"({"source":"huggingface","name":"m"})", "'model_id' is missing"},
      {R"({"source":"huggingface","model_id":"org/name"})", "'name' is missing"},
      {R"({"source":"invalid","model_id":"org/name"})", "'name' is missing"},
      {R"({"source":1,"model_id":"x","name":"m"})", "'source' must be a string, found a number"},
      {R"({"source":"url","model_id":["x"],"name":"m"})", "'model_id' must be a string, found an array"},
      {R"({"source":"url","model_id":"x","name":{}})", "'name' must be a string, found an object"},
      {R"({"source":"url","model_id":"x","name":"m","task":true})", "'task' must be a string"},
      {R"({"source":"url","model_id":"x","name":"m","load":"false"})", "'load' must be true or false, found a string"},
      {R"({"source":"url","model_id":"x","name":"m","include_vocoder":1})", "'include_vocoder' must be true or false"},
      {R"({"source":"url","model_id":"x\u0000y","name":"m"})", "'model_id' has a control character"},
      {R"({"source":"url","model_id":"x","name":"m","revision":"a\nb"})", "'revision' has a control character"},
      {R"({"source":"url","model_id":"x","name":"m","task":"\u007f"})", "'task' has a control character"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.body);
    expect_refused(read(c.body), error_code::bad_request, c.says);
  }
}

TEST_F(reading_downloads, texts_have_a_length) {
  const auto most = std::string(4096, 'x');
  EXPECT_TRUE(read_from("url", most));
  expect_refused(read_from("url", most + "x"), error_code::bad_request, "'model_id' is longer than 4096 bytes");
  expect_refused(read_from("url", "x", R"(,"revision":")" + most + "x\""), error_code::bad_request, "'revision'");
}

TEST_F(reading_downloads, names_are_checked) {
  const auto named = [&](const std::string& name) {
    return read(R"({"source":"huggingface","model_id":"org/name","name":")" + name + "\"}");
  };
  for (const auto& name : {std::string("org/gamma"), std::string("A-1_b.c"), std::string(128, 'n')}) {
    const auto r = named(name);
    ASSERT_TRUE(r) << name << text(r.error());
    EXPECT_EQ(r->pull.name, name);
  }
  for (const auto& name : {std::string("../etc"), std::string("a/b/c"), std::string("/a"), std::string("a/"),
                           std::string("-a"), std::string("a b"), std::string("ä"), std::string(129, 'n')}) {
    expect_refused(named(name), error_code::bad_request, "Invalid model name");
  }
}

TEST_F(reading_downloads, paths_and_buckets_need_the_admin_key) {
  const std::pair<const char*, const char*> cases[] = {
      {"local", "/models/bert"},       {"s3", "s3://bucket/key.pt"},         {"url", "s3://bucket/key.pt"},
      {"url", "/etc/passwd"},          {"url", "file:///etc/passwd"},        {"huggingface", "s3://bucket/key"},
      {"tts_auto", "s3://bucket/key"}, {"pytorch_hub", "s3://bucket/a.pth"},
  };
  for (const auto& [source, id] : cases) {
    SCOPED_TRACE(std::string(source) + " " + id);
    settings.api_keys = {"key"};
    settings.admin_api_key.clear();
    expect_refused(read_from(source, id, {}, {{"X-API-Key", "key"}}), error_code::forbidden, "ADMIN_API_KEY");
    expect_refused(read_from(source, id), error_code::forbidden, "ADMIN_API_KEY");
    settings.admin_api_key = "admin";
    expect_refused(read_from(source, id), error_code::unauthorized, "admin key");
    expect_refused(read_from(source, id, {}, {{"X-API-Key", "key"}}), error_code::forbidden, "Wrong admin key");
    const auto r = read_from(source, id, {}, {{"Authorization", "Bearer admin"}});
    ASSERT_TRUE(r) << text(r.error());
    EXPECT_EQ(r->pull.source, std::string(id).starts_with("s3:") ? source_kind::s3 : source_kind::local);
    EXPECT_EQ(r->pull.model_id, id);
  }
  for (const auto& [source, id] : {std::pair{"huggingface", "org/name"}, std::pair{"url", "https://host/m.pt"},
                                   std::pair{"torchvision", "resnet50"}}) {
    EXPECT_TRUE(read_from(source, id)) << id;
  }
}

TEST_F(reading_downloads, large_and_experimental_models_are_asked_for_by_name) {
  auto file = (std::filesystem::temp_directory_path() / "available-XXXXXX").string();
  const int made = ::mkstemp(file.data());
  ASSERT_GE(made, 0);
  ::close(made);
  std::ofstream(file) << R"({"available_models":{"big":{"source":"huggingface","model_id":"org/big","large":true},)"
                         R"("odd":{"source":"huggingface","model_id":"org/odd","experimental":true}}})";
  const auto loaded = cache::available_models::load(file);
  std::filesystem::remove(file);
  ASSERT_TRUE(loaded) << text(loaded.error());
  listed = *loaded;
  expect_refused(read_from("huggingface", "org/big"), error_code::bad_request, "\"enable_large_model\": true");
  expect_refused(read_from("huggingface", "org/big", R"(,"experimental":true)"), error_code::bad_request, "large");
  EXPECT_TRUE(read_from("huggingface", "org/big", R"(,"enable_large_model":true)"));
  expect_refused(read_from("huggingface", "org/odd"), error_code::bad_request, "\"experimental\": true");
  expect_refused(read_from("tts_auto", "org/odd"), error_code::bad_request, "experimental");
  EXPECT_TRUE(read_from("huggingface", "org/odd", R"(,"experimental":true)"));
  EXPECT_TRUE(read_from("huggingface", "org/other"));
}

struct reading_manage : ::testing::Test {
  static result<manage_request> read(std::string query, std::string body = {}) {
    fake_exchange e;
    e.method_ = "POST";
    e.query_ = std::move(query);
    e.body_ = std::move(body);
    return read_manage(e);
  }
};

TEST_F(reading_manage, query_and_body_say_the_same) {
  const struct {
    const char *query, *body;
    manage_action action;
    const char* model;
    bool force;
  } cases[] = {
      {"action=optimize&model_name=speecht5_tts", "", manage_action::optimize, "speecht5_tts", false},
      {"action=update&model_name=org%2Fgamma", " \r\n", manage_action::update, "org/gamma", false},
      {"action=update&model_name=org/gamma", "{}", manage_action::update, "org/gamma", false},
      {"action=retry_download&model_name=m&force_redownload=true", "", manage_action::retry_download, "m", true},
      {"action=retry_download&model_name=m&force_redownload=1", "", manage_action::retry_download, "m", true},
      {"action=retry_download&model_name=m&force_redownload=0", "", manage_action::retry_download, "m", false},
      {"action=retry_download&model_name=m&force_redownload=", "", manage_action::retry_download, "m", false},
      {"", R"({"action":"retry_download","model_name":"org/gamma","force_redownload":true})",
       manage_action::retry_download, "org/gamma", true},
      {"action=optimize", R"({"model_name":"m"})", manage_action::optimize, "m", false},
      {"action=optimize&model_name=a&force_redownload=true", R"({"action":"update","model_name":"b"})",
       manage_action::update, "b", true},
      {"action=wrong&model_name=-", R"({"action":"update","model_name":"b","force_redownload":null})",
       manage_action::update, "b", false},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.query) + " " + c.body);
    const auto r = read(c.query, c.body);
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ(r->action, c.action);
    EXPECT_EQ(r->model, c.model);
    EXPECT_EQ(r->force_redownload, c.force);
  }
}

TEST_F(reading_manage, what_asks_for_nothing_is_refused) {
  const struct {
    const char *query, *body, *says;
  } cases[] = {
      {"", "", "'action' is missing"},
      {"model_name=m", "", "'action' is missing"},
      {"action=delete&model_name=m", "", "Invalid action: delete"},
      {"action=Optimize&model_name=m", "", "Invalid action: Optimize"},
      {"", R"({"action":"delete","model_name":"m"})", "Invalid action: delete"},
      {"action=optimize", "", "'model_name' is missing"},
      {"action=optimize&model_name=", "", "'model_name' is missing"},
      {"action=optimize&model_name=../etc", "", "Invalid model name"},
      {"action=optimize&model_name=%zz", "", "model_name"},
      {"action=retry_download&model_name=m&force_redownload=yes", "", "'force_redownload' must be true or false"},
      {"action=retry_download&model_name=m&force_redownload=yes", R"({"force_redownload":true})", "force_redownload"},
      {"action=optimize&model_name=m", "{", "JSON"},
      {"action=optimize&model_name=m", "[]", "must be a JSON object"},
      {"", R"({"action":1,"model_name":"m"})", "'action' must be a string"},
      {"action=optimize", R"({"model_name":["m"]})", "'model_name' must be a string"},
      {"action=retry_download&model_name=m", R"({"force_redownload":"true"})", "must be true or false, found a string"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.query) + " " + c.body);
    const auto r = read(c.query, c.body);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, error_code::bad_request);
    EXPECT_NE((r.error().message + r.error().detail).find(c.says), std::string::npos)
        << r.error().message << " / " << r.error().detail;
  }
}

TEST_F(reading_manage, an_unknown_action_is_told_the_known_ones) {
  EXPECT_EQ(read("action=delete&model_name=m").error().detail, "one of optimize, retry_download, update");
}

}  // namespace
}  // namespace troupe::http::tests
