// /v1/realtime over a socket and sessions in memory.
#include "http/ws/realtime_protocol.hpp"

#include <gmock/gmock.h>

#include <set>
#include <span>

#include "http/json/base64.hpp"
#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct realtime : ::testing::Test {
  fake_sessions sessions;
  std::shared_ptr<fake_socket> socket = std::make_shared<fake_socket>();
  std::unique_ptr<realtime_protocol> protocol;
  std::set<std::string> event_ids;

  realtime() { open({"id-1", false, false}); }
  ~realtime() override { protocol->closed(); }

  void open(realtime_door door) {
    if (protocol) protocol->closed();
    socket = std::make_shared<fake_socket>();
    protocol = std::make_unique<realtime_protocol>(sessions, "a-model", "192.0.2.7", std::move(door));
    protocol->opened(socket);
  }
  void text(const std::string& message) {
    ASSERT_FALSE(socket->paused);
    protocol->text(message);
    socket->pump();
  }
  void append(std::string_view bytes) {
    text(R"({"type":"input_audio_buffer.append","audio":")" + base64(std::as_bytes(std::span(bytes))) + "\"}");
  }
  void commit() { text(R"({"type":"input_audio_buffer.commit"})"); }
  void by_hand() { text(R"({"type":"session.update","session":{"audio":{"input":{"turn_detection":null}}}})"); }
  fake_session& last() { return *sessions.all.back(); }
  void increment(std::string words, std::optional<double> begin_s = {}) {
    last().tell(actors::session_increment{{.text = std::move(words), .final = false, .begin_s = begin_s, .end_s = {}}});
    socket->pump();
  }
  void sentence(std::string words, std::optional<double> begin_s = {}, std::optional<double> end_s = {}) {
    last().tell(
        actors::session_sentence{{.text = std::move(words), .final = true, .begin_s = begin_s, .end_s = end_s}, "raw"});
    socket->pump();
  }
  void end() {
    last().end();
    socket->pump();
  }
  // What was told since the last call: type|item|text or ms.
  std::vector<std::string> told() {
    std::vector<std::string> out;
    for (const auto& sent : std::exchange(socket->sent, {})) {
      const auto m = parse(sent);
      EXPECT_TRUE(event_ids.insert(m["event_id"].GetString()).second) << sent;
      std::string line = m["type"].GetString();
      for (const std::string prefix :
           {"conversation.item.input_audio_transcription.", "conversation.", "input_audio_buffer."}) {
        if (line.starts_with(prefix)) {
          line = line.substr(prefix.size());
          break;
        }
      }
      if (m.HasMember("item_id")) line += "|" + number(m["item_id"].GetString());
      if (m.HasMember("item")) line += "|" + number(m["item"]["id"].GetString());
      if (m.HasMember("previous_item_id")) {
        line += m["previous_item_id"].IsNull() ? "<null" : "<" + number(m["previous_item_id"].GetString());
      }
      for (const char* key : {"delta", "transcript"}) {
        if (m.HasMember(key)) line += "|" + std::string(m[key].GetString());
      }
      for (const char* key : {"audio_start_ms", "audio_end_ms"}) {
        if (m.HasMember(key)) line += "|" + std::to_string(m[key].GetInt());
      }
      if (m.HasMember("error")) line += "|" + std::string(m["error"]["code"].GetString());
      out.push_back(line);
    }
    return out;
  }
  static std::string number(const std::string& id) { return id.substr(id.rfind('_') + 1); }
  rapidjson::Document last_message() { return parse(socket->sent.back()); }
};

TEST_F(realtime, sentences_are_items) {
  EXPECT_THAT(told(), ElementsAre("session.created"));
  append(std::string(96, 'x'));
  ASSERT_EQ(sessions.all.size(), 1u);
  EXPECT_EQ(last().asked.model, "a-model");
  EXPECT_EQ(last().asked.mode, actors::session_mode::two_pass);
  EXPECT_EQ(last().asked.peer, "192.0.2.7");
  EXPECT_THAT(told(), IsEmpty());
  increment("hello", 0.25);
  increment(" world", 0.5);
  EXPECT_THAT(told(), ElementsAre("speech_started|1|250", "delta|1|hello", "delta|1| world"));
  sentence("Hello, world.", 0.25, 0.75);
  EXPECT_THAT(told(), ElementsAre("speech_stopped|1|750", "committed|1<null", "item.added|1<null", "item.done|1<null",
                                  "completed|1|Hello, world."));
  increment(" again", 2.0);
  sentence("Again.", 2.0, 2.5);
  EXPECT_THAT(told(), ElementsAre("speech_started|2|2000", "delta|2|again", "speech_stopped|2|2500", "committed|2<1",
                                  "item.added|2<1", "item.done|2<1", "completed|2|Again."));
  EXPECT_FALSE(socket->paused);
  EXPECT_FALSE(last().finished) << "the session goes on";
}

TEST_F(realtime, without_times_nothing_is_told_of_speech) {
  append("xxxx");
  told();
  increment("a");
  sentence("A.");
  EXPECT_THAT(told(),
              ElementsAre("delta|1|a", "committed|1<null", "item.added|1<null", "item.done|1<null", "completed|1|A."));
}

