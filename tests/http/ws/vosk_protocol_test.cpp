// vosk-server's protocol over a socket and sessions in memory: one answer to each message of sound.
#include "http/ws/vosk_protocol.hpp"

#include <gmock/gmock.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct vosk : ::testing::Test {
  fake_sessions sessions;
  std::shared_ptr<fake_socket> socket = std::make_shared<fake_socket>();
  vosk_protocol protocol{sessions, "a-model", "192.0.2.7"};

  vosk() { protocol.opened(socket); }
  ~vosk() override { protocol.closed(); }

  void text(std::string_view message) {
    ASSERT_FALSE(socket->paused);
    protocol.text(message);
    socket->pump();
  }
  void binary(std::string_view bytes) {
    ASSERT_FALSE(socket->paused);
    protocol.binary(bytes);
    socket->pump();
  }
  fake_session& last() { return *sessions.all.back(); }
  void say(const std::string& what) {
    last().say(what);
    socket->pump();
  }
  // Words of a second each.
  void sentence(const std::string& raw, const std::vector<std::string>& tokens, const std::string& marked) {
    actors::session_sentence told;
    told.raw = raw;
    told.text = {.text = marked, .final = true, .begin_s = {}, .end_s = {}};
    for (const auto& t : tokens) {
      const auto at = static_cast<double>(told.text.tokens.size());
      told.text.tokens.push_back({1, t, at, at + 1});
    }
    last().tell(std::move(told));
    socket->pump();
  }
  void end() {
    last().end();
    socket->pump();
  }
  std::string error() {
    EXPECT_FALSE(socket->sent.empty());
    const auto m = parse(socket->sent.back());
    return m.HasMember("error") ? m["error"].GetString() : "";
  }
};

TEST_F(vosk, python_client) {
  text(R"({ "config" : { "sample_rate" : 16000 } })");
  EXPECT_TRUE(socket->sent.empty()) << "a configuration has no answer";
  EXPECT_TRUE(sessions.all.empty()) << "opened by sound, not by terms";
  binary("xxxx");
  ASSERT_EQ(sessions.all.size(), 1u);
  EXPECT_EQ(last().asked.model, "a-model");
  EXPECT_EQ(last().asked.mode, actors::session_mode::two_pass);
  EXPECT_EQ(last().asked.peer, "192.0.2.7");
  EXPECT_EQ(last().fed.size(), 2u);
  say("hel");
  binary("xxxx");
  say("lo");
  binary("xxxx");
  sentence("hello", {"hel@@", "lo"}, "Hello.");
  say(" wor");
  binary("xxxx");
  binary("xxxx");
  text(R"({"eof" : 1})");
  EXPECT_TRUE(last().finished);
  EXPECT_EQ(socket->sent.size(), 5u) << "the last answer waits for the end";
  sentence("world", {"wor@@", "ld"}, "World.");
  end();
  EXPECT_THAT(socket->sent,
              ElementsAre(R"({"partial":""})", R"({"partial":"hel"})", R"({"partial":"hello"})",
                          R"({"result":[{"conf":null,"end":2.0,"start":0.0,"word":"hello"}],"text":"hello"})",
                          R"({"partial":"wor"})",
                          R"({"result":[{"conf":null,"end":2.0,"start":0.0,"word":"world"}],"text":"world"})"));
  EXPECT_EQ(socket->closed, close_code::normal) << "node's client ends when it is closed";
  EXPECT_TRUE(last().dropped);
}

TEST_F(vosk, sentences_that_nobody_was_told_are_told_as_one) {
  binary("xxxx");
  sentence("one two", {}, "");
  sentence("three", {}, "");
  text(R"({"eof":1})");
  sentence("four", {}, "");
  end();
  EXPECT_EQ(socket->sent.back(), R"({"text":"one two three four"})");
}

TEST_F(vosk, a_sentence_that_was_none_takes_its_partial_back) {
  binary("xxxx");
  say("noise");
  binary("xxxx");
  sentence("", {}, "");
  binary("xxxx");
  EXPECT_THAT(socket->sent, ElementsAre(R"({"partial":""})", R"({"partial":"noise"})", R"({"partial":""})"));
}

TEST_F(vosk, no_sound_is_no_text) {
  text(R"({"eof" : 1})");
  EXPECT_THAT(socket->sent, ElementsAre(R"({"text":""})"));
  EXPECT_EQ(socket->closed, close_code::normal);
  EXPECT_TRUE(sessions.all.empty());
}

TEST_F(vosk, an_empty_message_is_answered) {
  binary("");
  EXPECT_THAT(socket->sent, ElementsAre(R"({"partial":""})"));
  EXPECT_TRUE(sessions.all.empty());
}

TEST_F(vosk, reset_begins_anew_and_the_rate_may_change) {
  binary("xxxx");
  text(R"({"reset" : 1})");
  say("old");
  sentence("old", {}, "");
  end();
  EXPECT_EQ(socket->sent.back(), R"({"text":"old"})");
  EXPECT_FALSE(socket->closed);
  EXPECT_FALSE(socket->paused);
  text(R"({"config":{"sample_rate":8000.0,"model":"other"}})");
  binary("xxxx");
  ASSERT_EQ(sessions.all.size(), 2u);
  EXPECT_EQ(last().asked.model, "other");
  EXPECT_EQ(socket->sent.back(), R"({"partial":""})");
}

