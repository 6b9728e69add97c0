// /recognize, /transcribe and /punctuate: what is asked of the recordings, and what clients are told.
#include <gmock/gmock.h>

#include "http/json/base64.hpp"
#include "tests/http/fakes.hpp"
#include "tests/http/recordings.hpp"

namespace troupe::http::tests {
namespace {

using ::testing::HasSubstr;

const std::map<std::string, std::string> as_form{{"Content-Type", "multipart/form-data; boundary=B"}};

struct recordings_test : ::testing::Test, bench {
  recordings_test() {
    actors::recording_begun begun{"hears", {inference::sound_format::flac, 44100, 2}, false, true};
    service.recorded.at_once = {begun, sentence("你好。", {"你", "好"}, 0.5), sentence("Good bye.", {"good", "bye"}, 2),
                                actors::recording_ended{3.25}};
  }
  const actors::recording_request& asked() { return service.recorded.all.at(0)->asked; }
  std::string file() {
    const auto bytes = asked().file;
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

TEST_F(recordings_test, recognize) {
  const auto e = ask("POST", "/recognize",
                     form({{"model", "beta"},
                           {"punctuate", "false"},
                           {"hotwords", "one, two"},
                           {"itn", "0"},
                           {"timeout", "2.5"},
                           {"other", "x"}}),
                     as_form);
  ASSERT_EQ(e->answer->status, 200u) << e->answer->body;
  EXPECT_EQ(file(), "SOUND");
  EXPECT_EQ(asked().model, "beta");
  EXPECT_FALSE(asked().punctuate);
  EXPECT_EQ(asked().hotwords, (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(asked().timeout_ms, 2500u);
  EXPECT_EQ(asked().peer, "192.0.2.7");
  const auto d = parse(e->answer->body);
  EXPECT_TRUE(d["success"].GetBool());
  EXPECT_STREQ(d["text"].GetString(), "你好。Good bye.");
  EXPECT_EQ(d["duration"].GetDouble(), 3.25);
  EXPECT_GE(d["processing_time"].GetDouble(), 0);
  ASSERT_EQ(d["segments"].Size(), 2u);
  EXPECT_EQ(d["segments"][0]["start"].GetDouble(), 0.5);
  EXPECT_EQ(d["segments"][0]["end"].GetDouble(), 1.5);
  EXPECT_STREQ(d["segments"][1]["text"].GetString(), "Good bye.");
  EXPECT_TRUE(d["segments"][0]["confidence"].IsNull()) << "nobody knows it";
  EXPECT_STREQ(d["metadata"]["model"].GetString(), "hears");
  EXPECT_STREQ(d["metadata"]["format"].GetString(), "FLAC");
  EXPECT_EQ(d["metadata"]["sample_rate"].GetInt(), 44100);
  EXPECT_FALSE(d["metadata"]["hotwords_used"].GetBool()) << "told where unused";
  EXPECT_FALSE(d.HasMember("sentences"));
}

TEST_F(recordings_test, transcribe_tells_tokens) {
  const auto e = ask("POST", "/transcribe", form({}), as_form);
  ASSERT_EQ(e->answer->status, 200u) << e->answer->body;
  EXPECT_EQ(asked().model, "");
  EXPECT_TRUE(asked().punctuate);
  const auto d = parse(e->answer->body);
  const auto& tokens = d["sentences"][1]["tokens"];
  ASSERT_EQ(tokens.Size(), 2u);
  EXPECT_STREQ(tokens[1]["text"].GetString(), "bye");
  EXPECT_EQ(tokens[1]["start"].GetDouble(), 2.5);
  EXPECT_EQ(tokens[1]["id"].GetInt(), 7);
  EXPECT_FALSE(d["metadata"].HasMember("hotwords_used"));
}

TEST_F(recordings_test, the_file_alone_and_in_json) {
  ask("POST", "/transcribe?model=beta&punctuate=no", "SOUND", {{"Content-Type", "audio/wav"}});
  EXPECT_EQ(file(), "SOUND");
  EXPECT_EQ(asked().model, "beta");
  EXPECT_FALSE(asked().punctuate);
  service.recorded.all.clear();
  const std::string sound("SO\0ND", 5);
  ask("POST", "/recognize?model=alpha",
      R"({"audio": ")" + base64(std::as_bytes(std::span(sound))) +
          R"(", "model": "beta", "timeout": 3, "punctuate": true})",
      {{"Content-Type", "application/json"}});
  EXPECT_EQ(file(), sound);
  EXPECT_EQ(asked().model, "beta") << "the body wins over the query";
  EXPECT_EQ(asked().timeout_ms, 3000u);
}

TEST_F(recordings_test, the_body_is_no_copy_and_lives_as_long_as_it_is_heard) {
  service.recorded.at_once.clear();
  auto e = send("POST", "/recognize", form({}), as_form);
  const auto bytes = asked().file;
  EXPECT_GE(reinterpret_cast<const char*>(bytes.data()), e->body_.data());
  EXPECT_LT(reinterpret_cast<const char*>(bytes.data()), e->body_.data() + e->body_.size());
  const std::weak_ptr<fake_exchange> watched = e;
  e.reset();
  EXPECT_FALSE(watched.expired()) << "who hears it holds it";
  service.recorded.all.clear();
  EXPECT_TRUE(watched.expired());
}

TEST_F(recordings_test, what_is_wrong_is_named) {
  const auto wrong = [&](std::string body, std::map<std::string, std::string> headers, unsigned status,
                         const std::string& code, const std::string& word, const std::string& query = "") {
    const auto e = ask("POST", "/recognize" + query, std::move(body), std::move(headers));
    const auto d = expect_error(*e, status, code);
    EXPECT_THAT(d["details"].GetString(), HasSubstr(word));
    EXPECT_TRUE(service.recorded.all.empty()) << word;
  };
  wrong("x", {{"Content-Type", "text/plain"}}, 415, "UNSUPPORTED_FORMAT", "text/plain");
  wrong("x", {}, 415, "UNSUPPORTED_FORMAT", "missing");
  wrong("x", {{"Content-Type", "audio/wav"}, {"Content-Encoding", "gzip"}}, 415, "UNSUPPORTED_FORMAT", "gzip");
  wrong("--B--\r\n", as_form, 400, "BAD_REQUEST", "'file' is missing");
  wrong("nothing", as_form, 400, "BAD_REQUEST", "nowhere");
  wrong(form({}).substr(0, 80), as_form, 400, "BAD_REQUEST", "Malformed form");
  wrong("--B\r\nContent-Disposition: form-data; name=file\r\n\r\na\r\n" + form({}), as_form, 400, "BAD_REQUEST",
        "several files");
  wrong("--B\r\nContent-Disposition: form-data; name=audio; filename=x\r\n\r\na\r\n--B--", as_form, 400, "BAD_REQUEST",
        "'file'");
  wrong(form({{"model", "\xff"}}), as_form, 400, "BAD_REQUEST", "'model'");
  wrong(form({{"punctuate", "maybe"}}), as_form, 400, "BAD_REQUEST", "'punctuate'");
  wrong(form({{"itn", "true"}}), as_form, 422, "UNPROCESSABLE", "'itn'");
  wrong(form({{"timeout", "0"}}), as_form, 400, "BAD_REQUEST", "'timeout'");
  wrong(form({{"timeout", "nan"}}), as_form, 400, "BAD_REQUEST", "'timeout'");
  wrong(form({}), as_form, 400, "BAD_REQUEST", "query", "?a=%zz");
  wrong(R"({"audio": "no base64!"})", {{"Content-Type", "application/json"}}, 400, "BAD_REQUEST", "base64");
  wrong(R"({"audio": "QQ==", "model": {}})", {{"Content-Type", "application/json"}}, 400, "BAD_REQUEST", "'model'");
  wrong(R"({})", {{"Content-Type", "application/json"}}, 400, "BAD_REQUEST", "'file' is missing");
  wrong("[", {{"Content-Type", "application/json"}}, 400, "BAD_REQUEST", "JSON");
  settings.max_body_bytes = 1024;
  handle = nullptr;
  wrong(R"({"audio": ")" + std::string(2000, 'A') + R"("})", {{"Content-Type", "application/json"}}, 413,
        "PAYLOAD_TOO_LARGE", "multipart");
  const auto e = ask("POST", "/recognize", form({{"model", "bet"}}), as_form);
  EXPECT_THAT(expect_error(*e, 404, "MODEL_NOT_FOUND")["details"].GetString(), HasSubstr("beta"));
  EXPECT_TRUE(service.recorded.all.empty());
}

TEST_F(recordings_test, failures_are_told) {
  service.recorded.at_once = {actors::recording_failed{{error_code::unsupported_media, "the file is M4A", "WAV", {}}}};
  auto d = expect_error(*ask("POST", "/recognize", form({}), as_form), 415, "UNSUPPORTED_FORMAT");
  EXPECT_STREQ(d["error"].GetString(), "the file is M4A");
  EXPECT_STREQ(d["error_code"].GetString(), "UNSUPPORTED_FORMAT");
  service.recorded.at_once = {actors::recording_failed{{error_code::too_many_requests, "full", {}, 5}}};
  const auto e = ask("POST", "/transcribe", form({}), as_form);
  expect_error(*e, 429, "TOO_MANY_REQUESTS");
  EXPECT_EQ(e->header_of_answer("Retry-After"), "5");
}

TEST_F(recordings_test, a_client_that_leaves_calls_it_off) {
  service.recorded.at_once.clear();
  const auto e = send("POST", "/recognize", form({}), as_form);
  ASSERT_EQ(e->on_gone.size(), 1u);
  EXPECT_FALSE(service.recorded.all[0]->cancelled);
  e->on_gone[0]();
  EXPECT_TRUE(service.recorded.all[0]->cancelled);
}

TEST_F(recordings_test, uploads_have_a_limit_of_their_own) {
  make_routes();
  settings.max_upload_bytes = 5000000;
  settings.max_body_bytes = 100000;
  const auto table = make_routes();
  for (const char* path : {"/recognize", "/transcribe", "/v1/audio/transcriptions"}) {
    EXPECT_EQ(table->body_limit(settings, "POST", path), 5000000u);
    const auto e = std::make_shared<fake_exchange>();
    EXPECT_EQ(table->body_setting("POST", path), "max_upload_bytes");
  }
  EXPECT_EQ(table->body_limit(settings, "POST", "/punctuate"), 100000u);
  EXPECT_EQ(table->body_setting("POST", "/punctuate"), "max_body_bytes");
}

TEST_F(recordings_test, punctuate) {
  service.on_predict = [](const std::shared_ptr<actors::job>& job, const actors::predict_request& request) {
    EXPECT_EQ(request.asked.task, inference::task::punctuation_restoration);
    actors::item_result r;
    r.value = inference::transcript{"你好，吗？", true, {}, {}};
    job->write(std::move(r));
  };
  const auto e = ask("POST", "/punctuate", R"({"text": "你好，吗"})");
  ASSERT_EQ(e->answer->status, 200u) << e->answer->body;
  EXPECT_EQ(service.predicted.at(0).model, "alpha") << "the server's model for it";
  const auto d = parse(e->answer->body);
  EXPECT_STREQ(d["text"].GetString(), "你好，吗？");
  EXPECT_STREQ(d["punctuated_text"].GetString(), "你好，吗？");
  EXPECT_STREQ(d["original_text"].GetString(), "你好，吗");
  EXPECT_STREQ(d["model"].GetString(), "alpha");
  const auto& s = d["statistics"];
  EXPECT_EQ(s["original_length"].GetInt(), 4);
  EXPECT_EQ(s["punctuated_length"].GetInt(), 5);
  EXPECT_EQ(s["marks_added"].GetInt(), 1) << "one was there before";
  EXPECT_EQ(s["marks"].MemberCount(), 1u);
  EXPECT_EQ(s["marks"]["？"].GetInt(), 1);
}

TEST_F(recordings_test, punctuate_refuses) {
  expect_error(*ask("POST", "/punctuate", R"({"text": " "})"), 422, "UNPROCESSABLE");
  expect_error(*ask("POST", "/punctuate", R"({})"), 400, "BAD_REQUEST");
  expect_error(*ask("POST", "/punctuate", R"({"text": "a", "model": "nobody"})"), 404, "MODEL_NOT_FOUND");
  service.recorded.punctuates.clear();
  expect_error(*ask("POST", "/punctuate", R"({"text": "a"})"), 404, "MODEL_NOT_FOUND");
}

}  // namespace
}  // namespace troupe::http::tests
