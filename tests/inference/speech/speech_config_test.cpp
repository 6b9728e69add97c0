#include "inference/speech/speech_config.hpp"

#include <gtest/gtest.h>

#include "inference/loader.hpp"
#include "tests/inference/speech/paraformer_support.hpp"

namespace troupe::inference {
namespace {

using namespace tests;

std::string published(bool streaming) { return read_file(paraformer_folder(streaming) / "config.yaml"); }

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return at == text.npos ? text : text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text) {
  const auto yaml = model_yaml::parse(text, "config.yaml");
  if (!yaml) return yaml.error().message;
  const auto read = read_paraformer_settings(*yaml);
  return read ? "" : read.error().message;
}

TEST(speech_config, reads_the_publishers_settings) {
  const auto yaml = model_yaml::parse(published(true), "config.yaml").value();
  const auto s = read_paraformer_settings(yaml).value();
  EXPECT_TRUE(s.streaming);
  EXPECT_EQ(s.encoder.input_size, 140);
  EXPECT_EQ(s.encoder.layers, 3);
  EXPECT_EQ(s.encoder.kernel_left, 5);
  EXPECT_EQ(s.decoder.layers, 2);
  EXPECT_EQ(s.decoder.kernel_left, 10) << "sees the past alone";
  EXPECT_EQ(s.cif.tail_threshold, 0.45);
  EXPECT_EQ(s.front.lfr_m, 7U);
  const auto offline = model_yaml::parse(published(false), "config.yaml").value();
  EXPECT_EQ(read_paraformer_settings(offline).value().decoder.kernel_left, 5);
}

TEST(speech_config, refuses_by_name_what_is_not_known) {
  const auto text = published(true);
  const auto told = [&](const char* from, const char* to, const char* what) {
    const auto why = refusal(with(text, from, to));
    EXPECT_NE(why.find(what), std::string::npos) << why;
    EXPECT_EQ(why.find("config.yaml:"), 0U) << why;
  };
  told("model: ParaformerStreaming", "model: BiCifParaformer", "'model' is 'BiCifParaformer'");
  told("encoder: SANMEncoderChunkOpt", "encoder: ConformerEncoder", "'encoder' is 'ConformerEncoder'");
  told("decoder: ParaformerSANMDecoder", "decoder: ParaformerDecoderSAN", "'decoder'");
  told("CifPredictorV2", "CifPredictorV3", "'predictor'");
  told("input_layer: pe_online", "input_layer: conv2d", "'encoder_conf.input_layer' is 'conv2d'");
  told("l_order: 1", "l_order: 3", "'predictor_conf.l_order' is '3'");
  told("r_order: 1", "r_order: 0", "'predictor_conf.r_order'");
  told("idim: 32", "idim: 64", "'predictor_conf.idim'");
  told("tail_threshold: 0.45", "upsample_times: 3", "'predictor_conf.upsample_times' is not known");
  told("tokenizer: CharTokenizer", "tokenizer: SentencepiecesTokenizer", "'tokenizer'");
  told("frontend: WavFrontendOnline", "frontend: WhisperFrontend", "'frontend'");
  told("normalize_before: true", "normalize_before: false", "'encoder_conf.normalize_before'");
  told("normalize: null", "normalize: utterance_mvn", "'normalize'");
  told("att_layer_num: 2", "att_layer_num: 1", "'decoder_conf.att_layer_num'");
  told("sanm_shfit: 5", "sanm_shfit: 0", "'decoder_conf.sanm_shfit'");
  told("sanm_shfit: 5", "sanm_shfit: 9", "'decoder_conf.sanm_shfit'");
  told("output_size: 32", "output_size: 1000000000", "'encoder_conf.output_size'");
  told("attention_heads: 4", "attention_heads: 5", "'encoder_conf.attention_heads'");
  told("sanm_shfit: 0", "sanm_shfit: 0\n  lora_list: [q]", "'encoder_conf.lora_list'");
  told("sanm_shfit: 0", "sanm_shfit: 0\n  rope: true", "'encoder_conf.rope' is not known");
  told("predictor_bias: 1", "sos: 5", "'model_conf.sos'");
}

TEST(speech_config, an_offline_model_has_no_chunks_and_a_tail) {
  const auto text = published(false);
  EXPECT_NE(refusal(with(text, "kernel_size: 11", "chunk_size: [1]")).find("streaming"), std::string::npos);
  EXPECT_NE(refusal(with(text, "threshold: 1.0", "threshold: 0.9")).find("threshold"), std::string::npos);
  EXPECT_NE(refusal(with(text, "tail_threshold: 0.45", "tail_threshold: 0.0")).find("tail"), std::string::npos);
}

TEST(funasr_folder, is_told_what_is_wrong_with_it) {
  const scratch_folder scratch;
  const auto folder = scratch.path() / "model";
  copy_folder(paraformer_folder(true), folder);
  const auto told = [&](const char* what) {
    for (const auto& why : {load(spec_of(folder), {}).error(), estimate_memory(spec_of(folder), {}).error()})
      EXPECT_NE((why.message + why.detail).find(what), std::string::npos) << why.message;
  };
  write_file(folder / "config.yaml", with(published(true), "model: ParaformerStreaming", "model: Whisper"));
  told("'model' is 'Whisper'");
  told("ParaformerStreaming, Paraformer, CTTransformer");
  write_file(folder / "config.yaml", with(published(true), "num_blocks: 3", "num_blocks: 4"));
  told("encoder.encoders.2");
  write_file(folder / "config.yaml", published(true));
  const auto tokens = read_file(folder / "tokens.json");
  write_file(folder / "tokens.json", "[\"<blank>\", \"a\"]");
  told("decoder.output_layer");
  write_file(folder / "tokens.json", tokens);
  const auto mvn = read_file(folder / "am.mvn");
  write_file(folder / "am.mvn", mvn.substr(0, mvn.size() / 2));
  EXPECT_FALSE(load(spec_of(folder), {}));
  write_file(folder / "am.mvn", mvn);
  auto other = spec_of(folder);
  other.task = task::text_classification;
  EXPECT_NE(load(other, {}).error().message.find("text-classification"), std::string::npos);
  load_options gpu;
  gpu.device = "cuda";
  EXPECT_FALSE(load(spec_of(folder), gpu));
  EXPECT_TRUE(load(spec_of(folder), {}));
  fs::remove(folder / "model.pt");
  told("model.pt");
}

TEST(funasr_folder, keeps_its_weights_in_the_store) {
  const scratch_folder scratch;
  load_options options;
  options.store = scratch.path();
  const auto spec = spec_of(paraformer_folder(true));
  for (int round = 0; round < 2; ++round) {
    const auto m = load(spec, options);
    ASSERT_TRUE(m) << m.error().message;
    ASSERT_EQ((*m)->memory().mappings.size(), 1U);
    EXPECT_EQ((*m)->memory().mappings.front().size_bytes, estimate_memory(spec, options)->mapped_bytes);
  }
}

}  // namespace
}  // namespace troupe::inference
