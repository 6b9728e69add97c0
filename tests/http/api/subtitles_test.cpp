#include "http/api/subtitles.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace troupe::http {
namespace {

inference::transcript said(std::string text, std::optional<double> begin, std::optional<double> end) {
  inference::transcript out;
  out.text = std::move(text);
  out.begin_s = begin;
  out.end_s = end;
  return out;
}

TEST(subtitles, srt) {
  const std::vector<inference::transcript> all{said("你好。", 0.06, 1.5), said("a & <b>", 3723.0004, 3724.9996)};
  EXPECT_EQ(srt_of(all),
            "1\n00:00:00,060 --> 00:00:01,500\n你好。\n\n"
            "2\n01:02:03,000 --> 01:02:05,000\na & <b>\n");
  EXPECT_EQ(srt_of({}), "");
}

TEST(subtitles, vtt) {
  const std::vector<inference::transcript> all{said("a & <b> -->", 0, 1), said("two\nlines", 360000, 360001)};
  EXPECT_EQ(vtt_of(all),
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na &amp; &lt;b&gt; --&gt;\n\n"
            "100:00:00.000 --> 100:00:01.000\ntwo lines\n");
  EXPECT_EQ(vtt_of({}), "WEBVTT\n");
}

TEST(subtitles, times_that_are_missing_or_none) {
  const std::vector<inference::transcript> all{said("a", 1, 2), said("b", {}, {}), said("c", 5, 4)};
  EXPECT_EQ(srt_of(all),
            "1\n00:00:01,000 --> 00:00:02,000\na\n\n"
            "2\n00:00:02,000 --> 00:00:02,001\nb\n\n"
            "3\n00:00:05,000 --> 00:00:05,001\nc\n");
}

}  // namespace
}  // namespace troupe::http
