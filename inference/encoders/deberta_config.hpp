#pragma once
// config.json of both DeBERTas, as the network needs it. No Torch types.

#include <cstdint>

#include "inference/encoders/activation.hpp"
#include "inference/encoders/encoder.hpp"

namespace troupe::inference {

struct deberta_settings : encoder_shape {
  bool first_version = false;  // v1: q, k and v in one matrix, head by head
  std::int64_t embedding_size = 0, inner_size = 0, pooler_size = 0;
  std::int64_t token_types = 0;    // rows of the type embedding that are looked at; 0: there is none
  bool positions_in_input = true;  // words have a position embedding added
  double norm_epsilon = 1e-7;
  activation act = activation::gelu;
  head_activation pooler_act = head_activation::gelu, conv_act = head_activation::tanh;

  // Scores are divided by sqrt(head width * score_parts).
  std::int64_t score_parts = 1;
  // What the distance of two tokens adds to their score: the query times the distance's key, the key times the
  // distance's query.
  bool distance_keys = false, distance_queries = false;  // "c2p", "p2c"
  bool shared_projections = false;                       // distances are projected as tokens are
  bool norm_distances = false;
  std::int64_t distance_max = 0;  // that log buckets are laid out for
  std::int64_t buckets = 0;       // 0: each distance has a row of its own
  std::int64_t span = 0;          // the distance embedding has rows for -span .. span - 1

  std::int64_t conv_size = 0, conv_groups = 1;  // tokens that the convolution beside layer 0 sees; 0: there is none
  bool old_mask_head = true, tied = true;

  bool reads_distances() const noexcept { return distance_keys || distance_queries; }
};

// The bounds that keep sizes from overflowing are checked here.
result<deberta_settings> read_deberta(const model_json& config, bool first_version);

}  // namespace troupe::inference