TEST_F(realtime, a_sentence_that_was_none) {
  append("xxxx");
  told();
  sentence("");
  EXPECT_THAT(told(), IsEmpty());
  increment("noise");
  sentence("");
  EXPECT_THAT(told(), ElementsAre("delta|1|noise", "committed|1<null", "item.added|1<null", "item.done|1<null",
                                  "completed|1|"));
}

TEST_F(realtime, what_is_committed_is_an_item) {
  by_hand();
  told();
  append(std::string(48000, 'x'));
  increment("one", 0.5);
  sentence("One.", 0.5, 1.0);
  increment(" two", 1.5);
  EXPECT_THAT(told(), ElementsAre("delta|1|one", "delta|1| two"));
  commit();
  EXPECT_TRUE(last().finished);
  EXPECT_TRUE(socket->paused) << "what follows is another item's";
  EXPECT_THAT(told(), ElementsAre("committed|1<null", "item.added|1<null", "item.done|1<null"));
  increment(" three");
  sentence("Two, three.");
  last().end();
  socket->pump();
  const auto done = last_message();
  EXPECT_EQ(done["usage"]["type"], "duration");
  EXPECT_DOUBLE_EQ(done["usage"]["seconds"].GetDouble(), 1.0);
  EXPECT_THAT(told(), ElementsAre("delta|1| three", "completed|1|One. Two, three."));
  EXPECT_TRUE(last().dropped) << "a quiet socket has no session";
  EXPECT_FALSE(socket->paused);
  append("xxxx");
  EXPECT_EQ(sessions.all.size(), 2u);
  commit();
  end();
  EXPECT_THAT(told(), ElementsAre("committed|2<1", "item.added|2<1", "item.done|2<1", "completed|2|"));
}

TEST_F(realtime, a_commit_between_turns) {
  append(std::string(48000, 'x'));
  increment("half", 0.5);
  told();
  commit();
  sentence("Half.", 0.5, 0.9);
  end();
  EXPECT_THAT(told(), ElementsAre("committed|1<null", "item.added|1<null", "item.done|1<null", "completed|1|Half."));
  append("xxxx");
  increment("next", 0.25);
  EXPECT_THAT(told(), ElementsAre("speech_started|2|1250", "delta|2|next")) << "times are of the socket's sound";
}

TEST_F(realtime, nothing_to_commit) {
  told();
  text(R"({"type":"input_audio_buffer.commit","event_id":"mine"})");
  EXPECT_STREQ(last_message()["error"]["event_id"].GetString(), "mine");
  EXPECT_THAT(told(), ElementsAre("error|input_audio_buffer_commit_empty"));
  append("");
  commit();
  EXPECT_THAT(told(), ElementsAre("error|input_audio_buffer_commit_empty"));
  EXPECT_TRUE(sessions.all.empty());
}

TEST_F(realtime, clear) {
  told();
  text(R"({"type":"input_audio_buffer.clear"})");
  EXPECT_THAT(told(), ElementsAre("cleared"));
  append("xxxx");
  increment("gone");
  text(R"({"type":"input_audio_buffer.clear"})");
  EXPECT_TRUE(last().dropped);
  EXPECT_THAT(told(), ElementsAre("delta|1|gone", "failed|1|cancelled", "cleared"));
  append("xxxx");
  increment("here");
  EXPECT_THAT(told(), ElementsAre("delta|2|here"));
}

TEST_F(realtime, what_the_session_is_set_to) {
  socket->sent.clear();
  text(R"({"type":"session.update","session":{"type":"transcription","audio":{"input":{
           "format":{"type":"audio/pcmu"},"transcription":{"model":"m","keywords":["k"]}}}}})");
  auto m = last_message();
  EXPECT_EQ(m["type"], "session.updated");
  EXPECT_EQ(m["session"]["type"], "transcription");
  EXPECT_EQ(m["session"]["id"], "sess_id-1");
  const auto& input = m["session"]["audio"]["input"];
  EXPECT_EQ(input["format"]["type"], "audio/pcmu");
  EXPECT_EQ(input["transcription"]["model"], "m");
  EXPECT_EQ(input["turn_detection"]["type"], "server_vad");
  EXPECT_TRUE(input["noise_reduction"].IsNull());
  append(std::string(1, '\x00') + std::string(1, '\x80'));
  EXPECT_EQ(last().asked.model, "m");
  EXPECT_THAT(last().asked.options.hotwords, ElementsAre("k"));
  text(R"({"type":"transcription_session.update","session":{"input_audio_format":"g711_ulaw"}})");
  m = last_message();
  EXPECT_EQ(m["type"], "transcription_session.updated") << "the same: it may be said at any time";
  EXPECT_EQ(m["session"]["input_audio_format"], "g711_ulaw");
  told();
  text(R"({"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"other"}}}}})");
  EXPECT_THAT(told(), ElementsAre("error|conflict"));
  EXPECT_FALSE(socket->closed);
}

