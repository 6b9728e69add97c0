#include "actors/sessions/speech_models.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::actors {
namespace {

using inference::task;

constexpr auto asr = task::automatic_speech_recognition;

struct chosen {
  config::settings settings;
  std::vector<speech_candidate> registered;
  // Those of them that are fed.
  std::set<std::string> fed = {"a", "b", "c", "f"};
  speech_models models{settings, [this] { return registered; }, [this](const auto& m) { return fed.contains(m); }};
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
  c.registered = {{"d", {asr}},
                  {"c", {asr}},
                  {"b", {asr}},
                  {"e", {asr}},
                  {"a", {task::text_classification}},
                  {"q", {task::punctuation_restoration}},
                  {"p", {task::punctuation_restoration}},
                  {"z", {task::voice_activity_detection}}};
  EXPECT_EQ(c.models.live(), "b");
  EXPECT_EQ(c.models.whole(), "d");
  EXPECT_EQ(c.models.punctuation(), "p");
  EXPECT_EQ(c.models.voice_activity(), "z");
}

TEST(SpeechModels, WhoHearsWholeSoundsAlone) {
  chosen c;
  EXPECT_FALSE(c.models.hears_whole(""));
  c.registered = {{"d", {asr}}, {"a", {task::text_classification}}};
  EXPECT_TRUE(c.models.hears_whole("")) << "nobody can be fed";
  EXPECT_TRUE(c.models.hears_whole("d"));
  EXPECT_FALSE(c.models.hears_whole("a"));
  EXPECT_FALSE(c.models.hears_whole("unknown"));
  c.registered.push_back({"f", {asr}});
  EXPECT_FALSE(c.models.hears_whole(""));
  EXPECT_FALSE(c.models.hears_whole("f"));
  EXPECT_TRUE(c.models.hears_whole("d")) << "it was named";
  c.registered = {{"offline_asr", {}}};
  EXPECT_TRUE(c.models.hears_whole("")) << "by its usual name";
}

TEST(SpeechModels, AUsualNameGoesFirstEvenWhereItsTaskIsNotKnownYet) {
  chosen c;
  c.registered = {{"b", {asr}}, {"streaming_asr", {}}, {"offline_asr", {}}};
  EXPECT_EQ(c.models.live(), "streaming_asr");
  EXPECT_EQ(c.models.whole(), "offline_asr");
}

TEST(SpeechModels, TheSettingsWordIsTakenAsItIs) {
  chosen c;
  c.registered = {{"streaming_asr", {asr}}};
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
  c.registered = {{"only", {asr}}};
  EXPECT_EQ(c.models.live(), "only");
}

}  // namespace
}  // namespace troupe::actors
