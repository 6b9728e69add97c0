// ALBERT (Lan et al., 2019): layers that share their weights, embeddings of another width.

#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/families.hpp"
#include "inference/encoders/post_norm.hpp"

namespace troupe::inference {
namespace {

post_norm_names::layer_names layer_names(std::int64_t i) {
  const auto base = "encoder.albert_layer_groups." + std::to_string(i) + ".albert_layers.0.";
  return {base + "attention.query", base + "attention.key",        base + "attention.value",
          base + "attention.dense", base + "attention.LayerNorm",  base + "ffn",
          base + "ffn_output",      base + "full_layer_layer_norm"};
}

class albert_config final : public post_norm_config {
 public:
  explicit albert_config(const post_norm_settings& c)
      : post_norm_config(c, {.projection = "encoder.embedding_hidden_mapping_in", .layer = layer_names}) {}

  head_recipe head(head_kind kind) const override {
    if (kind == head_kind::mask)
      return mask_head("predictions.dense", for_head(settings().act), "predictions.LayerNorm", "predictions.decoder",
                       "predictions.bias");
    if (kind == head_kind::sequence) return sequence_head("pooler", head_activation::tanh, "classifier");
    return token_head("classifier");
  }
};

result<std::unique_ptr<const family_config>> read(const model_json& config) {
  post_norm_settings c;
  c.vocab_size = 30000;
  c.hidden_size = 4096;
  c.layers = 12;
  c.heads = 64;
  c.inner_size = 16384;
  c.position_rows = 512;
  c.act = activation::gelu_tanh;
  c.typed = true;
  std::int64_t inner_layers = 1;
  auto numbers = number_reader(config)
                     .whole("embedding_size", c.embedding_size, 128, limits::hidden_size)
                     .whole("num_hidden_groups", c.groups, 1, limits::layers)
                     .whole("inner_group_num", inner_layers, 1, limits::layers)
                     .done();
  if (!numbers) return tl::unexpected(numbers.error());
  if (inner_layers != 1)
    return config.problem({"inner_group_num"}, "is " + std::to_string(inner_layers) + ", which is not supported", "1");
  if (auto ok = read_post_norm(config, c); !ok) return tl::unexpected(ok.error());
  if (c.groups > c.layers)
    return config.problem({"num_hidden_groups"}, "does not fit: there are " + std::to_string(c.layers) + " layers");
  return std::make_unique<const albert_config>(c);
}

}  // namespace

family albert() { return {"albert", "Albert", "albert.", read}; }

}  // namespace troupe::inference
