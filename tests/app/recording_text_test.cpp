#include "app/recording_text.hpp"

#include <gtest/gtest.h>

namespace troupe::app {
namespace {

inference::transcript spoken(std::string text, double begin_s, double end_s) {
  inference::transcript out;
  out.text = std::move(text);
  out.begin_s = begin_s;
  out.end_s = end_s;
  return out;
}

TEST(RecordingText, ASentenceALineAsItComes) {
  recording_text text("text");
  EXPECT_EQ(text.add(spoken("Turn it on.", 0.5, 1)), "Turn it on.\n");
  EXPECT_EQ(text.add(spoken("", 1, 1)), "");
  EXPECT_EQ(text.finish(), "");
}

TEST(RecordingText, JsonLines) {
  recording_text text("json");
  EXPECT_EQ(text.add(spoken("\"hi\"", 0.5, 1.25)), "{\"text\":\"\\\"hi\\\"\",\"start\":0.5,\"end\":1.25}\n");
  EXPECT_EQ(text.finish(), "");
}

TEST(RecordingText, SubtitlesComeAtTheEnd) {
  recording_text text("srt");
  EXPECT_EQ(text.add(spoken("one", 0.5, 1)), "");
  EXPECT_EQ(text.add(spoken("two", 2, 3)), "");
  EXPECT_EQ(text.finish(), "1\n00:00:00,500 --> 00:00:01,000\none\n\n2\n00:00:02,000 --> 00:00:03,000\ntwo\n");
}

TEST(RecordingText, ASentenceOfAnAnswerWithoutTimesHasNone) {
  simdjson::dom::parser parser;
  const auto one = sentence_of(parser.parse(std::string_view(R"({"text": "a", "start": null, "end": 2.5})")));
  EXPECT_EQ(one.text, "a");
  EXPECT_FALSE(one.begin_s);
  EXPECT_EQ(one.end_s, 2.5);
}

}  // namespace
}  // namespace troupe::app
