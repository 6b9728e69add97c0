#include "cache/artifacts/sources/published_weights.hpp"

#include <gmock/gmock.h>

#include "tests/cache/artifacts/sources/fake_client.hpp"

namespace troupe::cache {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PublishedWeights, ByTheNamesThatPeopleUse) {
  const auto file = [](const char* id) {
    const auto found = find_vision_weights(id);
    return found ? found->file : found.error().message;
  };
  EXPECT_EQ(file("resnet50"), "resnet50-11ad3fa6.pth");
  EXPECT_EQ(file("resnet50:DEFAULT"), "resnet50-11ad3fa6.pth");
  EXPECT_EQ(file("resnet50:IMAGENET1K_V1"), "resnet50-0676ba61.pth");
  EXPECT_EQ(file("ResNet50_Weights.IMAGENET1K_V1"), "resnet50-0676ba61.pth");
  EXPECT_EQ(file("ResNet50_Weights.DEFAULT"), "resnet50-11ad3fa6.pth");
  EXPECT_EQ(file("ResNet50"), "resnet50-11ad3fa6.pth");
  EXPECT_EQ(file("efficientnet-b0"), "efficientnet_b0_rwightman-7f5810bc.pth");
  EXPECT_EQ(file("quantized_resnet50"), "quantized/resnet50_fbgemm-23753f79.pth");
  EXPECT_EQ(file("ResNet50_QuantizedWeights.IMAGENET1K_FBGEMM_V1"), "quantized/resnet50_fbgemm_bf931d71.pth");
  const auto found = find_vision_weights("resnet50");
  EXPECT_EQ(found->model, "resnet50");
  EXPECT_EQ(found->version, "IMAGENET1K_V2");
  EXPECT_EQ(found->sha256_begins, "11ad3fa6");
  EXPECT_EQ(found->size_mb, 97.79);
  EXPECT_EQ(found->task, "image-classification");
  EXPECT_EQ(find_vision_weights("maskrcnn_resnet50_fpn")->task, "object-detection");
}

TEST(PublishedWeights, WhatIsNotPublishedIsAnsweredWithSimilarNames) {
  const auto why = [](const char* id) { return find_vision_weights(id).error(); };
  EXPECT_EQ(why("resnet51").code, error_code::model_not_found);
  EXPECT_THAT(why("resnet51").message, HasSubstr("no weights called 'resnet51'"));
  EXPECT_THAT(why("resnet51").detail, HasSubstr("resnet50"));
  EXPECT_THAT(why("resnet50:V9").detail, HasSubstr("IMAGENET1K_V1, IMAGENET1K_V2"));
  EXPECT_EQ(why("resnet50:V9").code, error_code::model_not_found);
  EXPECT_THAT(why("ResNet5_Weights.DEFAULT").detail, HasSubstr("ResNet50_Weights"));
  EXPECT_EQ(why("resnet50:").code, error_code::model_not_found);
  for (const auto* id : {"zzzzzzzzzzzz", "", ":", "Weights.", "../resnet50"})
    EXPECT_EQ(why(id).code, error_code::model_not_found) << id;
}

TEST(PublishedWeights, TheHubNamesItsRepository) {
  const auto file = [](const char* id) {
    const auto found = find_hub_weights(id);
    return found ? found->file : found.error().message;
  };
  EXPECT_EQ(file("resnet50"), "resnet50-11ad3fa6.pth");
  EXPECT_EQ(file("pytorch/vision:resnet50"), "resnet50-11ad3fa6.pth");
  EXPECT_EQ(file("pytorch/vision:main:resnet50"), "resnet50-11ad3fa6.pth");
  EXPECT_EQ(file("pytorch/vision:resnet50:IMAGENET1K_V1"), "resnet50-0676ba61.pth");
  EXPECT_EQ(file("pytorch/vision:v0.10.0:resnet50"), "resnet50-0676ba61.pth") << "there were no others then";
  EXPECT_EQ(file("pytorch/vision:v0.20.1:resnet50"), "resnet50-11ad3fa6.pth");
  EXPECT_THAT(file("pytorch/vision:v0.10.0:nothing"), HasSubstr("called 'nothing'"));
  EXPECT_EQ(find_hub_weights("pytorch/vision").error().code, error_code::bad_request);
  const auto other = find_hub_weights("snakers4/silero-vad:silero_vad").error();
  EXPECT_EQ(other.code, error_code::unprocessable);
  EXPECT_THAT(other.message, HasSubstr("Python code"));
}

