#include "inference/speech/paraformer_state.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace troupe::inference {
namespace {

constexpr std::uint64_t line_alignment = 64;
std::uint64_t aligned(std::uint64_t bytes) noexcept {
  return (bytes + line_alignment - 1) / line_alignment * line_alignment;
}
std::uint64_t product(std::initializer_list<std::int64_t> factors) noexcept {
  std::uint64_t all = 1;
  for (const auto f : factors) all *= static_cast<std::uint64_t>(f);
  return all;
}

// Where the parts lie.
struct parts {
  explicit parts(const paraformer_state_shape& s) {
    const auto take = [this](std::uint64_t bytes) {
      const auto at = size;
      size += aligned(bytes);
      return at;
    };
    encoder = take(product({s.encoder_layers, s.encoder_capacity(), 2 * s.size, s.bytes.keys}));
    decoder = take(product({s.decoder_layers, s.decoder_frames(), 2 * s.size, s.bytes.keys}));
    tokens = take(product({s.decoder_layers, s.kernel - 1, s.size, s.bytes.tokens}));
    frame = take(product({s.size, sizeof(float)}));
    weight = take(sizeof(float));
  }
  std::uint64_t encoder = 0, decoder = 0, tokens = 0, frame = 0, weight = 0, size = 0;
};

}  // namespace

std::int64_t paraformer_state_shape::encoder_frames() const noexcept {
  // Each step leaves the frames before its chunk once more, and the reference trims to chunks alone.
  if (options.encoder_look_back < 0) return look_back_chunks_max * step_frames();
  return options.encoder_look_back * static_cast<std::int64_t>(options.chunk_frames);
}
std::int64_t paraformer_state_shape::encoder_capacity() const noexcept {
  return options.encoder_look_back == 0 ? 0 : std::max(encoder_frames(), step_frames());
}
std::int64_t paraformer_state_shape::decoder_frames() const noexcept {
  return std::max<std::int64_t>(options.decoder_look_back, 0) * options.chunk_frames;
}
std::uint64_t paraformer_state_shape::size_bytes() const noexcept {
  return sizeof(paraformer_state) + parts(*this).size;
}

paraformer_state_shape shape_of(const paraformer_settings& settings, const live_options& options, state_bytes bytes) {
  return {options, settings.encoder.layers, settings.decoder.layers, settings.encoder.size, settings.decoder.kernel,
          bytes};
}

paraformer_state::paraformer_state(const paraformer_state_shape& shape, const speech_vocabulary& tokens)
    : shape_(shape), text_(tokens) {
  const parts at(shape);
  // Zeroed by the system: pages that are not used yet take no memory.
  memory_.reset(static_cast<std::byte*>(std::calloc(1, at.size)));
  if (!memory_) throw std::bad_alloc();
  const auto line = static_cast<std::size_t>(2 * shape.size * shape.bytes.keys);
  encoder_past_ = {memory_.get() + at.encoder, shape.encoder_capacity(), line};
  decoder_past_ = {memory_.get() + at.decoder, shape.decoder_frames(), line};
  past_tokens_ = memory_.get() + at.tokens;
  rest_frame_ = reinterpret_cast<float*>(memory_.get() + at.frame);
  rest_weight_ = reinterpret_cast<float*>(memory_.get() + at.weight);
}

void paraformer_state::advance_encoder(std::int64_t added) noexcept {
  encoder_past_.advance(added, begun_ ? shape_.encoder_frames() : encoder_past_.capacity());
  begun_ = true;
}

void paraformer_state::start_over() noexcept {
  const parts at(shape_);
  encoder_past_.clear();
  decoder_past_.clear();
  std::memset(memory_.get() + at.tokens, 0, at.size - at.tokens);
  begun_ = false;
}

}  // namespace troupe::inference
