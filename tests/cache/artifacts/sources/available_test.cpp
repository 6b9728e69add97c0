// The shipped list (models/available.json): each entry can be asked for, as it stands.

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "cache/artifacts/sources/hub_names.hpp"
#include "cache/artifacts/sources/published_weights.hpp"
#include "cache/artifacts/sources/tts.hpp"
#include "config/names.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

namespace dom = simdjson::dom;

struct Available : ::testing::Test {
  void SetUp() override {
    const char* source = std::getenv("TROUPE_SOURCE");
    const auto file = std::filesystem::path(source == nullptr ? "." : source) / "models/available.json";
    const auto read = inference::read_json_object(file, 1U << 20U, json);
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_FALSE(json.root["available_models"].get(models));
  }
  static std::string text(dom::element entry, const char* key) {
    std::string_view value;
    EXPECT_FALSE(entry[key].get(value)) << key;
    return std::string(value);
  }
  inference::json_document json;
  dom::object models;
};

TEST_F(Available, EachEntryNamesSomethingThatItsSourceCanHave) {
  for (const auto [key, entry] : models) {
    SCOPED_TRACE(key);
    EXPECT_EQ(text(entry, "name"), key);
    EXPECT_TRUE(config::check_model_name(key));
    const auto id = text(entry, "model_id");
    const auto source = parse_source(text(entry, "source"));
    ASSERT_TRUE(source);
    if (*source == source_kind::huggingface) {
      EXPECT_TRUE(check_hub_id(id));
    } else if (*source == source_kind::torchvision) {
      EXPECT_TRUE(find_vision_weights(id));
    } else {
      EXPECT_EQ(*source, source_kind::torchaudio);
      EXPECT_TRUE(find_audio_weights(id));
    }
    EXPECT_FALSE(text(entry, "task").empty());
    EXPECT_FALSE(text(entry, "description").empty());
    EXPECT_TRUE(entry["tags"].is_array());
  }
}

TEST_F(Available, SizesAreThoseOfTheirPublishers) {
  for (const auto [key, entry] : models) {
    SCOPED_TRACE(key);
    const bool told = !entry["size_mb"].is_null();
    EXPECT_EQ(!entry["size_as_of"].is_null(), told);
    EXPECT_EQ(!entry["size_source"].is_null(), told);
    const auto id = text(entry, "model_id");
    double size = 0;
    if (told) {
      ASSERT_FALSE(entry["size_mb"].get(size));
      EXPECT_EQ(text(entry, "size_as_of").size(), 10u);
    }
    if (const auto published = find_vision_weights(id); text(entry, "source") == "torchvision") {
      ASSERT_TRUE(published);
      EXPECT_EQ(size, published->size_mb);
    } else {
      const auto* speech = find_tts_model(id);
      EXPECT_EQ(told ? std::optional(size) : std::nullopt, speech == nullptr ? std::nullopt : speech->size_mb);
    }
  }
}

TEST_F(Available, CategoriesAndRecommendationsNameEntries) {
  std::set<std::string_view> speech, general;
  const auto names = [&](dom::element list) {
    std::set<std::string_view> out;
    for (const auto name : list.get_array()) {
      std::string_view text;
      EXPECT_FALSE(name.get(text));
      dom::element found;
      EXPECT_FALSE(models[text].get(found)) << text;
      EXPECT_TRUE(out.insert(text).second) << text;
    }
    return out;
  };
  for (const auto [key, entry] : models) (entry["tts_features"].error() ? general : speech).insert(key);
  EXPECT_EQ(names(json.root["categories"]["tts_models"]), speech);
  EXPECT_EQ(names(json.root["categories"]["general_models"]), general);
  EXPECT_EQ(names(json.root["popular_tts_models"]),
            (std::set<std::string_view>{"speecht5_tts", "bark_tts", "bart_large_tts"}));
  for (const auto* use : {"beginners", "advanced", "fast_setup", "highest_quality"})
    EXPECT_EQ(names(json.root["download_recommendations"][use]).size(), 2u) << use;
}

}  // namespace
}  // namespace troupe::cache
