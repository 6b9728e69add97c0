// BERT (Devlin et al., 2018).

#include "inference/encoders/families.hpp"
#include "inference/encoders/post_norm.hpp"

namespace troupe::inference {
namespace {

class bert_config final : public post_norm_config {
 public:
  explicit bert_config(const post_norm_settings& c) : post_norm_config(c, {.layer = bert_layer_names}) {}

  head_recipe head(head_kind kind) const override {
    if (kind == head_kind::mask)
      return mask_head("cls.predictions.transform.dense", for_head(settings().act),
                       "cls.predictions.transform.LayerNorm", "cls.predictions.decoder", "cls.predictions.bias");
    if (kind == head_kind::sequence) return sequence_head("pooler.dense", head_activation::tanh, "classifier");
    return token_head("classifier");
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

family bert() { return {"bert", "Bert", "bert.", read}; }

}  // namespace troupe::inference
