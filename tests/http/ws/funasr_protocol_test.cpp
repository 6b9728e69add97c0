// FunASR's protocol over a socket and sessions in memory: what its clients rely on, and what hostile ones send.
#include "http/ws/funasr_protocol.hpp"

#include <gmock/gmock.h>

#include <cstring>
#include <limits>
#include <random>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using actors::session_mode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string pcm(const std::vector<std::int16_t>& samples) {
  return {reinterpret_cast<const char*>(samples.data()), samples.size() * 2};
}

std::string wav_header(std::uint32_t rate_hz, std::uint16_t channels = 1, std::uint16_t bits = 16) {
  std::string out = "RIFF\xff\xff\xff\x7fWAVEfmt ";
  const auto put = [&](auto number) { out.append(reinterpret_cast<const char*>(&number), sizeof number); };
  put(std::uint32_t{16});
  put(std::uint16_t{1});
  put(channels);
  put(rate_hz);
  put(rate_hz * channels * bits / 8);
  put(static_cast<std::uint16_t>(channels * bits / 8));
  put(bits);
  out += "data\xff\xff\xff\x7f";
  return out;
}

struct funasr : ::testing::Test {
  fake_sessions sessions;
  fake_recordings recordings;
  file_intake files{recordings, 1000};
  std::shared_ptr<fake_socket> socket = std::make_shared<fake_socket>();
  std::shared_ptr<funasr_protocol> protocol = std::make_shared<funasr_protocol>(sessions, files, "", "192.0.2.7");

  funasr() { protocol->opened(socket); }
  ~funasr() override { protocol->closed(); }

  void text(std::string_view message) {
    ASSERT_FALSE(socket->paused);
    protocol->text(message);
    socket->pump();
  }
  void binary(std::string_view bytes) {
    ASSERT_FALSE(socket->paused);
    protocol->binary(bytes);
    socket->pump();
  }
  void say(const std::string& what) {
    last().say(what);
    socket->pump();
  }
  fake_session& last() { return *sessions.all.back(); }
  void end() {
    text(R"({"is_speaking":false})");
    if (!sessions.all.empty()) last().end();
    socket->pump();
  }
  rapidjson::Document message(std::size_t i) const {
    EXPECT_LT(i, socket->sent.size());
    return i < socket->sent.size() ? parse(socket->sent[i]) : rapidjson::Document(rapidjson::kObjectType);
  }
  // mode|text|wav_name|is_final|is_end of each message.
  std::vector<std::string> told() const {
    std::vector<std::string> out;
    for (const auto& sent : socket->sent) {
      const auto m = parse(sent);
      for (const char* key : {"mode", "text", "wav_name"}) EXPECT_TRUE(m.HasMember(key) && m[key].IsString()) << sent;
      EXPECT_TRUE(m.HasMember("is_final") && m["is_final"].IsBool()) << sent;
      if (!m.HasMember("mode") || !m.HasMember("text") || !m.HasMember("is_final")) continue;
      out.push_back(std::string(m["mode"].GetString()) + "|" + m["text"].GetString() +
                    (m["is_final"].GetBool() ? "|final" : "") + (m.HasMember("is_end") ? "|end" : ""));
    }
    return out;
  }
  // The failure's form, and a close.
  std::string expect_failure(close_code code) {
    EXPECT_EQ(socket->closed, code);
    EXPECT_FALSE(socket->sent.empty());
    if (socket->sent.empty()) return {};
    const auto m = parse(socket->sent.back());
    EXPECT_TRUE(m["mode"].IsString());
    EXPECT_STREQ(m["text"].GetString(), "");
    EXPECT_TRUE(m["wav_name"].IsString());
    EXPECT_FALSE(m["is_final"].GetBool());
    EXPECT_TRUE(m["is_end"].GetBool());
    return m["error"].GetString();
  }
};

