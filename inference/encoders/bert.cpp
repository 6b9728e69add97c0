// BERT (Devlin et al., 2018).

#include "inference/encoders/families.hpp"
#include "inference/encoders/post_norm.hpp"

namespace troupe::inference {
namespace {

class bert_config final : public post_norm_config {
 public:
  explicit bert_config(const post_norm_settings& c) : post_norm_config(c, {.layer = bert_layer_names}) {}

  head_recipe head(head_kind kind) const override {
    head_recipe r;
    if (kind == head_kind::mask) {
      r.dense = "cls.predictions.transform.dense";
      r.act = for_head(settings().act);
      r.norm = "cls.predictions.transform.LayerNorm";
      r.norm_epsilon = settings().norm_epsilon;
      r.out = "cls.predictions.decoder";
      r.out_bias = "cls.predictions.bias";
      r.whole_vocabulary = true;
      r.tied = settings().tie_word_embeddings;
      return r;
    }
    if (kind == head_kind::sequence) {
      r.of = head_recipe::input::first;
      r.dense = "pooler.dense";
      r.act = head_activation::tanh;
    }
    r.out = "classifier";
    return r;
  }
};

result<std::unique_ptr<const family_config>> read(const model_json& config) {
  post_norm_settings c;
  c.vocab_size = 30522;
  c.hidden_size = 768;
  c.layers = c.heads = 12;
  c.inner_size = 3072;
  c.position_rows = 512;
  c.typed = true;
  if (auto ok = read_post_norm(config, c); !ok) return tl::unexpected(ok.error());
  return std::make_unique<const bert_config>(c);
}

}  // namespace

family bert() {
  return {"bert", "Bert", "bert.", {head_kind::none, head_kind::sequence, head_kind::token, head_kind::mask}, read};
}

}  // namespace troupe::inference
