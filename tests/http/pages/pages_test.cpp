#include "http/pages/pages.hpp"

#include <gtest/gtest.h>

#include <regex>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

struct Pages : ::testing::Test, bench {
  response get(const std::string& path) {
    const auto e = ask("GET", path);
    return e->answer.value_or(response{});
  }
};

TEST_F(Pages, TheSpeechPageIsThere) {
  const auto page = get("/demo/speech");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(page.body.find("<!doctype html>"), 0);
  EXPECT_NE(page.body.find("</html>"), std::string::npos) << "it is cut";
}

// What the page and its script name is served, and nothing of another origin is named.
TEST_F(Pages, EverythingThatThePageLoadsIsThere) {
  const auto page = get("/demo/speech").body;
  const std::regex loaded("(?:src|href)=\"([^\"]+)\"");
  int found = 0;
  for (std::sregex_iterator it(page.begin(), page.end(), loaded), end; it != end; ++it, ++found) {
    EXPECT_EQ(get("/demo/" + (*it)[1].str()).status, 200) << (*it)[1];
  }
  EXPECT_EQ(found, 2);
  const auto script = get("/demo/speech.js").body;
  EXPECT_NE(script.find("addModule(\"speech-worklet.js\")"), std::string::npos);
  EXPECT_EQ(get("/demo/speech-worklet.js").content_type, "text/javascript; charset=utf-8");
}

TEST_F(Pages, NothingFromElsewhereRuns) {
  const auto page = get("/demo/speech");
  const auto policy = std::find_if(page.headers.begin(), page.headers.end(),
                                   [](const auto& h) { return h.first == "Content-Security-Policy"; });
  ASSERT_NE(policy, page.headers.end());
  EXPECT_NE(policy->second.find("default-src 'none'"), std::string::npos);
}

TEST_F(Pages, NeedNoKey) {
  settings.api_keys = {"key"};
  EXPECT_EQ(get("/demo/speech").status, 200);
}

}  // namespace
}  // namespace troupe::http::tests