TEST_F(funasr, python_client_in_two_passes) {
  text(R"({"mode":"2pass","chunk_size":[5,10,5],"chunk_interval":10,"encoder_chunk_look_back":4,
           "decoder_chunk_look_back":1,"audio_fs":16000,"wav_name":"microphone","wav_format":"pcm",
           "is_speaking":true,"hotwords":"","itn":true})");
  EXPECT_TRUE(sessions.all.empty()) << "opened by sound, not by terms";
  binary(std::string(1920, 'x'));
  ASSERT_EQ(sessions.all.size(), 1u);
  EXPECT_EQ(last().asked.mode, session_mode::two_pass);
  EXPECT_EQ(last().asked.options, (inference::live_options{5, 10, 5, 4, 1, {}}));
  EXPECT_EQ(last().asked.peer, "192.0.2.7");
  EXPECT_EQ(last().fed.size(), 960u);
  say("欢迎");
  say("大家");
  last().sentence("欢迎大家。");
  socket->pump();
  text(R"({"is_speaking":false,"is_end":true})");
  EXPECT_TRUE(last().finished);
  EXPECT_TRUE(socket->paused) << "what follows is another utterance's";
  say("再见");
  last().sentence("再见。");
  last().end();
  socket->pump();
  EXPECT_THAT(told(), ElementsAre("2pass-online|欢迎", "2pass-online|大家", "2pass-offline|欢迎大家。",
                                  "2pass-online|再见", "2pass-offline|再见。|final|end"));
  EXPECT_STREQ(message(0)["wav_name"].GetString(), "microphone");
  EXPECT_FALSE(message(4).HasMember("timestamp")) << "of a model that tells none";
  EXPECT_FALSE(socket->paused);
  EXPECT_FALSE(socket->closed);
  EXPECT_TRUE(last().dropped) << "a quiet socket has no session";
}

TEST_F(funasr, modes) {
  struct {
    const char *mode, *first, *last;
    session_mode asked;
  } const cases[] = {{"online", "online|a", "online|b|final|end", session_mode::online},
                     {"offline", "offline|A.", "offline|B.|final|end", session_mode::offline},
                     {"2pass", "2pass-online|a", "2pass-offline|B.|final|end", session_mode::two_pass}};
  for (const auto& c : cases) {
    socket->sent.clear();
    text(std::string(R"({"is_speaking":true,"mode":")") + c.mode + "\"}");
    binary("xxxx");
    EXPECT_EQ(last().asked.mode, c.asked);
    if (c.asked != session_mode::offline) say("a");
    if (c.asked != session_mode::online) last().sentence("A.");
    text(R"({"is_speaking":false})");
    if (c.asked != session_mode::offline) say("b");
    if (c.asked != session_mode::online) last().sentence("B.");
    last().end();
    socket->pump();
    EXPECT_EQ(told().front(), c.first);
    EXPECT_EQ(told().back(), c.last);
    for (std::size_t i = 0; i + 1 < told().size(); ++i) EXPECT_THAT(told()[i], Not(HasSubstr("final")));
  }
}

TEST_F(funasr, sentences_tell_when_their_words_were_spoken) {
  for (const char* mode : {"2pass", "offline", "online"}) {
    socket->sent.clear();
    text(std::string(R"({"is_speaking":true,"mode":")") + mode + "\"}");
    binary("xxxx");
    EXPECT_TRUE(last().asked.marks_in_context) << "its clients append";
    last().sentence("你好。", {{1, "你", 1.03, 1.21}, {2, "好", 1.21, 1.5}});
    text(R"({"is_speaking":false})");
    last().sentence("嗯。", {{3, "嗯", 2, 2.5}});
    last().end();
    socket->pump();
    if (mode == std::string("online")) {
      EXPECT_THAT(told(), ElementsAre("online||final|end"));
      continue;
    }
    ASSERT_EQ(socket->sent.size(), 2u);
    EXPECT_STREQ(message(0)["timestamp"].GetString(), "[[1030,1210],[1210,1500]]");
    EXPECT_STREQ(message(0)["stamp_sents"][0]["text_seg"].GetString(), "你 好");
    EXPECT_STREQ(message(1)["timestamp"].GetString(), "[[2000,2500]]");
    EXPECT_TRUE(message(1)["is_final"].GetBool());
  }
}

TEST_F(funasr, no_sound_is_no_text) {
  text(R"({"mode":"offline","wav_name":"empty"})");
  text(R"({"is_speaking":false})");
  EXPECT_THAT(told(), ElementsAre("offline||final|end"));
  EXPECT_TRUE(sessions.all.empty());
  EXPECT_FALSE(socket->paused);
}

TEST_F(funasr, sound_without_text_ends_too) {
  binary("xx");
  end();
  EXPECT_THAT(told(), ElementsAre("2pass-offline||final|end"));
}

