// OpenAI's POST /v1/audio/transcriptions.
#include <gmock/gmock.h>

#include "tests/http/fakes.hpp"
#include "tests/http/recordings.hpp"

namespace troupe::http::tests {
namespace {

using ::testing::HasSubstr;

const std::map<std::string, std::string> as_form{{"Content-Type", "multipart/form-data; boundary=B"}};
const std::string path = "/v1/audio/transcriptions";

struct transcriptions_test : ::testing::Test, bench {
  transcriptions_test() {
    service.recorded.at_once = {actors::recording_begun{"alpha", {inference::sound_format::wav, 16000, 1}, false, true},
                                sentence("Hello there.", {"hel@@", "lo", "there"}, 0.5),
                                sentence("你好。", {"你", "好"}, 3), sentence("Bye.", {"bye"}, 4),
                                actors::recording_ended{5.25}};
  }
  response say(const std::vector<std::pair<std::string, std::string>>& fields, unsigned status = 200) {
    const auto e = ask("POST", path, form(fields), as_form);
    EXPECT_EQ(e->answer->status, status) << e->answer->body;
    return *e->answer;
  }
};

const char* const text = "Hello there.你好。Bye.";

TEST_F(transcriptions_test, json) {
  const auto d = parse(say({{"model", "alpha"}, {"prompt", "p"}, {"temperature", "0.5"}, {"language", "en"}}).body);
  EXPECT_STREQ(d["text"].GetString(), text);
  EXPECT_STREQ(d["usage"]["type"].GetString(), "duration");
  EXPECT_EQ(d["usage"]["seconds"].GetInt(), 6);
  EXPECT_EQ(service.recorded.all.at(0)->asked.model, "alpha");
}

TEST_F(transcriptions_test, text_and_subtitles) {
  auto r = say({{"response_format", "text"}});
  EXPECT_EQ(r.body, std::string(text) + "\n");
  EXPECT_THAT(r.content_type, HasSubstr("text/plain"));
  r = say({{"response_format", "srt"}});
  EXPECT_THAT(r.body, HasSubstr("1\n00:00:00,500 --> 00:00:02,000\nHello there.\n\n2\n"));
  r = say({{"response_format", "vtt"}});
  EXPECT_THAT(r.body, HasSubstr("WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nHello there.\n"));
}

TEST_F(transcriptions_test, verbose) {
  auto d = parse(say({{"response_format", "verbose_json"}}).body);
  EXPECT_STREQ(d["task"].GetString(), "transcribe");
  EXPECT_TRUE(d["language"].IsNull());
  EXPECT_EQ(d["duration"].GetDouble(), 5.25);
  ASSERT_EQ(d["segments"].Size(), 3u);
  EXPECT_EQ(d["segments"][1]["id"].GetInt(), 1);
  EXPECT_EQ(d["segments"][1]["start"].GetDouble(), 3.0);
  EXPECT_EQ(d["segments"][1]["tokens"].Size(), 2u);
  EXPECT_FALSE(d.HasMember("words"));
  d = parse(say({{"response_format", "verbose_json"}, {"timestamp_granularities[]", "word"}, {"language", "zh"}}).body);
  EXPECT_STREQ(d["language"].GetString(), "zh");
  EXPECT_FALSE(d.HasMember("segments"));
  ASSERT_EQ(d["words"].Size(), 5u);
  EXPECT_STREQ(d["words"][0]["word"].GetString(), "hello");
  EXPECT_EQ(d["words"][0]["start"].GetDouble(), 0.5);
  EXPECT_EQ(d["words"][0]["end"].GetDouble(), 1.5);
  d = parse(say({{"response_format", "verbose_json"},
                 {"timestamp_granularities[]", "word"},
                 {"timestamp_granularities[]", "segment"}})
                .body);
  EXPECT_TRUE(d.HasMember("segments") && d.HasMember("words"));
}

TEST_F(transcriptions_test, events_as_they_come) {
  service.recorded.at_once.resize(2);
  const auto e = send("POST", path, form({{"stream", "true"}}), as_form);
  e->pump();
  ASSERT_TRUE(e->streaming);
  EXPECT_EQ(e->stream_type, "text/event-stream");
  EXPECT_EQ(events_of(e->stream->written).size(), 1u) << "the first sentence before the second";
  auto& r = *service.recorded.all.at(0);
  r.tell(sentence("你好。", {}, 3));
  r.tell(sentence("Bye.", {}, 4));
  r.tell(actors::recording_ended{5.25});
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 4u);
  std::string joined;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto d = parse(events[i].data);
    EXPECT_STREQ(d["type"].GetString(), "transcript.text.delta");
    joined += d["delta"].GetString();
  }
  const auto done = parse(events[3].data);
  EXPECT_STREQ(done["type"].GetString(), "transcript.text.done");
  EXPECT_EQ(joined, done["text"].GetString());
  EXPECT_EQ(joined, text);
  EXPECT_TRUE(e->stream->ended);
}

