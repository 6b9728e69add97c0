// RoBERTa (Liu et al., 2019), and what differs from it in its tokenizer alone: XLM-RoBERTa (Conneau et al., 2019),
// CamemBERT (Martin et al., 2019).

#include "inference/encoders/roberta.hpp"
#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/families.hpp"

namespace troupe::inference {

head_recipe roberta_config::head(head_kind kind) const {
  if (kind == head_kind::mask)
    return mask_head("lm_head.dense", head_activation::gelu, "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias");
  if (kind == head_kind::sequence)
    return sequence_head("classifier.dense", head_activation::tanh, "classifier.out_proj");
  return token_head("classifier");
}

namespace {

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
  return std::make_unique<const roberta_config>(c, post_norm_names{.layer = bert_layer_names});
}

}  // namespace

family roberta() { return {"roberta", "Roberta", "roberta.", read<50265>}; }
family xlm_roberta() { return {"xlm-roberta", "XLMRoberta", "roberta.", read<30522>}; }
family camembert() { return {"camembert", "Camembert", "roberta.", read<30522>}; }

}  // namespace troupe::inference