TEST(PublishedWeights, BundlesOfTorchaudio) {
  EXPECT_EQ(find_audio_weights("tacotron2")->file, "tacotron2_english_characters_1500_epochs_wavernn_ljspeech.pth");
  EXPECT_EQ(find_audio_weights("tacotron2")->task, "text-to-speech");
  EXPECT_EQ(find_audio_weights("tacotron2")->vocoder, "wavernn_10k_epochs_8bits_ljspeech.pth");
  EXPECT_EQ(find_audio_weights("wavernn")->file, "wavernn_10k_epochs_8bits_ljspeech.pth");
  EXPECT_EQ(find_audio_weights("wav2vec2_asr_base_960h")->file, "wav2vec2_fairseq_base_ls960_asr_ls960.pth");
  EXPECT_EQ(find_audio_weights("WAV2VEC2_ASR_BASE_960H")->task, "automatic-speech-recognition");
  EXPECT_FALSE(find_audio_weights("tacotron2")->size_mb) << "torchaudio does not tell";
  EXPECT_THAT(find_audio_weights("tacotron3").error().detail, HasSubstr("tacotron2"));
}

TEST(PublishedWeights, HashesInNames) {
  EXPECT_EQ(hash_in_name("resnet50-11ad3fa6.pth"), "11ad3fa6");
  EXPECT_EQ(hash_in_name("shufflenetv2_x0.5-f707e7126e.pth"), "f707e7126e");
  EXPECT_EQ(hash_in_name("alexnet-owt-7be5be79.pth"), "7be5be79");
  for (const auto* none :
       {"resnet18_fbgemm_16fa66dd.pth", "a-b.pth", "a-1234567.pth", "a-11AD3FA6.pth", "", "-", "a-1234567g.pth"})
    EXPECT_EQ(hash_in_name(none), "") << none;
}

TEST(PublishedWeights, PlansAreBelowTheBaseAddress) {
  source_settings settings;
  fake_client client;
  auto made = plan_of(source_kind::torchvision, "resnet50", settings, client);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(paths_of(*made), ElementsAre("resnet50-11ad3fa6.pth"));
  EXPECT_EQ(made->files[0].url, "https://download.pytorch.org/models/resnet50-11ad3fa6.pth");
  EXPECT_EQ(made->files[0].sha256_begins, "11ad3fa6");
  EXPECT_NE(made->files[0].identity, "");
  EXPECT_EQ(made->revision, "IMAGENET1K_V2");
  EXPECT_EQ(made->task, "image-classification");
  EXPECT_EQ(made->may_reach, reach::outside);
  EXPECT_FALSE(made->files[0].size_bytes) << "what is stated is rounded";

  settings.torchvision_base_url = "http://10.0.0.1/mirror/";
  made = plan_of(source_kind::torchvision, "quantized_googlenet", settings, client);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->may_reach, reach::anywhere);
  EXPECT_EQ(made->files[0].url, "http://10.0.0.1/mirror/quantized/googlenet_fbgemm-c81f6644.pth");
  EXPECT_EQ(made->files[0].path, "googlenet_fbgemm-c81f6644.pth");

  made = plan_of(source_kind::pytorch_hub, "pytorch/vision:resnet18", settings, client);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->source, source_kind::pytorch_hub);
  EXPECT_EQ(made->files[0].url, "https://download.pytorch.org/models/resnet18-f37072fd.pth");
  made = plan_of(source_kind::torchaudio, "tacotron2", settings, client);
  ASSERT_TRUE(made);
  EXPECT_EQ(
      made->files[0].url,
      "https://download.pytorch.org/torchaudio/models/tacotron2_english_characters_1500_epochs_wavernn_ljspeech.pth");
  EXPECT_EQ(made->files[0].identity, "") << "nothing tells one content from another";

  settings.torchvision_base_url = "no url";
  made = plan_of(source_kind::torchvision, "resnet50", settings, client);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("torchvision_base_url"));
  made = plan_of(source_kind::pytorch_hub, "resnet50", settings, client, "main");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, error_code::bad_request);
  EXPECT_TRUE(client.seen.empty());
}

}  // namespace
}  // namespace troupe::cache