TEST_F(funasr, an_end_that_ends_nothing_says_nothing) {
  end();
  text(R"({"is_speaking":false})");
  text(R"({"is_finished":true})");
  text(R"({"is_end":true})");
  EXPECT_EQ(socket->sent.size(), 1u) << "is_final once an utterance";
  text(R"({"is_speaking":true})");
  text(R"({"is_speaking":false})");
  EXPECT_EQ(socket->sent.size(), 2u);
}

TEST_F(funasr, is_finished_is_the_end_whatever_is_speaking_says) {
  binary("xx");
  text(R"({"is_speaking":true,"is_finished":true})");
  EXPECT_TRUE(last().finished);
}

TEST_F(funasr, the_next_utterance_starts_over_with_the_terms_said_before) {
  text(R"({"mode":"online","wav_name":"w","chunk_size":"8,8,4","audio_fs":8000})");
  binary(wav_header(8000) + std::string(81, 'x'));  // an odd byte is left over, which is an error of this one only
  EXPECT_EQ(sessions.all.size(), 1u);
  protocol->closed();
  protocol = std::make_shared<funasr_protocol>(sessions, files, "", "");
  protocol->opened(socket);
  text(R"({"mode":"online","wav_name":"w","chunk_size":"8,8,4","audio_fs":8000})");
  binary(wav_header(8000) + std::string(80, 'x'));
  end();
  binary(wav_header(8000) + std::string(800, 'x'));
  ASSERT_EQ(sessions.all.size(), 3u);
  EXPECT_EQ(last().asked.mode, session_mode::online);
  EXPECT_EQ(last().asked.options.left_frames, 8u);
  say("again");
  end();
  EXPECT_THAT(told(), ElementsAre("online||final|end", "online|again", "online||final|end"));
  EXPECT_NEAR(static_cast<double>(last().fed.size()), 800.0, 2) << "the header was stripped again, 8 kHz are 16";
}

TEST_F(funasr, terms_merge_at_any_time) {
  text(R"({"mode":"online"})");
  text(R"({"wav_name":"a"})");
  binary("xxxx");
  text(R"({"wav_name":"b","mode":"offline","chunk_size":[0,8,4]})");  // the mode and the cut are the next one's
  say("x");
  end();
  EXPECT_THAT(told(), ElementsAre("online|x", "online||final|end"));
  EXPECT_STREQ(message(0)["wav_name"].GetString(), "b");
  binary("xxxx");
  EXPECT_EQ(last().asked.mode, session_mode::offline);
  EXPECT_EQ(last().asked.options.chunk_frames, 8u);
}

TEST_F(funasr, a_client_that_says_nothing_but_sound) {
  for (int i = 0; i < 10; ++i) binary(std::string(1920, 'x'));
  EXPECT_EQ(sessions.all.size(), 1u);
  EXPECT_EQ(last().asked.options, inference::live_options{});
  EXPECT_EQ(last().asked.mode, session_mode::two_pass);
  EXPECT_EQ(last().fed.size(), 9600u);
  say("text");
  EXPECT_THAT(told(), ElementsAre("2pass-online|text"));
  EXPECT_STREQ(message(0)["wav_name"].GetString(), "wav-default-id");
  protocol->closed();
  EXPECT_TRUE(last().dropped) << "the client is gone";
}

TEST_F(funasr, sound_is_the_same_however_it_is_cut) {
  std::vector<std::int16_t> samples(5000);
  const unsigned seed = std::random_device{}();
  std::mt19937 random(seed);
  for (auto& s : samples) s = static_cast<std::int16_t>(random());
  for (const bool header : {false, true}) {
    const auto all = (header ? wav_header(16000) : std::string()) + pcm(samples);
    for (int round = 0; round < 20; ++round) {
      for (std::size_t at = 0; at < all.size();) {
        const auto n = std::min<std::size_t>(1 + random() % (round < 10 ? 7 : 3001), all.size() - at);
        binary(std::string_view(all).substr(at, n));
        at += n;
      }
      end();
      ASSERT_EQ(last().fed.size(), samples.size()) << "seed " << seed;
      for (std::size_t i = 0; i < samples.size(); ++i) {
        ASSERT_EQ(last().fed[i], static_cast<float>(samples[i]) / 32768.0f) << i << " seed " << seed;
      }
    }
  }
}

