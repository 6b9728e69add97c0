#include "http/api/artifact_json.hpp"

#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

constexpr double mib = 1048576.0;

TEST(artifact_json, an_estimated_time_is_a_span_of_whole_minutes) {
  EXPECT_EQ(estimated_time(0, mib), "less than a minute");
  EXPECT_EQ(estimated_time(44.9 * mib, mib), "less than a minute");
  EXPECT_EQ(estimated_time(45 * mib, mib), "1-2 minutes");
  EXPECT_EQ(estimated_time(80 * mib, mib), "2 minutes");
  EXPECT_EQ(estimated_time(600 * mib, mib), "8-15 minutes") << "as the document's example says it";
  EXPECT_EQ(estimated_time(600 * mib, 100 * mib), "less than a minute");
}

TEST(artifact_json, an_optimization_says_what_it_gained) {
  actors::artifact_report before;
  before.stored.name = "m";
  actors::optimize_report did;
  const auto message = [&] { return std::string(parse(optimized_json(before, did))["message"].GetString()); };
  EXPECT_EQ(message(), "Model 'm' is served as it is: there was nothing to gain");
  did.copy_bytes = 3 << 20;
  EXPECT_EQ(message(), "Model 'm' optimized successfully");
  before.ready_bytes = did.copy_bytes;
  EXPECT_EQ(message(), "Model 'm' is optimized already: there was nothing to gain");
  did.notes = "not measured: no room";
  const auto json = parse(optimized_json(before, did));
  EXPECT_TRUE(json["before"].IsNull() && json["after"].IsNull() && json["gained"].IsNull());
  EXPECT_STREQ(json["detail"].GetString(), "not measured: no room");
}

TEST(artifact_json, what_sources_call_things_is_written_as_utf8) {
  actors::download_report d;
  d.what.model_id = "\xff\"";
  d.message = "a\nb\x80";
  const auto json = parse(download_status_json(d));
  EXPECT_STREQ(json["message"].GetString(), "a\nb\xEF\xBF\xBD");
  EXPECT_STREQ(parse(started_json(d, {}))["model_id"].GetString(), "\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace troupe::http::tests
