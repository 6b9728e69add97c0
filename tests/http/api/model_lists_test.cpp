#include "http/api/model_lists.hpp"

#include <gtest/gtest.h>

#include "tests/http/fakes.hpp"

namespace troupe::http::tests {
namespace {

actors::model_report model(const std::string& name, const std::string& task) {
  actors::model_report m;
  m.registration.name = name;
  m.registration.task = task;
  return m;
}

rapidjson::Document lists_of(std::vector<actors::model_report> models) {
  actors::server_report report;
  report.models = std::move(models);
  json_out json;
  json.object();
  write_model_lists(json, report);
  json.end_object();
  return parse(json.str());
}

std::string joined(const rapidjson::Value& names) {
  std::string out;
  for (const auto& name : names.GetArray()) out += std::string(out.empty() ? "" : " ") + name.GetString();
  return out;
}

TEST(model_lists, nothing_is_registered) {
  const auto d = lists_of({});
  EXPECT_TRUE(d["success"].GetBool());
  EXPECT_EQ(d["total_models"].GetInt(), 0);
  EXPECT_EQ(d["models_info"].MemberCount(), 0u);
  EXPECT_EQ(joined(d["specialized_models"]["tts_models"]), "");
}

TEST(model_lists, names_by_what_models_do) {
  const auto d =
      lists_of({model("bark_tts", ""), model("bert", "text-classification"), model("deit", "image-classification"),
                model("speech", "text-to-speech"), model("whisper", "automatic-speech-recognition")});
  EXPECT_EQ(joined(d["available_models"]), "bark_tts bert deit speech whisper");
  const auto& special = d["specialized_models"];
  EXPECT_EQ(joined(special["tts_models"]), "bark_tts speech");
  EXPECT_EQ(joined(special["stt_models"]), "whisper");
  EXPECT_EQ(joined(special["image_classification"]), "deit");
  EXPECT_EQ(joined(special["text_classification"]), "bert");
  EXPECT_EQ(d["audio_models"]["tts_detailed"].MemberCount(), 2u);
}

TEST(model_lists, what_is_told_of_a_model) {
  auto m = model("speecht5_tts", "text-to-speech");
  m.registration.source = "huggingface";
  m.registration.provider = "microsoft/speecht5_tts";
  m.registration.description = "Microsoft SpeechT5 TTS model";
  m.registration.tags = {"tts"};
  auto d = lists_of({m});
  const auto& info = d["models_info"]["speecht5_tts"];
  EXPECT_STREQ(info["display_name"].GetString(), "speecht5_tts") << "its name, where it has no other";
  EXPECT_STREQ(info["task"].GetString(), "text-to-speech");
  EXPECT_STREQ(info["category"].GetString(), "audio");
  EXPECT_TRUE(info["enabled"].GetBool());
  EXPECT_TRUE(info["tts_enabled"].GetBool());
  EXPECT_TRUE(info["version"].IsNull());
  EXPECT_EQ(joined(info["tags"]), "tts");
  const auto& speech = d["audio_models"]["tts_detailed"]["speecht5_tts"];
  EXPECT_STREQ(speech["type"].GetString(), "huggingface");
  EXPECT_STREQ(speech["model_name"].GetString(), "microsoft/speecht5_tts");
  EXPECT_STREQ(speech["description"].GetString(), "Microsoft SpeechT5 TTS model");
  EXPECT_EQ(joined(d["audio_models"]["loaded_audio_models"]), "");
  m.state = actors::residency::resident;
  EXPECT_EQ(joined(lists_of({m})["audio_models"]["loaded_audio_models"]), "speecht5_tts");
}

TEST(model_lists, a_model_that_is_off_is_listed_and_not_available) {
  auto off = model("off", "fill-mask");
  off.registration.enabled = false;
  const auto d = lists_of({off});
  EXPECT_EQ(d["total_models"].GetInt(), 1);
  EXPECT_EQ(joined(d["available_models"]), "");
  EXPECT_FALSE(d["models_info"]["off"]["enabled"].GetBool());
}

TEST(model_lists, categories) {
  const std::pair<const char*, const char*> cases[] = {
      {"text-to-speech", "audio"},
      {"automatic-speech-recognition", "audio"},
      {"audio-classification", "audio"},
      {"image-classification", "vision"},
      {"object-detection", "vision"},
      {"fill-mask", "text"},
      {"text-classification", "text"},
      {"tensor", "general"},
      {"", "general"},
  };
  for (const auto& [task, category] : cases)
    EXPECT_STREQ(lists_of({model("m", task)})["models_info"]["m"]["category"].GetString(), category) << task;
}

TEST(model_lists, a_task_that_nobody_named_is_what_the_loaded_model_does) {
  auto m = model("m", "");
  EXPECT_EQ(task_of(m), "");
  EXPECT_TRUE(lists_of({m})["models_info"]["m"]["task"].IsNull());
  m.info.emplace();
  EXPECT_EQ(task_of(m), "");
  m.info->tasks = {inference::task::fill_mask, inference::task::feature_extraction};
  EXPECT_EQ(task_of(m), "fill-mask");
  m.registration.task = "text-ranking";
  EXPECT_EQ(task_of(m), "text-ranking");
}

}  // namespace
}  // namespace troupe::http::tests
