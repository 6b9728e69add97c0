// FunASR's protocol with files: kept until they are whole, heard as recordings, told as sentences.

#include <gmock/gmock.h>

#include "http/ws/funasr_protocol.hpp"
#include "inference/audio/wav_head.hpp"
#include "tests/http/fakes.hpp"
#include "tests/http/recordings.hpp"

namespace troupe::http::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct funasr_file : ::testing::Test {
  fake_sessions sessions;
  fake_recordings recordings;
  std::shared_ptr<fake_socket> socket = std::make_shared<fake_socket>();
  std::shared_ptr<funasr_protocol> protocol;

  explicit funasr_file(std::uint64_t bytes_max = 1000) {
    protocol = std::make_shared<funasr_protocol>(sessions, file_intake{recordings, bytes_max}, "m", "192.0.2.7");
    protocol->opened(socket);
  }
  ~funasr_file() override {
    protocol->closed();
    recordings.all.clear();
    EXPECT_EQ(*socket->held_bytes, 0U);
  }

  void text(const std::string& message) {
    ASSERT_FALSE(socket->paused);
    protocol->text(message);
    socket->pump();
  }
  void binary(const std::string& bytes) {
    ASSERT_FALSE(socket->paused);
    protocol->binary(bytes);
    socket->pump();
  }
  fake_recordings::one& last() { return *recordings.all.back(); }
  void tell(actors::recording_event event) {
    last().tell(std::move(event));
    socket->pump();
  }
  // mode|text|final of each message.
  std::vector<std::string> told() const {
    std::vector<std::string> out;
    for (const auto& sent : socket->sent) {
      const auto m = parse(sent);
      out.push_back(std::string(m["mode"].GetString()) + "|" + m["text"].GetString() +
                    (m["is_final"].GetBool() ? "|final" : "") + (m.HasMember("error") ? "|error" : ""));
    }
    return out;
  }
  std::string error_told() const { return parse(socket->sent.back())["error"].GetString(); }
};

TEST_F(funasr_file, is_heard_when_it_is_whole) {
  text(R"({"mode":"offline","wav_format":"mp3","wav_name":"h5","hotwords":"a b","is_speaking":true})");
  binary("ID3");
  binary("more");
  EXPECT_TRUE(recordings.all.empty());
  text(R"({"is_speaking":false})");
  ASSERT_EQ(recordings.all.size(), 1U);
  EXPECT_TRUE(sessions.all.empty());
  EXPECT_TRUE(socket->paused) << "what follows is another utterance's";
  const auto& asked = last().asked;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(asked.file.data()), asked.file.size()), "ID3more");
  EXPECT_EQ(asked.model, "m");
  EXPECT_EQ(asked.peer, "192.0.2.7");
  EXPECT_THAT(asked.hotwords, ElementsAre("a", "b"));
  tell(actors::recording_begun{});
  tell(sentence("Hello world.", {"hello", "world"}, 1));
  tell(sentence("Again.", {"again"}, 3));
  tell(sentence("好。", {"好"}, 5));
  tell(actors::recording_ended{6});
  EXPECT_THAT(told(), ElementsAre("offline|Hello world.", "offline| Again.", "offline|好。|final"));
  EXPECT_STREQ(parse(socket->sent[2])["timestamp"].GetString(), "[[5000,5500]]");
  EXPECT_FALSE(socket->paused);
  EXPECT_FALSE(socket->closed);

  text(R"({"wav_format":"pcm"})");
  binary("xx");
  EXPECT_EQ(sessions.all.size(), 1U) << "the next one is samples again";
}

