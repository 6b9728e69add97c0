#include "tests/cache/catalog/providers/support.hpp"

namespace troupe::cache {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string query = "/api/models?limit=1000&expand=pipeline_tag&expand=createdAt";

config::catalog_provider hub(std::string base_url = {}, std::string key = {}) {
  auto out = reading::openai(std::move(base_url), std::move(key));
  out.type = "huggingface";
  return out;
}
config::settings with_token() {
  config::settings out;
  out.hf_token = "t";
  return out;
}

TEST(HubModels, PagesByLinks) {
  reading p(hub());
  p.net.answers(
      "GET https://huggingface.co" + query, 200,
      R"([{"_id":"1","id":"org/a","pipeline_tag":"fill-mask","createdAt":"2022-03-02T23:29:04.000Z"},{"_id":"2","id":"b"}])",
      {{"link", "<https://huggingface.co/api/models?limit=1000&cursor=c>; rel=\"next\""}});
  p.net.answers("GET https://huggingface.co/api/models?limit=1000&cursor=c", 200, R"([{"id":"org/c","private":true}])");
  const auto got = p.read();
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_THAT(p.ids(), ElementsAre("org/a", "b", "org/c"));
  const auto& first = p.batches.at(0).at(0);
  EXPECT_EQ(first.task, "fill-mask");
  EXPECT_EQ(first.created_s, 1646263744);
  EXPECT_EQ(first.prompt_price, std::nullopt);
  EXPECT_THAT(p.net.seen.at(0).proof, IsEmpty());
}

TEST(HubModels, AMirrorsLinksStayAtTheMirror) {
  config::settings settings;
  settings.hf_endpoint = "https://mirror/hf/";
  reading p(hub(), settings);
  p.net.answers("GET https://mirror/hf" + query, 200, R"([{"id":"a"}])",
                {{"link", "<https://huggingface.co/api/models?cursor=c>; rel=\"next\""}});
  p.net.answers("GET https://mirror/hf/api/models?cursor=c", 200, R"([{"id":"b"}])");
  ASSERT_TRUE(p.read());
  EXPECT_THAT(p.ids(), ElementsAre("a", "b"));
}

TEST(HubModels, TheTokenIsForTheHubOfTheSettings) {
  const auto proof = [](const config::catalog_provider& from, const std::string& base) {
    reading p(from, with_token());
    p.net.answers("GET " + base + query, 200, R"([{"id":"a"}])");
    EXPECT_TRUE(p.read()) << base;
    return p.net.seen.at(0).proof;
  };
  EXPECT_THAT(proof(hub(), "https://huggingface.co"), ElementsAre(std::pair("Authorization", "Bearer t")));
  EXPECT_THAT(proof(hub("https://huggingface.co/"), "https://huggingface.co"),
              ElementsAre(std::pair("Authorization", "Bearer t")));
  EXPECT_THAT(proof(hub("https://other"), "https://other"), IsEmpty());
  EXPECT_THAT(proof(hub("https://other", "k"), "https://other"), ElementsAre(std::pair("Authorization", "Bearer k")));
  EXPECT_THAT(proof(hub("", "k"), "https://huggingface.co"), ElementsAre(std::pair("Authorization", "Bearer k")));
}

}  // namespace
}  // namespace troupe::cache