TEST_F(funasr, rates) {
  text(R"({"audio_fs":8000.0})");
  binary(std::string(16000, '\0'));
  end();
  EXPECT_NEAR(static_cast<double>(last().fed.size()), 16000, 2);
  text(R"({"audio_fs":16000})");
  binary(wav_header(48000) + std::string(96000, '\0'));  // what the header says describes the bytes
  end();
  EXPECT_NEAR(static_cast<double>(last().fed.size()), 16000, 2);
}

TEST_F(funasr, a_rate_may_not_change_within_an_utterance) {
  text(R"({"audio_fs":8000})");
  binary("xxxx");
  text(R"({"audio_fs":8000})");
  EXPECT_FALSE(socket->closed);
  text(R"({"audio_fs":16000})");
  EXPECT_THAT(expect_failure(close_code::policy), HasSubstr("audio_fs: 16000 after sound of 8000"));
  EXPECT_TRUE(last().dropped);
}

TEST_F(funasr, headers_of_other_sounds_are_refused) {
  const std::string headers[] = {wav_header(16000, 2), wav_header(16000, 1, 8)};
  for (const auto& header : headers) {
    protocol->closed();
    socket = std::make_shared<fake_socket>();
    protocol = std::make_shared<funasr_protocol>(sessions, files, "", "");
    protocol->opened(socket);
    binary(header + std::string(100, 'x'));
    EXPECT_THAT(expect_failure(close_code::policy), HasSubstr("WAV header"));
    EXPECT_TRUE(last().dropped);
  }
}

TEST_F(funasr, half_a_sample_at_the_end_is_named) {
  binary("xxxxx");
  end();
  EXPECT_THAT(expect_failure(close_code::policy), HasSubstr("within a sample"));
}

TEST_F(funasr, credit_holds_the_client_back) {
  sessions.credit = 1000;
  std::vector<std::int16_t> samples(3000);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = static_cast<std::int16_t>(i);
  binary(pcm(samples));
  EXPECT_EQ(last().fed.size(), 1000u);
  EXPECT_TRUE(socket->paused);
  last().give(500);
  socket->pump();
  EXPECT_EQ(last().fed.size(), 1500u);
  EXPECT_TRUE(socket->paused);
  last().give(1500);
  socket->pump();
  EXPECT_EQ(last().fed.size(), 3000u);
  EXPECT_FALSE(socket->paused) << "nothing waits, so the client may go on";
  binary("x");
  EXPECT_FALSE(socket->paused) << "half a sample is none";
  binary("xxx");
  EXPECT_TRUE(socket->paused);
  last().give(2);
  socket->pump();
  end();
  EXPECT_TRUE(last().finished);
  for (std::size_t i = 0; i < samples.size(); ++i) ASSERT_EQ(last().fed[i], static_cast<float>(i) / 32768.0f);
}

TEST_F(funasr, the_end_waits_for_credit) {
  sessions.credit = 100;
  text(R"({"audio_fs":8000})");
  binary(std::string(100, '\0'));  // 50 samples are 100, and the resampler's tail comes with the end
  while (socket->paused) {
    last().give(1);
    socket->pump();
  }
  text(R"({"is_speaking":false})");
  for (int i = 0; i < 1000 && !last().finished; ++i) {
    last().give(1);
    socket->pump();
  }
  EXPECT_TRUE(last().finished);
  EXPECT_NEAR(static_cast<double>(last().fed.size()), 100, 2);
  last().end();
  socket->pump();
  EXPECT_FALSE(socket->paused);
}

TEST_F(funasr, the_socket_waits_until_the_session_is_open) {
  sessions.at_once = false;
  binary("xxxx");
  EXPECT_TRUE(socket->paused);
  last().open();
  socket->pump();
  EXPECT_FALSE(socket->paused);
  EXPECT_EQ(last().fed.size(), 2u);
}

TEST_F(funasr, a_client_that_leaves_while_its_session_is_opened) {
  sessions.at_once = false;
  binary("xxxx");
  protocol->closed();
  last().open();
  socket->pump();
  EXPECT_TRUE(last().dropped);
  EXPECT_TRUE(last().fed.empty());
}