TEST_F(vosk, what_is_configured) {
  text(R"({"config":{"phrase_list":["zero one","[unk]"],"words":0,"max_alternatives":3,"sample_rate":null,"x":[]}})");
  binary("xxxx");
  EXPECT_THAT(last().asked.options.hotwords, ElementsAre("zero one"));
  sentence("a", {"a"}, "A.");
  binary("xxxx");
  EXPECT_EQ(socket->sent.back(), R"({"alternatives":[{"confidence":null,"text":"a"}]})");
  text(R"({"config":{"words":true}})");
  sentence("b", {"b"}, "B.");
  binary("xxxx");
  EXPECT_EQ(socket->sent.back(),
            R"({"alternatives":[{"confidence":null,"result":[{"end":1.0,"start":0.0,"word":"b"}],"text":"b"}]})");
}

TEST_F(vosk, the_usual_rate_is_8000) {
  binary(std::string(16000, 'x'));
  text(R"({"eof":1})");
  EXPECT_NEAR(static_cast<double>(last().fed.size()), 16000, 2);
}

TEST_F(vosk, an_answer_waits_for_its_place_in_the_session) {
  sessions.at_once = false;
  sessions.credit = 10;
  text(R"({"config":{"sample_rate":16000}})");
  binary(std::string(50, 'x'));
  EXPECT_TRUE(socket->paused);
  EXPECT_TRUE(socket->sent.empty()) << "not opened yet";
  last().open();
  socket->pump();
  EXPECT_EQ(last().fed.size(), 10u);
  EXPECT_TRUE(socket->sent.empty()) << "no credit";
  say("x");
  last().give(10);
  socket->pump();
  EXPECT_TRUE(socket->sent.empty());
  last().give(20);
  socket->pump();
  EXPECT_THAT(socket->sent, ElementsAre(R"({"partial":"x"})"));
  last().give(20);
  socket->pump();
  EXPECT_EQ(socket->sent.size(), 1u) << "one answer a message";
}

TEST_F(vosk, what_is_wrong_is_told_and_closes) {
  for (const auto& [bad, named] : std::vector<std::pair<std::string, std::string>>{
           {"{", "message"},
           {"[]", "an array"},
           {"{}", "says nothing"},
           {R"({"hello":1})", "says nothing"},
           {R"({"config":[]})", "config"},
           {R"({"config":{"sample_rate":7999}})", "sample_rate: found 7999"},
           {R"({"config":{"sample_rate":8000.5}})", "sample_rate"},
           {R"({"config":{"sample_rate":"8000"}})", "sample_rate: found a string"},
           {R"({"config":{"words":"yes"}})", "words"},
           {R"({"config":{"phrase_list":"yes"}})", "phrase_list"},
           {R"({"config":{"phrase_list":[1]}})", "phrase_list"},
           {R"({"config":{"model":1}})", "model"},
           {std::string(300000, ' '), "300000 bytes"},
           {std::string(1000, '[') + std::string(1000, ']'), "levels deep"}}) {
    fake_sessions none;
    const auto s = std::make_shared<fake_socket>();
    vosk_protocol p(none, "", "");
    p.opened(s);
    p.text(bad);
    ASSERT_EQ(s->sent.size(), 1u) << bad.substr(0, 60);
    EXPECT_THAT(parse(s->sent[0])["error"].GetString(), HasSubstr(named)) << bad.substr(0, 60);
    EXPECT_TRUE(s->closed == close_code::policy || s->closed == close_code::too_big);
    p.text(R"({"eof":1})");  // what came behind it is not heard
    p.binary("xxxx");
    EXPECT_EQ(s->sent.size(), 1u);
    EXPECT_TRUE(none.all.empty());
    p.closed();
  }
}

TEST_F(vosk, the_rate_of_sound_that_has_come_stays) {
  binary("xxxx");
  text(R"({"config":{"words":0,"sample_rate":8000}})");
  EXPECT_FALSE(socket->closed) << "the same";
  text(R"({"config":{"sample_rate":16000}})");
  EXPECT_THAT(error(), HasSubstr("config: another sample_rate or model after sound of 8000 Hz"));
  EXPECT_EQ(socket->closed, close_code::policy);
  EXPECT_TRUE(last().dropped);
}

TEST_F(vosk, sessions_that_cannot_be_had_or_fail) {
  sessions.at_once = false;
  binary("xxxx");
  last().refuse({error_code::too_many_requests, "Too many sessions", {}, 1});
  socket->pump();
  EXPECT_EQ(error(), "Too many sessions");
  EXPECT_EQ(socket->closed, close_code::try_again_later);
}

TEST_F(vosk, an_odd_byte_at_the_end_is_an_error) {
  binary("xxx");
  text(R"({"eof":1})");
  EXPECT_THAT(error(), HasSubstr("ends within a sample"));
  EXPECT_EQ(socket->closed, close_code::policy);
}

TEST_F(vosk, a_server_that_ends) {
  binary("xxxx");
  protocol.draining();
  EXPECT_FALSE(socket->closed);
  text(R"({"reset":1})");
  end();
  EXPECT_EQ(socket->closed, close_code::going_away);
}

}  // namespace
}  // namespace troupe::http::tests