TEST_F(realtime, the_beta) {
  open({"id-2", true, true});
  auto m = last_message();
  EXPECT_EQ(m["type"], "transcription_session.created");
  EXPECT_EQ(m["session"]["input_audio_format"], "pcm16");
  EXPECT_EQ(m["session"]["turn_detection"]["type"], "server_vad");
  told();
  append("xxxx");
  sentence("A.");
  EXPECT_THAT(told(), ElementsAre("committed|1<null", "item.created|1<null", "completed|1|A."));
  open({"id-3", true, false});
  EXPECT_EQ(last_message()["type"], "session.created") << "as its conversations begin";
}

TEST_F(realtime, what_it_cannot_do_is_named_and_the_socket_stays) {
  told();
  text(R"({"type":"response.create","event_id":"mine"})");
  auto m = last_message();
  EXPECT_THAT(m["error"]["message"].GetString(), HasSubstr("response.create"));
  EXPECT_EQ(m["error"]["type"], "invalid_request_error");
  EXPECT_EQ(m["error"]["event_id"], "mine");
  text(R"({"type":"session.update","session":{"tools":[{"type":"function","name":"f"}]}})");
  EXPECT_EQ(last_message()["error"]["param"], "session.tools");
  text("nonsense");
  protocol->binary("xxxx");
  protocol->text(std::string(100000, '['));
  EXPECT_THAT(told(), ElementsAre("error|unknown_event", "error|unknown_parameter", "error|bad_request",
                                  "error|bad_request", "error|bad_request"));
  EXPECT_FALSE(socket->closed);
  append("xxxx");
  EXPECT_EQ(sessions.all.size(), 1u);
}

TEST_F(realtime, a_session_that_the_client_can_mend) {
  sessions.at_once = false;
  append("xxxx");
  last().refuse({error_code::model_not_found, "No such model", "known: x", {}});
  socket->pump();
  EXPECT_THAT(told(), ElementsAre("session.created", "error|model_not_found"));
  EXPECT_FALSE(socket->closed);
  append("xxxx");
  EXPECT_EQ(sessions.all.size(), 1u) << "told once, not with each piece of sound";
  EXPECT_THAT(told(), IsEmpty());
  commit();
  EXPECT_THAT(told(), ElementsAre("error|input_audio_buffer_commit_empty"));
  sessions.at_once = true;
  append("xxxx");
  EXPECT_EQ(sessions.all.size(), 2u);
}

TEST_F(realtime, an_item_whose_session_fails) {
  by_hand();
  append("xxxx");
  increment("half");
  commit();
  told();
  last().fail({error_code::model_failed, "It broke", {}, {}});
  socket->pump();
  EXPECT_THAT(told(), ElementsAre("failed|1|model_failed", "error|model_failed"));
  EXPECT_EQ(socket->closed, close_code::internal);
  EXPECT_TRUE(last().dropped);
  protocol->text(R"({"type":"input_audio_buffer.clear"})");  // what came behind it is not heard
  EXPECT_THAT(told(), IsEmpty());
}

TEST_F(realtime, too_many_sessions) {
  sessions.at_once = false;
  append("xxxx");
  told();
  last().refuse({error_code::too_many_requests, "Too many sessions", {}, 1});
  socket->pump();
  EXPECT_EQ(last_message()["error"]["type"], "rate_limit_error");
  EXPECT_THAT(told(), ElementsAre("error|rate_limit_exceeded"));
  EXPECT_EQ(socket->closed, close_code::try_again_later);
}

TEST_F(realtime, an_odd_byte_at_the_end_fails_the_item) {
  append("xxx");
  told();
  commit();
  EXPECT_THAT(told(), ElementsAre("committed|1<null", "item.added|1<null", "item.done|1<null", "failed|1|unprocessable",
                                  "error|unprocessable"));
  EXPECT_FALSE(socket->closed);
  EXPECT_FALSE(socket->paused);
}

TEST_F(realtime, an_item_has_its_limit) {
  by_hand();
  append("xxxx");
  told();
  for (int i = 0; i < 4; ++i) sentence(std::string(60000, 'w'));
  EXPECT_THAT(told(), IsEmpty());
  sentence(std::string(60000, 'w'));
  EXPECT_THAT(told(), ElementsAre("error|payload_too_large"));
  EXPECT_TRUE(last().dropped);
}

TEST_F(realtime, a_server_that_ends) {
  append("xxxx");
  increment("half");
  told();
  protocol->draining();
  EXPECT_TRUE(last().finished) << "nobody commits turns";
  sentence("Half.");
  end();
  EXPECT_THAT(told(), ElementsAre("committed|1<null", "item.added|1<null", "item.done|1<null", "completed|1|Half."));
  EXPECT_EQ(socket->closed, close_code::going_away);
  open({"id-2", false, false});
  by_hand();
  append("xxxx");
  protocol->draining();
  EXPECT_FALSE(last().finished);
  commit();
  end();
  EXPECT_EQ(socket->closed, close_code::going_away);
  open({"id-3", false, false});
  protocol->draining();
  EXPECT_EQ(socket->closed, close_code::going_away);
}

}  // namespace
}  // namespace troupe::http::tests