TEST_F(funasr, events_after_the_connection_are_nobodys) {
  binary("xxxx");
  const auto session = sessions.all.back();
  protocol->closed();
  protocol = std::make_shared<funasr_protocol>(sessions, files, "", "");  // the old one is gone
  session->say("late");
  session->end();
  socket->pump();
  EXPECT_TRUE(socket->sent.empty());
  socket.reset();
  session->say("later");
  session->fail({error_code::internal, "last", {}, {}});
}

TEST_F(funasr, sessions_that_cannot_be_had) {
  struct {
    error_code why;
    close_code code;
  } const cases[] = {{error_code::model_not_found, close_code::policy},
                     {error_code::bad_request, close_code::policy},
                     {error_code::too_many_requests, close_code::try_again_later},
                     {error_code::unavailable, close_code::try_again_later},
                     {error_code::model_failed, close_code::internal}};
  for (const auto& c : cases) {
    protocol->closed();
    socket = std::make_shared<fake_socket>();
    protocol = std::make_shared<funasr_protocol>(sessions, files, "", "");
    protocol->opened(socket);
    sessions.at_once = false;
    text(R"({"mode":"online","wav_name":"w"})");
    binary("xxxx");
    last().refuse({c.why, "No", "because", {}});
    socket->pump();
    EXPECT_EQ(expect_failure(c.code), "No: because");
    EXPECT_STREQ(message(0)["mode"].GetString(), "online");
    EXPECT_STREQ(message(0)["wav_name"].GetString(), "w");
  }
}

TEST_F(funasr, a_session_that_fails) {
  binary("xxxx");
  say("some");
  text(R"({"is_speaking":false})");
  say("more");
  last().fail({error_code::model_failed, "It broke", {}, {}});
  socket->pump();
  EXPECT_EQ(expect_failure(close_code::internal), "It broke");
  EXPECT_THAT(told(), ElementsAre("2pass-online|some", "2pass-online|more", "2pass-offline||end"));
  EXPECT_TRUE(last().dropped);
}

TEST_F(funasr, a_server_that_ends_lets_an_utterance_end) {
  binary("xxxx");
  protocol->draining();
  EXPECT_FALSE(socket->closed);
  end();
  EXPECT_THAT(told(), ElementsAre("2pass-offline||final|end"));
  EXPECT_EQ(socket->closed, close_code::going_away);
}

TEST_F(funasr, a_server_that_ends_closes_a_quiet_socket) {
  protocol->draining();
  EXPECT_EQ(socket->closed, close_code::going_away);
  EXPECT_TRUE(socket->sent.empty());
}

TEST_F(funasr, bad_messages_are_named) {
  const std::string bomb = std::string(100000, '[') + std::string(100000, ']');
  const std::pair<std::string, const char*> cases[] = {
      {"hello", "not valid JSON"},
      {"", "not valid JSON"},
      {"[1]", "an object in JSON: found an array"},
      {"5", "an object in JSON"},
      {bomb, "levels deep"},
      {R"({"a":)" + bomb + "}", "levels deep"},
      {std::string(100000, '['), "not valid JSON"},
      {R"({"is_speaking":false} {"is_speaking":false})", "not valid JSON"},
      {std::string(300000, ' ') + "{}", "300002 bytes"},
      {R"({"audio_fs":NaN})", "not valid JSON"},
      {R"({"audio_fs":1e999})", "number"},
      {R"({"audio_fs":"16000"})", "audio_fs: found a string"},
      {R"({"audio_fs":16000.5})", "audio_fs: found a number"},
      {R"({"audio_fs":0})", "audio_fs: found 0"},
      {R"({"audio_fs":-16000})", "audio_fs: found -16000"},
      {R"({"audio_fs":18446744073709551615})", "audio_fs"},
      {R"({"audio_fs":384000})", "192000"},
      {R"({"mode":"3pass"})", "mode: found '3pass'"},
      {R"({"mode":2})", "mode: found a number"},
      {R"({"chunk_size":[5,10]})", "chunk_size"},
      {R"({"chunk_size":[5,10,5,5]})", "chunk_size"},
      {R"({"chunk_size":[5,0,5]})", "chunk_size"},
      {R"({"chunk_size":[-5,10,5]})", "chunk_size"},
      {R"({"chunk_size":[5,1e9,5]})", "chunk_size"},
      {R"({"chunk_size":"5;10;5"})", "chunk_size"},
      {R"({"chunk_size":"5,10,"})", "chunk_size"},
      {R"({"chunk_size":10})", "chunk_size"},
      {R"({"encoder_chunk_look_back":-2})", "encoder_chunk_look_back: found -2"},
      {R"({"decoder_chunk_look_back":"1"})", "decoder_chunk_look_back: found a string"},
      {R"({"is_speaking":"false"})", "is_speaking: found a string"},
      {R"({"is_finished":1})", "is_finished: found a number"},
      {R"({"wav_format":3})", "wav_format: found a number"},
      {R"({"wav_name":7})", "wav_name: found a number"},
      {R"({"wav_name":")" + std::string(2000, 'n') + "\"}", "wav_name: found 2000 bytes"},
      {R"({"hotwords":["a"]})", "hotwords: found an array"},
  };
  for (const auto& [in, why] : cases) {
    protocol->closed();
    socket = std::make_shared<fake_socket>();
    protocol = std::make_shared<funasr_protocol>(sessions, files, "", "");
    protocol->opened(socket);
    protocol->text(in);
    EXPECT_THAT(expect_failure(in.size() > 250000 ? close_code::too_big : close_code::policy), HasSubstr(why))
        << in.substr(0, 80);
    protocol->text(R"({"is_speaking":false})");  // what came behind it is not heard
    protocol->binary("xxxx");
    EXPECT_EQ(socket->sent.size(), 1u);
    EXPECT_TRUE(sessions.all.empty());
  }
}

