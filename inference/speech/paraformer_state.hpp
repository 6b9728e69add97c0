#pragma once
// What a streaming Paraformer keeps of one session between its steps, in one piece of memory of its final size: keys
// and values that encoder and decoder look back on, the decoder's last inputs, what is left of the token that is being
// spoken. No Torch types.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "inference/model/live.hpp"
#include "inference/model/model.hpp"
#include "inference/speech/cif.hpp"
#include "inference/speech/detokenize.hpp"
#include "inference/speech/key_history.hpp"
#include "inference/speech/speech_config.hpp"

namespace troupe::inference {

// Look-back -1 of the encoder is so many chunks: beyond that the oldest are forgotten.
inline constexpr std::int64_t look_back_chunks_max = 64;

// Of a number: of keys and values, and of the decoder's inputs. What is being spoken is in fp32.
struct state_bytes {
  std::int64_t keys = 4, tokens = 4;
};

// Sizes that a session's options ask of a model.
struct paraformer_state_shape {
  live_options options;
  std::int64_t encoder_layers = 0, decoder_layers = 0, size = 0, kernel = 0;
  state_bytes bytes;

  // The frames before a chunk, and the chunk: what a step leaves for those after it.
  std::int64_t step_frames() const noexcept {
    return static_cast<std::int64_t>(options.left_frames) + options.chunk_frames;
  }
  // Frames that the encoder looks back on; the first chunk may leave more behind, as the reference does.
  std::int64_t encoder_frames() const noexcept;
  std::int64_t encoder_capacity() const noexcept;
  std::int64_t decoder_frames() const noexcept;
  std::uint64_t size_bytes() const noexcept;
};
paraformer_state_shape shape_of(const paraformer_settings& settings, const live_options& options, state_bytes bytes);

class paraformer_state final : public state {
 public:
  // Throws std::bad_alloc.
  paraformer_state(const paraformer_state_shape& shape, const speech_vocabulary& tokens);

  const paraformer_state_shape& shape() const noexcept { return shape_; }
  key_history& encoder_past() noexcept { return encoder_past_; }
  key_history& decoder_past() noexcept { return decoder_past_; }
  std::byte* past_tokens() noexcept { return past_tokens_; }  // [layers, kernel - 1, size]
  cif_rest rest() noexcept { return {rest_weight_, {rest_frame_, static_cast<std::size_t>(shape_.size)}}; }
  detokenizer& text() noexcept { return text_; }

  // The encoder has seen a window, and put `added` frames.
  void advance_encoder(std::int64_t added) noexcept;
  bool begun() const noexcept { return begun_; }
  // As it was made; the text is its own writer's to finish.
  void start_over() noexcept;

 private:
  struct releaser {
    void operator()(std::byte* p) const noexcept { std::free(p); }
  };

  paraformer_state_shape shape_;
  std::unique_ptr<std::byte, releaser> memory_;
  key_history encoder_past_, decoder_past_;
  std::byte* past_tokens_ = nullptr;
  float *rest_frame_ = nullptr, *rest_weight_ = nullptr;
  bool begun_ = false;
  detokenizer text_;
};

}  // namespace troupe::inference
