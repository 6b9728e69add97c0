#include "cache/artifacts/sources/tts.hpp"

#include <gmock/gmock.h>

#include "tests/cache/artifacts/sources/fake_client.hpp"

namespace troupe::cache {
namespace {

using ::testing::HasSubstr;

TEST(Tts, ByTaskTagsOrName) {
  EXPECT_TRUE(is_text_to_speech("text-to-speech", {}, "x"));
  EXPECT_TRUE(is_text_to_speech("", {"pytorch", "TTS"}, "x"));
  EXPECT_TRUE(is_text_to_speech("text-generation", {}, "suno/bark")) << "document 002's default task says nothing";
  for (const auto* name : {"microsoft/speecht5_tts", "bark_tts", "coqui/XTTS-v2", "facebook/mms-tts-eng",
                           "Plachtaa/VALL-E-X", "vall_e_x", "tacotron2"})
    EXPECT_TRUE(is_text_to_speech("", {}, name)) << name;
  for (const auto* name : {"microsoft/speecht5_asr", "microsoft/speecht5_hifigan", "openai/whisper-base", "embark",
                           "facebook/bart-large", "bert", ""})
    EXPECT_FALSE(is_text_to_speech("", {}, name)) << name;
  EXPECT_FALSE(is_text_to_speech("automatic-speech-recognition", {}, "speecht5"));
}

TEST(Tts, KnownModelsByTheirNames) {
  for (const auto* id : {"speecht5", "speecht5_tts", "microsoft/speecht5_tts", "SpeechT5-TTS"}) {
    ASSERT_NE(find_tts_model(id), nullptr) << id;
    EXPECT_EQ(find_tts_model(id)->model_id, "microsoft/speecht5_tts");
  }
  EXPECT_EQ(find_tts_model("speecht5_tts")->size_mb, 2500.0);
  EXPECT_EQ(find_tts_model("bark_tts")->size_mb, 4000.0);
  EXPECT_EQ(find_tts_model("vall_e_x")->model_id, "Plachtaa/VALL-E-X");
  EXPECT_EQ(find_tts_model("bart_large_tts")->model_id, "facebook/bart-large");
  EXPECT_EQ(find_tts_model("tacotron2_tts")->source, source_kind::torchaudio);
  EXPECT_EQ(find_tts_model("other"), nullptr);
}

TEST(Tts, VocodersThatFit) {
  const auto chosen = [](const char* model, const char* asked) {
    const auto v = vocoder_for(model, asked);
    return v ? std::string(to_string(v->source)) + ' ' + v->model_id : "none";
  };
  EXPECT_EQ(chosen("microsoft/speecht5_tts", ""), "huggingface microsoft/speecht5_hifigan");
  EXPECT_EQ(chosen("suno/bark", ""), "none");
  EXPECT_EQ(chosen("tacotron2", ""), "torchaudio wavernn");
  EXPECT_EQ(chosen("TACOTRON2_GRIFFINLIM_CHAR_LJSPEECH", ""), "none") << "Griffin-Lim has no weights";
  EXPECT_EQ(chosen("microsoft/speecht5_asr", ""), "none");
  EXPECT_EQ(chosen("suno/bark", "org/vocoder"), "huggingface org/vocoder");
  EXPECT_EQ(chosen("tacotron2", "wavernn"), "torchaudio wavernn");
}

TEST(TtsAuto, FindsTheSource) {
  source_settings settings;
  fake_client client;
  auto made = plan_of(source_kind::tts_auto, "tacotron2", settings, client);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->source, source_kind::torchaudio);
  EXPECT_EQ(made->task, "text-to-speech");
  EXPECT_TRUE(client.seen.empty());

  client.answers(
      "GET https://huggingface.co/api/models/microsoft/speecht5_tts?blobs=true", 200,
      R"({"sha":"1111111111111111111111111111111111111111","siblings":[{"rfilename":"pytorch_model.bin","size":1,"blobId":"1111111111111111111111111111111111111111"}]})");
  made = plan_of(source_kind::tts_auto, "speecht5", settings, client);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->source, source_kind::huggingface);
  EXPECT_EQ(made->model_id, "microsoft/speecht5_tts");
  EXPECT_EQ(made->task, "text-to-speech");
  EXPECT_THAT(joined(made->notes), HasSubstr("tts_auto: huggingface microsoft/speecht5_tts"));

  made = plan_of(source_kind::tts_auto, "unheard-of", settings, client);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, error_code::model_not_found);
  EXPECT_THAT(made.error().detail, HasSubstr("speecht5, bark"));
}

TEST(TtsAuto, WhatIsNoSpeechModelIsRefusedUnlessItIsToBeAdapted) {
  fake_client client;
  client.answers(
      "GET https://huggingface.co/api/models/org/bert?blobs=true", 200,
      R"({"pipeline_tag":"fill-mask","sha":"1111111111111111111111111111111111111111","siblings":[{"rfilename":"model.safetensors","size":1,"blobId":"1111111111111111111111111111111111111111"}]})");
  pull_request request;
  request.source = source_kind::tts_auto;
  request.model_id = "org/bert";
  auto made = make_plan(request, {}, client, nullptr);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, error_code::unprocessable);
  EXPECT_THAT(made.error().message, HasSubstr("its task is fill-mask"));
  request.convert_to_tts = true;
  made = make_plan(request, {}, client, nullptr);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->task, "fill-mask");
}

}  // namespace
}  // namespace troupe::cache