TEST_F(transcriptions_test, a_stream_that_fails) {
  service.recorded.at_once = {actors::recording_failed{{error_code::unprocessable, "damaged", {}, {}}}};
  auto e = send("POST", path, form({{"stream", "true"}}), as_form);
  e->pump();
  EXPECT_FALSE(e->streaming) << "before anything was heard it is a status";
  EXPECT_EQ(e->answer->status, 422u);
  service.recorded.at_once.insert(service.recorded.at_once.begin(), actors::recording_begun{"alpha", {}, false, false});
  e = send("POST", path, form({{"stream", "true"}}), as_form);
  e->pump();
  const auto events = events_of(e->stream->written);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_STREQ(parse(events[0].data)["error"]["message"].GetString(), "damaged");
  EXPECT_TRUE(e->stream->ended);
}

TEST_F(transcriptions_test, a_reader_that_leaves_calls_it_off) {
  service.recorded.at_once.resize(2);
  const auto e = send("POST", path, form({{"stream", "true"}}), as_form);
  e->pump();
  e->stream->gone = true;
  service.recorded.all.at(0)->tell(sentence("more", {}, 3));
  e->pump();
  EXPECT_TRUE(service.recorded.all[0]->cancelled);
}

TEST_F(transcriptions_test, errors_in_their_form) {
  const auto wrong = [&](const std::vector<std::pair<std::string, std::string>>& fields, const std::string& param,
                         unsigned status = 400) {
    const auto d = parse(say(fields, status).body);
    ASSERT_TRUE(d.HasMember("error"));
    EXPECT_EQ(std::string(d["error"]["param"].GetString()), param);
    EXPECT_STREQ(d["error"]["type"].GetString(), "invalid_request_error");
  };
  wrong({{"response_format", "yaml"}}, "response_format");
  wrong({{"temperature", "2"}}, "temperature");
  wrong({{"temperature", "warm"}}, "temperature");
  wrong({{"timestamp_granularities[]", "letter"}, {"response_format", "verbose_json"}}, "timestamp_granularities");
  wrong({{"timestamp_granularities[]", "word"}}, "timestamp_granularities");
  wrong({{"stream", "true"}, {"response_format", "srt"}}, "stream");
  wrong({{"stream", "perhaps"}}, "stream");
  EXPECT_TRUE(service.recorded.all.empty());
  const auto e = ask("POST", path, "--B--\r\n", as_form);
  EXPECT_EQ(e->answer->status, 400u);
  EXPECT_STREQ(parse(e->answer->body)["error"]["param"].GetString(), "file");
  EXPECT_EQ(ask("POST", path, "SOUND", {{"Content-Type", "audio/wav"}})->answer->status, 415u) << "a form alone";
  const auto unknown = parse(say({{"model", "whisper-1"}}, 404).body);
  EXPECT_STREQ(unknown["error"]["code"].GetString(), "model_not_found");
}

}  // namespace
}  // namespace troupe::http::tests
