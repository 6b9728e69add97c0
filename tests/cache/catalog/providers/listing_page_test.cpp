#include "tests/cache/catalog/providers/support.hpp"

namespace troupe::cache {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST(ListingPage, TheThreeForms) {
  for (const char* json :
       {R"({"object":"list","data":[{"id":"a"},{"id":"b"}]})", R"({"models":[{"id":"a"},{"id":"b"}]})",
        R"([{"id":"a"},{"id":"b"}])", "\xEF\xBB\xBF[{\"id\":\"a\"},{\"id\":\"b\"}]\n\n",
        R"({"models":[{"model":"x"}],"data":[{"id":"a"},{"id":"b"}],"error":null})",
        R"({"data":[{"id":"a"},{"id":"b"}],"models":"not a list","message":"hello"})"}) {
    const auto page = read_page(json);
    ASSERT_TRUE(page) << json << page.error().message;
    ASSERT_THAT(page->offers, SizeIs(2)) << json;
    EXPECT_EQ(page->offers[1].id, "b");
  }
  EXPECT_EQ(read_page("[{\"id\":\"a\"}]")->facts.list, "");
  for (const char* empty : {"[]", "{\"data\":[]}", "{\"data\":null}", "{\"models\":[ ]}"})
    EXPECT_THAT(read_page(empty)->offers, SizeIs(0)) << empty;
}

TEST(ListingPage, WhatFollows) {
  const auto page = read_page(R"({"has_more":true,"data":[],"last_id":"z","next_page_token":"t","nextPageToken":"T"})");
  EXPECT_TRUE(page->facts.has_more);
  EXPECT_EQ(page->facts.last_id, "z");
  EXPECT_EQ(page->facts.page_token, "t");
  EXPECT_EQ(page->facts.camel_token, "T");
  const auto none =
      read_page(R"({"data":[],"has_more":"true","last_id":null,"next_page_token":{},"nextPageToken":""})");
  EXPECT_FALSE(none->facts.has_more);
  EXPECT_EQ(none->facts.last_id + none->facts.page_token + none->facts.camel_token, "");
}

TEST(ListingPage, WhatIsNoListing) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "empty"},
      {"  \n", "empty"},
      {"<!DOCTYPE html><html>", "a web page"},
      {"  <?xml version='1.0'?>", "a web page"},
      {"Bad Gateway", "no JSON at byte 0"},
      {"7", "neither"},
      {"\"text\"", "neither"},
      {"null", "neither"},
      {"{}", "neither 'data' nor 'models'"},
      {R"({"object":"list"})", "neither 'data' nor 'models'"},
      {R"({"data":{}})", "'data' is no list"},
      {R"({"data":"[]"})", "'data' is no list"},
      {R"({"data":7})", "'data' is no list"},
      {R"({"data":[],"data":[]})", "twice"},
      {R"({"error":{"message":"Invalid API key","type":"x"}})", "it says 'Invalid API key'"},
      {R"({"error":"model name is empty"})", "it says 'model name is empty'"},
      {R"({"error":{"code":7}})", "it says 'an error'"},
      {R"({"detail":"Not Found"})", "it says 'Not Found'"},
      {R"({"object":"error","message":"no\u001b[2J"})", "it says 'no?[2J'"},
      {R"({"error":[[]]})", "it says 'an error'"},
      {R"({"data":[{"id":"a"}]} {"data":[]})", "no JSON"},
      {R"([{"id":"a"}] [])", "no JSON"},
      {R"([{"id":"a"},])", "no JSON"},
      {R"([{"id":"a"} {"id":"b"}])", "no JSON"},
      {R"([{"id" "a"}])", "no JSON"},
      {R"([{"id":}])", "no JSON"},
      {R"([{id:"a"}])", "no JSON"},
      {R"([{"id":"a"}}])", "no JSON"},
      {R"({"data":[{"id":"a"]}})", "no JSON"},
      {"[{\"id\":\"a\nb\"}]", "no JSON"},
      {"[{\"id\":\"\xFF\"}]", "byte 8 is no UTF-8"},
      {"[{\"id\":\"a\"},{\"name\":\"\xC3\"}]", "no UTF-8"},
  };
  for (const auto& [json, says] : cases) {
    const auto page = read_page(json);
    ASSERT_FALSE(page) << json;
    EXPECT_EQ(page.error().code, error_code::unprocessable) << json;
    EXPECT_THAT(page.error().message, HasSubstr(says)) << json;
    EXPECT_THAT(page.error().message, testing::StartsWith("p gives no list of models: ")) << json;
  }
}

// Wherever it is cut, and whatever is in the place of a byte: an error or rows, never a crash.
TEST(ListingPage, CutAndDamaged) {
  const std::string whole =
      R"({"object":"list","data":[{"id":"a\u00e4/b","name":"A \"b\"","pricing":{"prompt":"0.1","x":[1,{}]},"created":17},)"
      R"({"id":"b","top_provider":{"context_length":4},"architecture":{"modality":"text->text"}}],"has_more":false})";
  ASSERT_TRUE(read_page(whole));
  for (std::size_t cut = 0; cut < whole.size(); ++cut) EXPECT_FALSE(read_page(whole.substr(0, cut))) << cut;
  const std::string bare = R"([{"id":"a","pricing":{"prompt":[1]}},{"id":"b"}])";
  for (std::size_t cut = 0; cut < bare.size(); ++cut) EXPECT_FALSE(read_page(bare.substr(0, cut))) << cut;
  for (const auto& text : {whole, bare})
    for (std::size_t at = 0; at < text.size(); ++at)
      for (const char c : {'{', '}', '[', ']', '"', '\\', ',', ':', ' ', '0', 'n', '\0', '\xFF'}) {
        auto damaged = text;
        damaged[at] = c;
        damaged.shrink_to_fit();
        (void)read_page(damaged);
        damaged = text;
        damaged.erase(at, 1);
        (void)read_page(damaged);
      }
}

TEST(ListingPage, DeepNesting) {
  const auto nested = [](std::size_t depth) {
    return R"([{"id":"a","x":)" + std::string(depth, '[') + std::string(depth, ']') + R"(},{"id":"b"}])";
  };
  EXPECT_THAT(read_page(nested(100))->offers, SizeIs(2));
  EXPECT_THAT(read_page(nested(1'000'000))->offers, SizeIs(2)) << "what is not read is passed over";
  EXPECT_FALSE(read_page(std::string(1'000'000, '[')));
  EXPECT_FALSE(read_page(R"({"data":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"pricing":)";
  EXPECT_FALSE(read_page('[' + objects));
  EXPECT_TRUE(read_page("[{\"id\":\"a\",\"pricing\":" + objects + "1" + std::string(100'000, '}') + "}]"));
}

}  // namespace
}  // namespace troupe::cache
