// MPNet (Song et al., 2020): RoBERTa's positions, no token types, and a bias by distance that all layers share.

#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/families.hpp"
#include "inference/encoders/roberta.hpp"

namespace troupe::inference {
namespace {

post_norm_names::layer_names layer_names(std::int64_t i) {
  const auto base = "encoder.layer." + std::to_string(i) + '.';
  return {base + "attention.attn.q", base + "attention.attn.k",    base + "attention.attn.v",
          base + "attention.attn.o", base + "attention.LayerNorm", base + "intermediate.dense",
          base + "output.dense",     base + "output.LayerNorm"};
}

result<std::unique_ptr<const family_config>> read(const model_json& config) {
  post_norm_settings c;
  c.vocab_size = 30527;
  c.hidden_size = 768;
  c.layers = c.heads = 12;
  c.inner_size = 3072;
  c.position_rows = 512;
  if (auto ok = read_post_norm(config, c); !ok) return tl::unexpected(ok.error());
  constexpr std::int64_t buckets = 32;  // what the reference computes with, whatever stands in config.json
  const auto rows = whole_number(config, "relative_attention_num_buckets", buckets, 1 << 16);
  if (!rows) return tl::unexpected(rows.error());
  if (*rows != buckets)
    return config.problem({"relative_attention_num_buckets"},
                          "is " + std::to_string(*rows) + ", which is not supported", "32");
  c.relative_buckets = buckets;
  constexpr std::int64_t pad_id = 1;  // of the class, whatever stands in config.json
  if (auto ok = count_positions_from_padding(config, c, pad_id); !ok) return tl::unexpected(ok.error());
  return std::make_unique<const roberta_config>(
      c, post_norm_names{.relative = "encoder.relative_attention_bias", .layer = layer_names});
}

}  // namespace

family mpnet() { return {"mpnet", "MPNet", "mpnet.", read}; }

}  // namespace troupe::inference
