// What clients of /v1/realtime send: both shapes of a session, and what is refused by name.
#include "http/ws/realtime_request.hpp"

#include <gmock/gmock.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

using inference::sample_format;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

realtime_terms terms_of(const std::string& session, const realtime_terms& now = {}) {
  const auto read = read_realtime(R"({"type":"session.update","session":)" + session + "}", now);
  EXPECT_TRUE(read) << session << (read ? "" : read.error().why.message);
  return read ? read->terms : realtime_terms{};
}

realtime_fault fault_of(const std::string& message) {
  const auto read = read_realtime(message, {});
  EXPECT_FALSE(read) << message.substr(0, 80);
  return read ? realtime_fault{} : read.error();
}

TEST(realtime_request, the_present_shape) {
  const auto t = terms_of(R"({"type":"transcription","include":["item.input_audio_transcription.logprobs"],"audio":{
    "input":{"format":{"type":"audio/pcm","rate":24000},"noise_reduction":{"type":"near_field"},
    "transcription":{"model":"m","prompt":"p","language":"en","keywords":["k","l"]},
    "turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500}}}})");
  EXPECT_EQ(t.format, sample_format::s16);
  EXPECT_EQ(t.rate_hz, 24000u);
  EXPECT_EQ(t.model, "m");
  EXPECT_THAT(t.keywords, ElementsAre("k", "l"));
  EXPECT_TRUE(t.turns);
}

TEST(realtime_request, the_beta_s_shape) {
  const auto t = terms_of(R"({"input_audio_format":"g711_ulaw","input_audio_transcription":{"model":"m"},
    "turn_detection":null,"input_audio_noise_reduction":{"type":"near_field"},"include":null,"modalities":["text"]})");
  EXPECT_EQ(t.format, sample_format::mu_law);
  EXPECT_EQ(t.rate_hz, 8000u);
  EXPECT_EQ(t.model, "m");
  EXPECT_FALSE(t.turns);
  const auto read = read_realtime(R"({"type":"transcription_session.update","session":{}})", t);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->beta);
  EXPECT_EQ(read->terms, t) << "what is not said stays";
}

TEST(realtime_request, formats) {
  EXPECT_EQ(terms_of(R"({"audio":{"input":{"format":{"type":"audio/pcma"}}}})").format, sample_format::a_law);
  EXPECT_EQ(terms_of(R"({"audio":{"input":{"format":{"rate":8000,"type":"audio/pcmu"}}}})").rate_hz, 8000u);
  EXPECT_EQ(terms_of(R"({"audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}})").rate_hz, 16000u);
  EXPECT_EQ(terms_of(R"({"audio":{"input":{"format":{"rate":48000.0}}}})").rate_hz, 48000u);
  realtime_terms g711;
  g711.format = sample_format::mu_law;
  g711.rate_hz = 8000;
  EXPECT_EQ(terms_of(R"({"input_audio_format":"pcm16"})", g711).rate_hz, 24000u);
}

TEST(realtime_request, sound) {
  const auto read = read_realtime(R"({"type":"input_audio_buffer.append","audio":"AAEC","event_id":"e"})", {});
  ASSERT_TRUE(read);
  EXPECT_EQ(read->what, realtime_what::append);
  EXPECT_EQ(read->sound, std::string("\0\1\2", 3));
  EXPECT_EQ(read->event_id, "e");
}

