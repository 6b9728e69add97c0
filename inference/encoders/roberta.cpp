// RoBERTa (Liu et al., 2019), and what differs from it in its tokenizer alone: XLM-RoBERTa (Conneau et al., 2019),
// CamemBERT (Martin et al., 2019).

#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/families.hpp"
#include "inference/encoders/post_norm.hpp"

namespace troupe::inference {
namespace {

class roberta_config final : public post_norm_config {
 public:
  explicit roberta_config(const post_norm_settings& c) : post_norm_config(c, {.layer = bert_layer_names}) {}

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

template <std::int64_t vocab_size>
result<std::unique_ptr<const family_config>> read(const model_json& config) {
  post_norm_settings c;
  c.vocab_size = vocab_size;
  c.hidden_size = 768;
  c.layers = c.heads = 12;
  c.inner_size = 3072;
  c.position_rows = 512;
  c.typed = true;
  if (auto ok = read_post_norm(config, c); !ok) return tl::unexpected(ok.error());
  const auto pad = whole_number(config, "pad_token_id", 1, limits::vocab_size, 0);
  if (!pad) return tl::unexpected(pad.error());
  if (auto ok = count_positions_from_padding(config, c, *pad); !ok) return tl::unexpected(ok.error());
  return std::make_unique<const roberta_config>(c);
}

std::vector<head_kind> heads() { return {head_kind::none, head_kind::sequence, head_kind::token, head_kind::mask}; }

}  // namespace

family roberta() { return {"roberta", "Roberta", "roberta.", heads(), read<50265>}; }
family xlm_roberta() { return {"xlm-roberta", "XLMRoberta", "roberta.", heads(), read<30522>}; }
family camembert() { return {"camembert", "Camembert", "roberta.", heads(), read<30522>}; }

}  // namespace troupe::inference