TEST(funasr_json, what_clients_send) {
  funasr_terms t;
  EXPECT_EQ(read_funasr("{}", t).value(), funasr_mark::none);
  EXPECT_EQ(read_funasr(R"({"is_speaking":true})", t).value(), funasr_mark::begin);
  EXPECT_EQ(read_funasr(R"({"is_speaking":false})", t).value(), funasr_mark::end);
  EXPECT_EQ(read_funasr("\xef\xbb\xbf{\"chunk_size\":\"5, 10, 5\"}", t).value(), funasr_mark::none);
  EXPECT_EQ(t.options, inference::live_options{});
  for (const char* chunk : {"[0,8,4]", "[0.0,8.0,4]", "\"0,8,4\"", "\"[0, 8, 4]\""}) {
    funasr_terms c;
    EXPECT_TRUE(read_funasr(std::string(R"({"chunk_size":)") + chunk + "}", c)) << chunk;
    EXPECT_EQ(c.options.left_frames, 0u);
    EXPECT_EQ(c.options.chunk_frames, 8u);
    EXPECT_EQ(c.options.ahead_frames, 4u);
  }
  // html5 has null where there is none, C# its own keys.
  EXPECT_TRUE(read_funasr(R"({"hotwords":null,"wav_format":"PCM","svs_lang":"auto","svs_itn":true,"itn":false,
                              "encoder_chunk_look_back":-1,"decoder_chunk_look_back":0,"xyz":{"a":[1]}})",
                          t));
  EXPECT_EQ(t.options.encoder_look_back, -1);
  EXPECT_TRUE(t.options.hotwords.empty());
}

TEST(funasr_json, a_message_that_is_refused_changes_nothing) {
  funasr_terms t;
  EXPECT_FALSE(read_funasr(R"({"mode":"online","wav_name":"x","audio_fs":8000,"chunk_size":[1]})", t));
  EXPECT_EQ(t.mode, session_mode::two_pass);
  EXPECT_EQ(t.wav_name, "wav-default-id");
  EXPECT_EQ(t.rate_hz, 16000u);
}

TEST(funasr_json, hotwords) {
  EXPECT_THAT(funasr_hotwords(R"({"阿里巴巴":20,"hello world":40})"), ElementsAre("阿里巴巴", "hello world"));
  EXPECT_THAT(funasr_hotwords("阿里巴巴 达摩院,  modelscope\n"), ElementsAre("阿里巴巴", "达摩院", "modelscope"));
  EXPECT_THAT(funasr_hotwords(""), ElementsAre());
  EXPECT_THAT(funasr_hotwords(" , "), ElementsAre());
  EXPECT_THAT(funasr_hotwords("{broken"), ElementsAre("{broken"));
}

}  // namespace
}  // namespace troupe::http::tests