// As FunASR's server for files has it, whose clients send samples.
TEST_F(funasr_file, samples_for_a_model_of_whole_sounds_are_one) {
  recordings.only_whole = "m";
  for (const bool has_head : {false, true}) {
    const auto before = recordings.all.size();
    text(R"({"mode":"offline","audio_fs":8000,"is_speaking":true})");
    if (has_head) binary(inference::wav_head({.rate_hz = 8000}, 4));
    binary("ab");
    binary("cd");
    text(R"({"is_speaking":false})");
    ASSERT_EQ(recordings.all.size(), before + 1);
    const auto& asked = last().asked;
    const std::string file(reinterpret_cast<const char*>(asked.file.data()), asked.file.size());
    EXPECT_EQ(file, inference::wav_head({.rate_hz = 8000}, has_head ? std::optional(4U) : std::nullopt) + "abcd");
    tell(sentence("Hello.", {"hello"}, 1));
    tell(actors::recording_ended{2});
  }
  EXPECT_TRUE(sessions.all.empty());
  text(R"({"mode":"online","is_speaking":true})");
  binary("ab");
  EXPECT_EQ(sessions.all.size(), 1U) << "who says why it cannot be";
}

TEST_F(funasr_file, of_any_name_in_two_passes) {
  text(R"({"mode":"2pass","wav_format":"others"})");
  binary("OggS");
  text(R"({"is_speaking":false})");
  tell(sentence("好。", {"好"}, 0));
  tell(actors::recording_ended{1});
  EXPECT_THAT(told(), ElementsAre("2pass-offline|好。|final"));
}

TEST_F(funasr_file, has_no_text_while_it_comes) {
  text(R"({"mode":"online","wav_format":"flac"})");
  binary("fLaC");
  EXPECT_THAT(told(), ElementsAre("online||error"));
  EXPECT_THAT(error_told(), HasSubstr("wav_format: found 'flac'"));
  EXPECT_EQ(socket->closed, close_code::policy);
}

TEST_F(funasr_file, that_cannot_be_heard_says_why) {
  text(R"({"mode":"offline","wav_format":"mp3"})");
  binary("text");
  text(R"({"is_speaking":false})");
  tell(actors::recording_failed{{error_code::unsupported_media, "the file is no sound", "send MP3", {}}});
  EXPECT_THAT(told(), ElementsAre("offline||error"));
  EXPECT_EQ(error_told(), "the file is no sound: send MP3");
  EXPECT_TRUE(socket->closed);
}

TEST_F(funasr_file, that_is_too_long_costs_its_client) {
  text(R"({"mode":"offline","wav_format":"mp3"})");
  binary(std::string(1000, 'x'));
  EXPECT_FALSE(socket->closed);
  binary("x");
  EXPECT_EQ(socket->closed, close_code::too_big);
  EXPECT_THAT(error_told(), HasSubstr("max_upload_bytes"));
  EXPECT_EQ(*socket->held_bytes, 0U);
  EXPECT_TRUE(recordings.all.empty());
}

TEST_F(funasr_file, for_which_there_is_no_memory_is_refused) {
  socket->room_bytes = 1;
  text(R"({"mode":"offline","wav_format":"mp3"})");
  binary("xx");
  EXPECT_EQ(socket->closed, close_code::try_again_later);
  EXPECT_THAT(error_told(), HasSubstr("max_body_budget_mb"));
}

TEST_F(funasr_file, whose_client_leaves_is_not_heard_on) {
  text(R"({"mode":"offline","wav_format":"mp3"})");
  binary("xx");
  protocol->closed();
  EXPECT_TRUE(recordings.all.empty());
  EXPECT_EQ(*socket->held_bytes, 0U) << "before its end";

  protocol = std::make_shared<funasr_protocol>(sessions, file_intake{recordings, 1000}, "", "");
  protocol->opened(socket);
  text(R"({"mode":"offline","wav_format":"mp3"})");
  binary("xx");
  text(R"({"is_speaking":false})");
  protocol->closed();
  EXPECT_TRUE(last().cancelled);
  EXPECT_FALSE(socket->paused);
}

TEST_F(funasr_file, is_finished_before_a_server_ends) {
  text(R"({"mode":"offline","wav_format":"mp3"})");
  binary("xx");
  protocol->draining();
  text(R"({"is_speaking":false})");
  EXPECT_FALSE(socket->closed);
  tell(actors::recording_ended{1});
  EXPECT_THAT(told(), ElementsAre("offline||final"));
  EXPECT_EQ(socket->closed, close_code::going_away);
}

}  // namespace
}  // namespace troupe::http::tests