TEST(realtime_request, what_is_refused_is_named) {
  struct {
    const char *session, *param, *code;
  } const cases[] = {
      {R"({"type":"realtime"})", "session.type", "invalid_value"},
      {R"({"tools":[]})", "session.tools", "unknown_parameter"},
      {R"({"instructions":"be nice"})", "session.instructions", "unknown_parameter"},
      {R"({"voice":"x"})", "session.voice", "unknown_parameter"},
      {R"({"audio":{"output":{}}})", "session.audio.output", "unknown_parameter"},
      {R"({"audio":{"input":{"gain":1}}})", "session.audio.input.gain", "unknown_parameter"},
      {R"({"audio":{"input":5}})", "session.audio.input", "invalid_value"},
      {R"({"audio":{"input":{"format":"pcm16"}}})", "session.audio.input.format", "invalid_value"},
      {R"({"audio":{"input":{"format":{"type":"audio/mp3"}}}})", "session.audio.input.format.type", "invalid_value"},
      {R"({"audio":{"input":{"format":{"rate":1}}}})", "session.audio.input.format.rate", "invalid_value"},
      {R"({"audio":{"input":{"format":{"type":"audio/pcma","rate":24000}}}})", "session.audio.input.format.rate",
       "invalid_value"},
      {R"({"audio":{"input":{"turn_detection":{"type":"semantic_vad"}}}})", "session.audio.input.turn_detection.type",
       "invalid_value"},
      {R"({"turn_detection":{"type":"server_vad","mood":1}})", "session.turn_detection.mood", "unknown_parameter"},
      {R"({"input_audio_format":"opus"})", "session.input_audio_format", "invalid_value"},
      {R"({"input_audio_transcription":{"model":7}})", "session.input_audio_transcription.model", "invalid_value"},
      {R"({"input_audio_transcription":{"keywords":"k"}})", "session.input_audio_transcription.keywords",
       "invalid_value"},
      {"[]", "session", "invalid_value"},
  };
  for (const auto& c : cases) {
    const auto f = fault_of(std::string(R"({"event_id":"mine","type":"session.update","session":)") + c.session + "}");
    EXPECT_EQ(f.param, c.param);
    EXPECT_EQ(f.code, c.code) << c.session;
    EXPECT_EQ(f.event_id, "mine");
    EXPECT_THAT(f.why.message, HasSubstr(c.param));
  }
}

TEST(realtime_request, events_that_are_none) {
  EXPECT_EQ(fault_of(R"({"type":"response.create"})").code, "unknown_event");
  EXPECT_THAT(fault_of(R"({"type":"response.create"})").why.message, HasSubstr("'response.create'"));
  EXPECT_EQ(fault_of(R"({"type":"conversation.item.create","item":{}})").param, "type");
  EXPECT_EQ(fault_of(R"({"type":7})").param, "type");
  EXPECT_EQ(fault_of("{}").param, "type");
  EXPECT_EQ(fault_of(R"({"type":"session.update"})").param, "session");
  EXPECT_EQ(fault_of(R"({"type":"input_audio_buffer.append"})").param, "audio");
  EXPECT_EQ(fault_of(R"({"type":"input_audio_buffer.append","audio":[1]})").param, "audio");
  EXPECT_EQ(fault_of(R"({"type":"input_audio_buffer.append","audio":"a*"})").param, "audio");
  EXPECT_EQ(fault_of(R"({"type":"input_audio_buffer.commit","event_id":5})").param, "event_id");
  EXPECT_EQ(fault_of(R"({"event_id":")" + std::string(513, 'x') + R"(","type":"x"})").param, "event_id");
  for (const auto& bad : {std::string("{"), std::string(), std::string("[]"), std::string(100000, '[')}) {
    EXPECT_EQ(fault_of(bad).why.code, error_code::bad_request);
  }
}

TEST(realtime_request, a_long_key_is_not_repeated_whole) {
  const auto f = fault_of(R"({"type":"session.update","session":{")" + std::string(100000, 'k') + R"(":1}})");
  EXPECT_LT(f.param.size(), 200u);
  EXPECT_LT(f.why.message.size(), 300u);
}

TEST(realtime_request, a_session_is_written_as_it_is_read) {
  realtime_terms t;
  t.format = sample_format::a_law;
  t.rate_hz = 8000;
  t.model = "m";
  t.keywords = {"k"};
  t.turns = false;
  for (const bool beta : {false, true}) {
    json_out json;
    json.object();
    write_realtime_terms(json, t, beta);
    const auto written = json.end_object().str();
    EXPECT_EQ(terms_of(written), t) << written;
  }
}

}  // namespace
}  // namespace troupe::http::tests
