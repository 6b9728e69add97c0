#include "actors/sessions/speech_models.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

using inference::task;

constexpr auto asr = task::automatic_speech_recognition;

bool by_name(const std::filesystem::path& path) { return path.string().find("fed") != std::string::npos; }

struct chosen {
  config::settings settings;
  std::vector<speech_candidate> registered;
  speech_models models{settings, [this] { return registered; }, by_name};
};

TEST(SpeechModels, NothingIsThere) {
  const chosen c;
  EXPECT_EQ(c.models.live(), "");
  EXPECT_EQ(c.models.whole(), "");
  EXPECT_EQ(c.models.punctuation(), "");
  EXPECT_EQ(c.models.voice_activity(), "");
}

TEST(SpeechModels, EachTakesWhatFitsItsPurposeInTheOrderOfNames) {
  chosen c;
  c.registered = {{"d", {asr}, "/whole"},
                  {"c", {asr}, "/fed"},
                  {"b", {asr}, "/fed"},
                  {"e", {asr}, "/whole"},
                  {"a", {task::text_classification}, "/fed"},
                  {"q", {task::punctuation_restoration}, "/q"},
                  {"p", {task::punctuation_restoration}, "/p"},
                  {"z", {task::voice_activity_detection}, "/z"}};
  EXPECT_EQ(c.models.live(), "b");
  EXPECT_EQ(c.models.whole(), "d");
  EXPECT_EQ(c.models.punctuation(), "p");
  EXPECT_EQ(c.models.voice_activity(), "z");
}

TEST(SpeechModels, WhoHearsWholeSoundsAlone) {
  chosen c;
  EXPECT_FALSE(c.models.hears_whole(""));
  c.registered = {{"d", {asr}, "/whole"}, {"a", {task::text_classification}, "/a"}};
  EXPECT_TRUE(c.models.hears_whole("")) << "nobody can be fed";
  EXPECT_TRUE(c.models.hears_whole("d"));
  EXPECT_FALSE(c.models.hears_whole("a"));
  EXPECT_FALSE(c.models.hears_whole("unknown"));
  c.registered.push_back({"f", {asr}, "/fed"});
  EXPECT_FALSE(c.models.hears_whole(""));
  EXPECT_FALSE(c.models.hears_whole("f"));
  EXPECT_TRUE(c.models.hears_whole("d")) << "it was named";
  c.registered = {{"offline_asr", {}, "/unknown"}};
  EXPECT_TRUE(c.models.hears_whole("")) << "by its usual name";
}

TEST(SpeechModels, AUsualNameGoesFirstEvenWhereItsTaskIsNotKnownYet) {
  chosen c;
  c.registered = {{"b", {asr}, "/fed"}, {"streaming_asr", {}, "/unknown"}, {"offline_asr", {}, "/unknown"}};
  EXPECT_EQ(c.models.live(), "streaming_asr");
  EXPECT_EQ(c.models.whole(), "offline_asr");
}

TEST(SpeechModels, TheSettingsWordIsTakenAsItIs) {
  chosen c;
  c.registered = {{"streaming_asr", {asr}, "/fed"}};
  c.settings.speech_model = "mine";
  c.settings.offline_speech_model = "whole";
  c.settings.punctuation_model = "marks";
  c.settings.vad_model = "activity";
  EXPECT_EQ(c.models.live(), "mine");
  EXPECT_EQ(c.models.whole(), "whole");
  EXPECT_EQ(c.models.punctuation(), "marks");
  EXPECT_EQ(c.models.voice_activity(), "activity");
}

TEST(SpeechModels, WhereNoneIsFedTheOtherIsNamedSoThatItCanSayWhyNot) {
  chosen c;
  c.registered = {{"only", {asr}, "/whole"}};
  EXPECT_EQ(c.models.live(), "only");
}

}  // namespace
}  // namespace troupe::actors
