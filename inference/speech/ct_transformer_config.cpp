#include "inference/speech/ct_transformer_config.hpp"

#include "inference/encoders/plan_writer.hpp"
#include "inference/speech/sanm_plan.hpp"

namespace troupe::inference {
namespace {

constexpr std::int64_t size_max = 1 << 14, marks_max = 1000;
constexpr std::string_view offline = "CTTransformer", live = "CTTransformerStreaming";

result<punctuation_marks> read_marks(const yaml_value& conf) {
  auto names = conf["punc_list"].texts();
  if (!names) return tl::unexpected(names.error());
  if (names->empty() || static_cast<std::int64_t>(names->size()) > marks_max)
    return conf["punc_list"].problem("has no marks, or too many", "1 to " + std::to_string(marks_max));
  std::int64_t end = 3;  // the class' own
  const auto last = static_cast<std::int64_t>(names->size()) - 1;
  if (auto ok = yaml_reader().whole(conf["sentence_end_id"], end, 0, last).done(); !ok)
    return tl::unexpected(ok.error());
  if (end > last) return conf["sentence_end_id"].problem("is missing, and 3, which it stands for, is no mark");
  return punctuation_marks(std::move(*names), static_cast<std::int32_t>(end));
}

result<void> check_tokenizer(const yaml_value& root, std::string& unknown) {
  const auto conf = root["tokenizer_conf"];
  auto read = yaml_reader();
  read.need(root["tokenizer"]).expect(root["tokenizer"], "CharTokenizer").text(conf["unk_symbol"], unknown);
  if (auto ok = read.done(); !ok) return ok;
  for (const auto* key : {"seg_dict", "non_linguistic_symbols"})
    if (conf[key].present()) return conf[key].problem("is not known of a model for punctuation");
  return refuse_other_keys(conf, {"unk_symbol", "token_list", "split_with_space", "space_symbol", "seg_dict",
                                  "non_linguistic_symbols", "remove_non_linguistic_symbols"});
}

}  // namespace

result<ct_transformer_settings> read_ct_transformer_settings(const model_yaml& config) {
  const auto root = config.root(), conf = root["model_conf"];
  const auto model = root["model"].text();
  if (!model) return tl::unexpected(model.error());
  if (*model != offline && *model != live)
    return root["model"].problem("is '" + *model + "', which is not supported",
                                 std::string(offline) + ", " + std::string(live));
  ct_transformer_settings s;
  s.streaming = *model == live;
  if (auto ok = refuse_other_keys(conf, {"ignore_id", "embed_unit", "att_unit", "dropout_rate", "punc_list",
                                         "punc_weight", "sentence_end_id", "sos", "eos"});
      !ok)
    return tl::unexpected(ok.error());
  std::int64_t embedding = 128, attention = 256;  // the class' own
  auto read = yaml_reader();
  read.whole(conf["embed_unit"], embedding, 1, size_max).whole(conf["att_unit"], attention, 1, size_max);
  read.need(root["encoder"]).expect(root["encoder"], s.streaming ? "SANMVadEncoder" : "SANMEncoder");
  if (auto ok = read.done(); !ok) return tl::unexpected(ok.error());
  auto encoder = read_sanm_settings(root["encoder_conf"], embedding, "pe", false);
  if (!encoder) return tl::unexpected(encoder.error());
  s.encoder = *encoder;
  if (s.encoder.size != attention)
    return conf["att_unit"].problem("is not the encoder's output_size, " + std::to_string(s.encoder.size));
  // Sines and cosines have half of it each, and their steps are reckoned from the first to the last.
  if (embedding % 2 != 0 || embedding < 4) return conf["embed_unit"].problem("is odd, or less than 4");
  auto marks = read_marks(conf);
  if (!marks) return tl::unexpected(marks.error());
  s.marks = std::move(*marks);
  s.unknown_word = "<unk>";
  if (auto ok = check_tokenizer(root, s.unknown_word); !ok) return tl::unexpected(ok.error());
  return s;
}

result<weight_plan> plan_ct_transformer(const ct_transformer_settings& settings, const checkpoint& source) {
  const auto& e = settings.encoder;
  plan_writer plan(source, "module.");
  plan.tensor("words", {settings.vocab_size, e.input_size}, {"embed.weight"});
  plan_sanm_encoder(plan, e, "encoder.", "encoder.");
  plan.linear("marks", static_cast<std::int64_t>(settings.marks.size()), e.size, {"decoder"}, true, true);
  plan.plan().private_bytes += ct_transformer_positions * static_cast<std::uint64_t>(e.input_size) * sizeof(float);
  return plan.finish();
}

}  // namespace troupe::inference
