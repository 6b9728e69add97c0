#include "tests/cache/catalog/providers/support.hpp"

namespace troupe::cache {
namespace {

using testing::ElementsAre;
using testing::Optional;

// -- what real servers send --------------------------------------------------------------------------------------

TEST(ReadOffer, OpenRouter) {
  const auto row = row_of(R"("canonical_slug":"x","name":"Meta: Llama 3.1 8B","created":1721692800,
    "description":"A model.\nTwo lines.","context_length":131072,
    "architecture":{"modality":"text->text","input_modalities":["text"],"instruct_type":null},
    "pricing":{"prompt":"0.00000002","completion":"0.00000005","image":"0","request":"0"},
    "top_provider":{"context_length":16384,"is_moderated":false},"per_request_limits":null)");
  EXPECT_EQ(row.provider, "p");
  EXPECT_EQ(row.name, "Meta: Llama 3.1 8B");
  EXPECT_EQ(row.description, "A model.\nTwo lines.");
  EXPECT_EQ(row.task, "text-generation");
  EXPECT_THAT(row.prompt_price, Optional(2e-8));
  EXPECT_THAT(row.completion_price, Optional(5e-8));
  EXPECT_THAT(row.context_length, Optional(131072));
  EXPECT_THAT(row.created_s, Optional(1721692800));
  EXPECT_FALSE(row.edited);
  const auto automatic = row_of(R"("pricing":{"prompt":"-1","completion":"-1"},"context_length":null,
    "top_provider":{"context_length":2000000},"architecture":{"modality":"text+image+file->text"})");
  EXPECT_EQ(automatic.prompt_price, std::nullopt) << "differs by the request";
  EXPECT_EQ(automatic.completion_price, std::nullopt);
  EXPECT_THAT(automatic.context_length, Optional(2000000));
  EXPECT_EQ(automatic.task, "image-text-to-text");
}

TEST(ReadOffer, Together) {
  const auto row = row_of(R"("object":"model","created":0,"type":"chat","running":false,"display_name":"Kimi K2",
    "organization":"Moonshot","context_length":131072,"config":{"chat_template":null,"stop":["a"]},
    "pricing":{"hourly":0,"input":0.6,"output":2.5,"base":0,"finetune":0})");
  EXPECT_EQ(row.name, "Kimi K2");
  EXPECT_EQ(row.task, "text-generation");
  EXPECT_EQ(row.created_s, std::nullopt);
  EXPECT_THAT(row.prompt_price, Optional(testing::DoubleEq(0.6e-6)));
  EXPECT_THAT(row.completion_price, Optional(testing::DoubleEq(2.5e-6)));
}

TEST(ReadOffer, OthersThatAreKnown) {
  const auto anthropic = row_of(R"("type":"model","display_name":"Claude","created_at":"2025-02-19T00:00:00Z")");
  EXPECT_EQ(anthropic.name, "Claude");
  EXPECT_EQ(anthropic.task, "");
  EXPECT_THAT(anthropic.created_s, Optional(1739923200));
  const auto groq = row_of(R"("created":1693721698,"owned_by":"Meta","active":true,"context_window":8192)");
  EXPECT_THAT(groq.context_length, Optional(8192));
  EXPECT_THAT(row_of(R"("max_model_len":4096,"permission":[{"id":"other"}])").context_length, Optional(4096));
  const auto mistral = row_of(R"("max_context_length":32768,"name":"mistral-small","aliases":["a"],"type":"base")");
  EXPECT_THAT(mistral.context_length, Optional(32768));
  EXPECT_EQ(mistral.task, "");
  const auto vercel =
      row_of(R"("type":"language","context_window":128000,"pricing":{"input":"0.0000025","output":"0.00001"})");
  EXPECT_THAT(vercel.prompt_price, Optional(2.5e-6));
  EXPECT_THAT(vercel.completion_price, Optional(1e-5));
  const auto hub = row_of(R"("_id":"65","pipeline_tag":"some-new-task","createdAt":"2023-07-13T12:00:00.000Z")");
  EXPECT_EQ(hub.name, "m");
  EXPECT_EQ(hub.task, "some-new-task");
  EXPECT_THAT(hub.created_s, Optional(1689249600));
}

TEST(ReadOffer, AListNamedModelsMayNameItsIdsName) {
  const auto cohere = read_page(R"({"models":[{"name":"command-r","context_length":128000}],"next_page_token":"t"})");
  ASSERT_TRUE(cohere);
  EXPECT_EQ(cohere->offers.at(0).id, "command-r");
  const auto gemini = read_page(R"({"models":[{"name":"models/gemini","displayName":"Gemini"}]})");
  ASSERT_TRUE(gemini);
  EXPECT_EQ(gemini->offers.at(0).id, "models/gemini");
  EXPECT_EQ(gemini->offers.at(0).name, "Gemini");
  EXPECT_THAT(read_page(R"({"data":[{"name":"command-r"}]})")->faults, ElementsAre("id is missing"));
  EXPECT_THAT(read_page(R"({"models":[{"id":7,"name":"n"}]})")->faults, ElementsAre("id is no text"));
}

// -- ids ---------------------------------------------------------------------------------------------------------

TEST(ReadOffer, IdsOfAnyCharacters) {
  for (const std::string id : {"deepseek-r1:free", "a/b/c", "@cf/meta/llama", "名前", "a b", "x?y=z#%2F",
                               "'; DROP TABLE", "..", "~", "\xF0\x9F\xA6\x99"}) {
    const auto page = read_page(R"({"data":[{"id":")" + id + R"("}]})");
    ASSERT_TRUE(page) << id;
    ASSERT_EQ(page->offers.size(), 1U) << id << joined(page->faults);
    EXPECT_EQ(page->offers[0].id, id);
    EXPECT_EQ(page->offers[0].name, id);
  }
  EXPECT_EQ(read_page(R"([{"id":"a\/b\"\\\u00e9\ud83e\udd99"}])")->offers.at(0).id, "a/b\"\\\xC3\xA9\xF0\x9F\xA6\x99");
  EXPECT_EQ(read_page(R"([{"\u0069d":"escaped key"}])")->offers.at(0).id, "escaped key");
  EXPECT_EQ(read_page("[{\"id\":\"" + std::string(256, 'x') + "\"}]")->offers.size(), 1U);
}

