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
    head_recipe r;
    switch (kind) {
      case head_kind::mask:
        r.dense = "generator_predictions.dense";
        r.dense_rows = settings().embedding_size;
        r.norm = "generator_predictions.LayerNorm";
        r.norm_epsilon = settings().norm_epsilon;
        r.out = "generator_lm_head";
        r.whole_vocabulary = true;
        r.tied = settings().tie_word_embeddings;
        break;
      case head_kind::sequence:
        r.of = head_recipe::input::first;
        r.dense = "classifier.dense";
        r.out = "classifier.out_proj";
        break;
      default: r.out = "classifier";
    }
    return r;
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

family electra() {
  return {"electra",
          "Electra",
          "electra.",
          {head_kind::none, head_kind::sequence, head_kind::token, head_kind::mask},
          read};
}

}  // namespace troupe::inference
