#pragma once
// ParaformerSANMDecoder: vectors of tokens and the encoder's frames to scores of the vocabulary, all tokens at once.
// Each layer: feed-forward, memory block over the tokens (with a residual around both), attention over the frames. For
// our Torch code.

#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "inference/encoders/named_weights.hpp"
#include "inference/speech/key_history.hpp"
#include "inference/speech/memory_block.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

struct decoder_row {
  frame_range tokens;  // lines of x
  frame_range frames;  // lines of the memory
  // Of a session; null for a whole utterance, and then the memory block sees no tokens before.
  std::byte* past_tokens = nullptr;  // [layers, kernel - 1, width]: what the memory blocks saw last
  key_history* past = nullptr;       // null: it does not look back. Its newest lines are put; the caller advances it
};

class paraformer_decoder {
 public:
  // `all` as plan_paraformer() planned it.
  paraformer_decoder(const paraformer_decoder_settings& settings, const named_weights& all);

  // x [lines, width] and memory [lines, width] of the compute type; all rows continue sessions, or none does. Out:
  // [lines of x, vocabulary] in fp32.
  at::Tensor operator()(at::Tensor x, const at::Tensor& memory, std::span<const decoder_row> rows) const;

 private:
  struct feed_forward {
    norm before, inner;
    linear up, down;
  };
  struct layer {
    feed_forward ffn;
    norm norm2, norm3;
    at::Tensor taps;
    linear q, kv, out;
  };
  static feed_forward feed_forward_at(const named_weights& all, const std::string& name);
  static at::Tensor run(const feed_forward& f, const at::Tensor& x);
  at::Tensor remember_tokens(std::int64_t number, const at::Tensor& t, std::span<const decoder_row> rows,
                             const at::Tensor& residual) const;
  at::Tensor attend(std::int64_t number, const at::Tensor& x, const at::Tensor& memory,
                    std::span<const decoder_row> rows) const;

  paraformer_decoder_settings settings_;
  std::vector<layer> layers_;
  feed_forward last_;
  norm after_;
  linear output_;
};

}  // namespace troupe::inference
