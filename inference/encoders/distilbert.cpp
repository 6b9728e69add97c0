// DistilBERT (Sanh et al., 2019): BERT without token types and without the pooler's own place.

#include "inference/encoders/config_numbers.hpp"
#include "inference/encoders/families.hpp"
#include "inference/encoders/post_norm.hpp"

namespace troupe::inference {
namespace {

post_norm_names::layer_names layer_names(std::int64_t i) {
  const auto base = "transformer.layer." + std::to_string(i) + '.';
  return {base + "attention.q_lin", base + "attention.k_lin", base + "attention.v_lin", base + "attention.out_lin",
          base + "sa_layer_norm",   base + "ffn.lin1",        base + "ffn.lin2",        base + "output_layer_norm"};
}

class distilbert_config final : public post_norm_config {
 public:
  explicit distilbert_config(const post_norm_settings& c) : post_norm_config(c, {.layer = layer_names}) {}

  head_recipe head(head_kind kind) const override {
    if (kind == head_kind::mask)
      return mask_head("vocab_transform", for_head(settings().act), "vocab_layer_norm", "vocab_projector");
    if (kind == head_kind::sequence) return sequence_head("pre_classifier", head_activation::relu, "classifier");
    return token_head("classifier");
  }
};

result<std::unique_ptr<const family_config>> read(const model_json& config) {
  post_norm_settings c;
  auto numbers = number_reader(config)
                     .whole("vocab_size", c.vocab_size, 30522, limits::vocab_size)
                     .whole("dim", c.hidden_size, 768, limits::hidden_size)
                     .whole("n_layers", c.layers, 6, limits::layers)
                     .whole("n_heads", c.heads, 12, limits::heads)
                     .whole("hidden_dim", c.inner_size, 3072, limits::inner_size)
                     .whole("max_position_embeddings", c.position_rows, 512, limits::positions)
                     .done();
  if (!numbers) return tl::unexpected(numbers.error());
  if (c.hidden_size % c.heads != 0)
    return config.problem({"n_heads"}, "does not fit: the hidden size must be a multiple of the number of heads");
  const auto act = read_activation(config, "activation");
  if (!act) return tl::unexpected(act.error());
  c.act = *act;
  c.tie_word_embeddings = flag_of(config.root(), "tie_word_embeddings", true);
  c.embedding_size = c.hidden_size;
  c.positions = c.position_rows;
  return std::make_unique<const distilbert_config>(c);
}

}  // namespace

family distilbert() { return {"distilbert", "DistilBert", "distilbert.", read}; }

}  // namespace troupe::inference