TEST(ReadOffer, IdsThatAreNone) {
  const auto page = read_page(R"([{}, {"id":null}, {"id":7}, {"id":["a"]}, {"id":{"id":"a"}}, {"id":true}, {"id":""},
    {"id":"a\u0000b"}, {"id":"a\nb"}, {"id":"a\u007fb"}, {"id":"\ud800"}, {"id":")" +
                              std::string(257, 'x') + R"("}, 7, "a", null, [], [{"id":"a"}], true, {"id":"good"}])");
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->offers.size(), 1U);
  ASSERT_EQ(page->faults.size(), 18U) << joined(page->faults);
  EXPECT_EQ(page->faults[0], "id is missing");
  EXPECT_EQ(page->faults[2], "id is no text");
  EXPECT_EQ(page->faults[10], "id is no text") << "half of a character in two";
  EXPECT_EQ(page->faults[12], "is no object");
}

TEST(ReadOffer, OfAMemberThatIsThereTwiceTheLastHolds) {
  const auto page = read_page(R"([{"id":"a","id":"b","pricing":{"prompt":1},"context_length":7,"context_length":null,
    "pricing":{"completion":2,"completion":3}}])");
  const auto& row = page->offers.at(0);
  EXPECT_EQ(row.id, "b");
  EXPECT_EQ(row.prompt_price, std::nullopt);
  EXPECT_THAT(row.completion_price, Optional(3.0));
  EXPECT_EQ(row.context_length, std::nullopt);
}

