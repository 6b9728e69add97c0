// MPNet (Song et al., 2020): RoBERTa's positions, no token types, and a bias by distance that all layers share.

#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/families.hpp"
#include "inference/encoders/post_norm.hpp"

namespace troupe::inference {
namespace {

post_norm_names::layer_names layer_names(std::int64_t i) {
  const auto base = "encoder.layer." + std::to_string(i) + '.';
  return {base + "attention.attn.q", base + "attention.attn.k",    base + "attention.attn.v",
          base + "attention.attn.o", base + "attention.LayerNorm", base + "intermediate.dense",
          base + "output.dense",     base + "output.LayerNorm"};
}

class mpnet_config final : public post_norm_config {
 public:
  explicit mpnet_config(const post_norm_settings& c)
      : post_norm_config(c, {.relative = "encoder.relative_attention_bias", .layer = layer_names}) {}

  head_recipe head(head_kind kind) const override {
    head_recipe r;
    switch (kind) {
      case head_kind::mask:
        r.dense = "lm_head.dense";
        r.norm = "lm_head.layer_norm";
        r.norm_epsilon = settings().norm_epsilon;
        r.out = "lm_head.decoder";
        r.out_bias = "lm_head.bias";
        r.whole_vocabulary = true;
        r.tied = settings().tie_word_embeddings;
        break;
      case head_kind::sequence:
        r.of = head_recipe::input::first;
        r.dense = "classifier.dense";
        r.act = head_activation::tanh;
        r.out = "classifier.out_proj";
        break;
      default: r.out = "classifier";
    }
    return r;
  }
};

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
  return std::make_unique<const mpnet_config>(c);
}

}  // namespace

family mpnet() {
  return {"mpnet", "MPNet", "mpnet.", {head_kind::none, head_kind::sequence, head_kind::token, head_kind::mask}, read};
}

}  // namespace troupe::inference
