// The WebSocket of /ws/{client_id} over a socket and sessions in memory.
#include "http/ws/client_session.hpp"

#include <gmock/gmock.h>

#include <limits>
#include <span>

#include "http/json/base64.hpp"
#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct client : ::testing::Test {
  fake_sessions sessions;
  std::shared_ptr<fake_socket> socket = std::make_shared<fake_socket>();
  client_session protocol{sessions, "a-model", "192.0.2.7 me"};

  client() { protocol.opened(socket); }
  ~client() override { protocol.closed(); }

  void text(const std::string& message) {
    ASSERT_FALSE(socket->paused);
    protocol.text(message);
    socket->pump();
  }
  void sound(std::string_view bytes) {
    const auto encoded = base64(std::as_bytes(std::span(bytes)));
    text(R"({"type":"audio_chunk","data":")" + encoded + "\"}");
  }
  template <class T>
  void samples(const std::vector<T>& all) {
    sound({reinterpret_cast<const char*>(all.data()), all.size() * sizeof(T)});
  }
  fake_session& last() { return *sessions.all.back(); }
  // status|code, result|text|final, error|code
  std::vector<std::string> told() {
    std::vector<std::string> out;
    for (const auto& sent : socket->sent) {
      const auto m = parse(sent);
      const std::string type = m["type"].GetString();
      if (type == "recognition_result") {
        EXPECT_TRUE(m["timestamp"].IsString() && m.HasMember("confidence"));
        out.push_back(std::string("result|") + m["text"].GetString() + (m["is_final"].GetBool() ? "|final" : ""));
      } else {
        EXPECT_TRUE(m["message"].IsString());
        if (type == "error") {
          EXPECT_TRUE(m["details"].IsString());
        }
        out.push_back(type + "|" + m["code"].GetString());
      }
    }
    return out;
  }
  std::string last_error() {
    EXPECT_FALSE(socket->sent.empty());
    const auto m = parse(socket->sent.back());
    return m.HasMember("code") ? std::string(m["code"].GetString()) + ": " + m["message"].GetString() : "";
  }
};

TEST_F(client, a_recording) {
  text(R"({"type":"start_recording"})");
  ASSERT_EQ(sessions.all.size(), 1u);
  EXPECT_EQ(last().asked.model, "a-model");
  EXPECT_EQ(last().asked.mode, actors::session_mode::online);
  EXPECT_EQ(last().asked.peer, "192.0.2.7 me");
  EXPECT_STREQ(parse(socket->sent[0])["message"].GetString(), "Recording started");
  samples(std::vector<float>{0.5f, -0.25f});
  samples(std::vector<float>{1.0f});
  EXPECT_THAT(last().fed, ElementsAre(0.5f, -0.25f, 1.0f));
  last().say("你");
  socket->pump();
  text(R"({"type":"stop_recording"})");
  EXPECT_TRUE(last().finished);
  last().say("好");
  last().say("吗");
  last().end();
  socket->pump();
  EXPECT_THAT(told(), ElementsAre("status|SESSION_STARTED", "result|你", "result|好", "result|吗|final",
                                  "status|SESSION_STOPPED"));
  EXPECT_STREQ(parse(socket->sent.back())["message"].GetString(), "Recording stopped");
  EXPECT_FALSE(socket->closed);
  EXPECT_TRUE(last().dropped);
  // And another one.
  text(R"({"type":"start_recording"})");
  EXPECT_EQ(sessions.all.size(), 2u);
}

TEST_F(client, a_final_result_comes_even_without_text) {
  text(R"({"type":"start_recording"})");
  text(R"({"type":"stop_recording"})");
  last().end();
  socket->pump();
  EXPECT_THAT(told(), ElementsAre("status|SESSION_STARTED", "result||final", "status|SESSION_STOPPED"));
}

TEST_F(client, formats_and_rates) {
  text(R"({"type":"start_recording","format":"int16"})");
  samples(std::vector<std::int16_t>{-32768, 16384});
  EXPECT_THAT(last().fed, ElementsAre(-1.0f, 0.5f));
  text(R"({"type":"stop_recording"})");
  last().end();
  socket->pump();
  text(R"({"type":"start_recording","format":"int32","sample_rate":48000})");
  samples(std::vector<std::int32_t>(48000, 0));
  text(R"({"type":"stop_recording"})");
  EXPECT_NEAR(static_cast<double>(last().fed.size()), 16000, 2);
}

TEST_F(client, sound_outside_of_a_recording_is_passed_over) {
  samples(std::vector<float>{0.5f});
  text(R"({"type":"stop_recording"})");
  EXPECT_TRUE(sessions.all.empty());
  EXPECT_THAT(told(), ElementsAre("status|SESSION_STOPPED"));
}