// -- prices ------------------------------------------------------------------------------------------------------

std::optional<double> price(const std::string& json) {
  return row_of(R"("pricing":{"prompt":)" + json + '}').prompt_price;
}

TEST(ReadOffer, Prices) {
  for (const char* free : {"0", "0.0", "-0.0", "\"0\"", "\"-0\"", "0e5"}) {
    EXPECT_THAT(price(free), Optional(0.0)) << free;
    EXPECT_FALSE(std::signbit(*price(free))) << free;
  }
  EXPECT_THAT(price("1e-7"), Optional(1e-7));
  EXPECT_THAT(price("\"1E-7\""), Optional(1e-7));
  EXPECT_THAT(price("\" 0.5 \""), Optional(0.5));
  EXPECT_THAT(price("3"), Optional(3.0));
  EXPECT_THAT(price("0.00000000000000000000000000000000001"), Optional(1e-35));
}

TEST(ReadOffer, PricesThatAreNotKnown) {
  for (const std::string json :
       {"null",           "-1",          "\"-1\"",    "-1e-9",    "1e400",   "\"1e400\"", "-1e400",
        "1e-400",         "NaN",         "\"NaN\"",   "Infinity", "\"inf\"", "\"\"",      "\"free\"",
        "\"$0.5\"",       "\"0,5\"",     "\"0x1p3\"", "\"1 2\"",  "true",    "[1]",       "{\"usd\":1}",
        "\"0.5\\u0000\"", "\"\\ud800\"", "1.2.3",     "01x"}) {
    EXPECT_EQ(price(json), std::nullopt) << json;
  }
  EXPECT_EQ(price(std::string(5000, '9')), std::nullopt);
  EXPECT_EQ(price("\"0." + std::string(5000, '1') + '"'), std::nullopt);
  for (const char* pricing : {"null", "7", "\"cheap\"", "[]", "[{\"prompt\":1}]", "{}", "{\"prompt\":null}"})
    EXPECT_EQ(row_of(std::string("\"pricing\":") + pricing).prompt_price, std::nullopt) << pricing;
  EXPECT_EQ(row_of(R"("name":"n")").prompt_price, std::nullopt);
}

TEST(ReadOffer, PricesOfAnUnknownUnitAreNotKnown) {
  for (const char* pricing :
       {R"({"input":0.6,"output":2})", R"({"input":"0.6","output":"2"})", R"({"input":0.6,"output":2,"base":0})",
        R"({"input":{"usd":1},"output":[1]})", R"({"input_tokens":0.6})", R"({"prompt":null,"input":0.6})"}) {
    const auto row = row_of(std::string("\"pricing\":") + pricing);
    EXPECT_EQ(row.prompt_price, std::nullopt) << pricing;
    EXPECT_EQ(row.completion_price, std::nullopt) << pricing;
  }
  const auto both = row_of(R"("pricing":{"hourly":0,"base":0,"finetune":0,"input":5,"prompt":"0.001","output":-1})");
  EXPECT_THAT(both.prompt_price, Optional(0.001));
  EXPECT_EQ(both.completion_price, std::nullopt);
}

// -- other facts -------------------------------------------------------------------------------------------------

TEST(ReadOffer, ContextLengths) {
  const auto of = [](const std::string& json) { return row_of("\"context_length\":" + json).context_length; };
  for (const char* json : {"4096", "\"4096\"", "4096.0", "4.096e3", "\" 4096 \""})
    EXPECT_THAT(of(json), Optional(4096)) << json;
  EXPECT_THAT(of("9007199254740992"), Optional(9007199254740992));
  for (const char* json : {"0", "-1", "\"-4096\"", "4096.5", "1e400", "9007199254740994", "99999999999999999999999",
                           "NaN", "\"128k\"", "\"\"", "true", "[4096]", "{}", "null"})
    EXPECT_EQ(of(json), std::nullopt) << json;
  EXPECT_THAT(row_of(R"("context_length":0,"context_window":-1,"max_model_len":512)").context_length, Optional(512));
}

