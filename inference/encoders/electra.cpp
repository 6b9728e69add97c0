// ELECTRA (Clark et al., 2020): BERT with embeddings of another width.

#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/families.hpp"
#include "inference/encoders/post_norm.hpp"

namespace troupe::inference {
namespace {

class electra_config final : public post_norm_config {
 public:
  electra_config(const post_norm_settings& c, std::string projection)
      : post_norm_config(c, {.projection = std::move(projection), .layer = bert_layer_names}) {}

  head_recipe head(head_kind kind) const override {
    if (kind == head_kind::mask)
      return mask_head("generator_predictions.dense", head_activation::gelu, "generator_predictions.LayerNorm",
                       "generator_lm_head");
    if (kind == head_kind::sequence)
      return sequence_head("classifier.dense", head_activation::gelu, "classifier.out_proj");
    return token_head("classifier");
  }
};

result<std::unique_ptr<const family_config>> read(const model_json& config) {
  post_norm_settings c;
  c.vocab_size = 30522;
  c.hidden_size = 256;
  c.layers = 12;
  c.heads = 4;
  c.inner_size = 1024;
  c.position_rows = 512;
  c.typed = true;
  const auto width = whole_number(config, "embedding_size", 128, limits::hidden_size);
  if (!width) return tl::unexpected(width.error());
  c.embedding_size = *width;
  if (auto ok = read_post_norm(config, c); !ok) return tl::unexpected(ok.error());
  return std::make_unique<const electra_config>(c, c.embedding_size == c.hidden_size ? "" : "embeddings_project");
}

}  // namespace

family electra() { return {"electra", "Electra", "electra.", read}; }

}  // namespace troupe::inference
