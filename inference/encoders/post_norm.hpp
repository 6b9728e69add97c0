#pragma once
// The encoder that most families share: x = norm(x + attention(x)); x = norm(x + feed_forward(x)), over absolute
// positions (Devlin et al., BERT, 2018). Families differ in names, in how positions are counted, in a projection of
// the embeddings (ELECTRA, ALBERT), in layers that share weights (ALBERT), in a bias by distance (MPNet). No Torch
// types.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "inference/encoders/activation.hpp"
#include "inference/encoders/family.hpp"

namespace troupe::inference {

struct post_norm_settings : encoder_shape {
  std::int64_t inner_size = 0;
  std::int64_t embedding_size = 0;  // another than hidden_size: projected
  std::int64_t position_rows = 0;   // of the table of positions
  double norm_epsilon = 1e-12;
  activation act = activation::gelu;
  bool typed = false;                 // it has token types
  std::int64_t pad_id = -1;           // >= 0: positions count what is not this id, from pad_id + 1 on
  std::int64_t groups = 0;            // sets of weights, each for layers / groups layers in turn; 0: as many as layers
  std::int64_t relative_buckets = 0;  // of the bias by distance; 0: none
  bool tie_word_embeddings = true;
};

// The names of a checkpoint. `layer(i)`: of the i-th set of weights, without ".weight".
struct post_norm_names {
  struct layer_names {
    std::string q, k, v, out, norm1, up, down, norm2;
  };
  std::string words = "embeddings.word_embeddings", positions = "embeddings.position_embeddings",
              types = "embeddings.token_type_embeddings", norm = "embeddings.LayerNorm";
  std::string projection = {};  // empty: none
  std::string relative = {};    // empty: none
  std::function<layer_names(std::int64_t)> layer;
};

// BERT's names, which ELECTRA and the RoBERTa family share.
post_norm_names::layer_names bert_layer_names(std::int64_t i);

class post_norm_config : public family_config {
 public:
  post_norm_config(post_norm_settings settings, post_norm_names names);
  const encoder_shape& shape() const noexcept override { return settings_; }
  void plan_body(plan_writer& out) const override;
  std::unique_ptr<const encoder_body> make_body(const named_weights& weights, const std::string& device) const override;

 protected:
  const post_norm_settings& settings() const noexcept { return settings_; }
  // The heads of these families but for names: over the vocabulary (the linear's bias may be tied by `out_bias`), over
  // the first token, over every token.
  head_recipe mask_head(std::string dense, head_activation act, std::string norm, std::string out,
                        std::string out_bias = {}) const;
  static head_recipe sequence_head(std::string dense, head_activation act, std::string out);
  static head_recipe token_head(std::string out);

 private:
  post_norm_settings settings_;
  post_norm_names names_;
};

// Members that config.json has under BERT's names, with transformers' defaults for BERT in `c` where it has none.
// unprocessable: a value that is no such number, heads that do not divide the hidden size, a decoder, positions that
// are not absolute.
result<void> read_post_norm(const model_json& config, post_norm_settings& c);
// RoBERTa's positions: counted from pad_token_id + 1 on. REQUIRES what read_post_norm() read.
result<void> count_positions_from_padding(const model_json& config, post_norm_settings& c, std::int64_t pad_id);

}  // namespace troupe::inference