TEST_F(client, sound_that_is_none_is_named_and_the_recording_goes_on) {
  text(R"({"type":"start_recording"})");
  sound("abcde");
  EXPECT_EQ(last_error(), "INVALID_AUDIO_FORMAT: audio_chunk: 5 bytes are no whole number of samples");
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  samples(std::vector<float>{0.1f, nan, -infinite, 3e38f});
  EXPECT_EQ(last_error(), "INVALID_AUDIO_FORMAT: audio_chunk: 3 of 4 samples are no numbers");
  text(R"({"type":"audio_chunk","data":"a*b="})");
  EXPECT_THAT(last_error(), HasSubstr("INVALID_AUDIO_FORMAT: audio_chunk: \"data\" is not base64"));
  text(R"({"type":"audio_chunk"})");
  EXPECT_THAT(last_error(), HasSubstr("INVALID_AUDIO_FORMAT"));
  text(R"({"type":"audio_chunk","data":[1,2]})");
  EXPECT_THAT(last_error(), HasSubstr("INVALID_AUDIO_FORMAT"));
  EXPECT_TRUE(last().fed.empty());
  samples(std::vector<float>{0.5f});
  EXPECT_EQ(last().fed.size(), 1u);
  EXPECT_FALSE(socket->closed);
}

TEST_F(client, bad_messages_are_named) {
  for (const char* bad : {"hello", "[]", "{}", R"({"type":5})", R"({"type":"dance"})"}) {
    text(bad);
    EXPECT_THAT(last_error(), HasSubstr("SESSION_ERROR: ")) << bad;
  }
  protocol.text(std::string(100000, '[') + std::string(100000, ']'));
  EXPECT_THAT(last_error(), HasSubstr("levels deep"));
  protocol.binary("xxxx");
  EXPECT_THAT(last_error(), HasSubstr("SESSION_ERROR"));
  for (const char* bad :
       {R"({"type":"start_recording","format":"mp3"})", R"({"type":"start_recording","format":1})",
        R"({"type":"start_recording","sample_rate":7999})", R"({"type":"start_recording","sample_rate":"16000"})"}) {
    text(bad);
    EXPECT_THAT(last_error(), HasSubstr("INVALID_AUDIO_FORMAT: ")) << bad;
  }
  EXPECT_TRUE(sessions.all.empty());
  text(R"({"type":"start_recording"})");
  text(R"({"type":"start_recording"})");
  EXPECT_THAT(last_error(), HasSubstr("SESSION_ERROR: A recording is under way"));
  EXPECT_EQ(sessions.all.size(), 1u);
  EXPECT_FALSE(socket->closed);
}

TEST_F(client, sessions_that_cannot_be_had_or_fail) {
  sessions.at_once = false;
  text(R"({"type":"start_recording"})");
  EXPECT_TRUE(socket->sent.empty()) << "not started yet";
  last().refuse({error_code::model_not_found, "No such model", "known: x", {}});
  socket->pump();
  EXPECT_EQ(last_error(), "MODEL_UNAVAILABLE: No such model");
  text(R"({"type":"start_recording"})");
  last().refuse({error_code::too_many_requests, "Too many sessions", {}, 1});
  socket->pump();
  EXPECT_EQ(last_error(), "SESSION_ERROR: Too many sessions");
  sessions.at_once = true;
  text(R"({"type":"start_recording"})");
  samples(std::vector<float>{0.5f});
  last().fail({error_code::model_failed, "It broke", {}, {}});
  socket->pump();
  EXPECT_EQ(last_error(), "MODEL_UNAVAILABLE: It broke");
  EXPECT_TRUE(last().dropped);
  EXPECT_FALSE(socket->closed);
}

TEST_F(client, credit_holds_the_client_back) {
  sessions.credit = 10;
  text(R"({"type":"start_recording"})");
  samples(std::vector<float>(25, 0.5f));
  EXPECT_TRUE(socket->paused);
  EXPECT_EQ(last().fed.size(), 10u);
  last().give(15);
  socket->pump();
  EXPECT_FALSE(socket->paused);
  EXPECT_EQ(last().fed.size(), 25u);
}

TEST_F(client, a_server_that_ends) {
  text(R"({"type":"start_recording"})");
  protocol.draining();
  EXPECT_FALSE(socket->closed);
  text(R"({"type":"stop_recording"})");
  last().end();
  socket->pump();
  EXPECT_EQ(socket->closed, close_code::going_away);
  EXPECT_THAT(told(), ElementsAre("status|SESSION_STARTED", "result||final", "status|SESSION_STOPPED"));
}

}  // namespace
}  // namespace troupe::http::tests