TEST(ReadOffer, Times) {
  const auto of = [](const std::string& json) { return row_of("\"created\":" + json).created_s; };
  for (const char* json :
       {"1700000000", "1700000000.7", "\"1700000000\"", "\"2023-11-14T22:13:20Z\"", "\"2023-11-14t22:13:20.999999z\"",
        "\"2023-11-15T00:13:20+02:00\"", "\"2023-11-14 22:13:20\"", "\"2023-11-14T20:43:20-01:30\""})
    EXPECT_THAT(of(json), Optional(1700000000)) << json;
  for (const char* json : {"0", "-5", "1700000000000", "1e400", "\"yesterday\"", "\"2023-02-30T00:00:00Z\"", "null",
                           "{}", "\"2023-11-14\"", "\"2023-11-14T22:13:20+0200\"", "\"2023-11-14T25:00:00Z\"",
                           "\"1969-01-01T00:00:00Z\"", "\"2023-11-14T22:13:20.\u00e9\"", "\"-023-11-14T22:13:20Z\""})
    EXPECT_EQ(of(json), std::nullopt) << json;
}

TEST(ReadOffer, NamesAndDescriptions) {
  EXPECT_EQ(row_of(R"("name":42)").name, "m");
  EXPECT_EQ(row_of(R"("name":"")").name, "m");
  EXPECT_EQ(row_of(R"("name":" \t ")").name, "m");
  EXPECT_EQ(row_of(R"("name":null,"display_name":"D")").name, "D");
  EXPECT_EQ(row_of(R"("name":"N","display_name":"D")").name, "D");
  EXPECT_EQ(row_of(R"("name":"a\u0000b\nc\u001b[2J")").name, "a b c [2J");
  EXPECT_EQ(row_of(R"("name":"\ud800")").name, "m");
  EXPECT_EQ(row_of(R"("description":"a\u0000b\nc\td")").description, "a b\nc\td");
  EXPECT_EQ(row_of(R"("description":["a"])").description, "");
  EXPECT_EQ(row_of("\"description\":\"" + std::string(9000, 'x') + '"').description.size(), offer_text_bytes_max);
  std::string umlauts;
  for (int i = 0; i < 3000; ++i) umlauts += "\xC3\xA4";
  const auto cut = row_of("\"name\":\"x" + umlauts + '"').name;
  EXPECT_EQ(cut.size(), offer_text_bytes_max - 1);
  EXPECT_TRUE(simdjson::validate_utf8(cut));
}

TEST(ReadOffer, Tasks) {
  const auto of = [](const std::string& members) { return row_of(members).task; };
  EXPECT_EQ(of(R"("pipeline_tag":"fill-mask","task":"summarization")"), "fill-mask");
  EXPECT_EQ(of(R"("pipeline_tag":"Not A Tag","task":"summarization")"), "summarization");
  EXPECT_EQ(of(R"("task":"made-up")"), "");
  EXPECT_EQ(of(R"("task":7,"type":"embedding")"), "feature-extraction");
  EXPECT_EQ(of(R"("type":"rerank")"), "text-ranking");
  EXPECT_EQ(of(R"("type":"moderation")"), "");
  EXPECT_EQ(of(R"("type":"model")"), "");
  const auto modality = [&](const std::string& m) { return of("\"architecture\":{\"modality\":\"" + m + "\"}"); };
  EXPECT_EQ(modality("text->image"), "text-to-image");
  EXPECT_EQ(modality("text->embeddings"), "feature-extraction");
  EXPECT_EQ(modality("text+image->text"), "image-text-to-text");
  for (const char* other : {"text+audio->text", "text+image+video->text", "text->audio", "image->text", "text", "->",
                            "->text", "text->", "", "+->text"})
    EXPECT_EQ(modality(other), "") << other;
}

}  // namespace
}  // namespace troupe::cache
