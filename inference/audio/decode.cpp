#include "inference/audio/decode.hpp"

#include <cstdio>
#include <string>

#include "inference/audio/pcm_source.hpp"
#include "inference/audio/sample.hpp"

namespace troupe::inference {

namespace {

constexpr std::size_t piece_frames = 4096;

std::string seconds(double s) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", s);
  return text;
}

tl::unexpected<error> too_long(std::string what) { return fail(error_code::payload_too_large, std::move(what)); }

result<void> check_length(std::uint64_t frames, const pcm_source& source, const decode_limits& limits) {
  const auto duration_s = static_cast<double>(frames) / source.rate_hz();
  if (duration_s > limits.duration_s_max)
    return too_long("the sound is longer than " + seconds(limits.duration_s_max) + ", which is the limit");
  if (frames > limits.decoded_bytes_max / (sizeof(float) * source.channels()))
    return too_long("the sound is larger than " + std::to_string(limits.decoded_bytes_max) +
                    " bytes when it is decoded, which is the limit");
  return {};
}

}  // namespace

std::string damaged_after(sound_format format, std::uint64_t frames, std::uint32_t rate_hz) {
  return "the " + std::string(to_string(format)) + " file is damaged or truncated, after " +
         seconds(rate_hz == 0 ? 0 : static_cast<double>(frames) / rate_hz);
}

sound_decoder::sound_decoder(std::unique_ptr<pcm_source> source, resampler rate, const decode_limits& limits,
                             sound_format format)
    : info_{format, source->rate_hz(), source->channels()},
      limits_(limits),
      source_(std::move(source)),
      resampler_(std::move(rate)),
      interleaved_(piece_frames * info_.channels) {
  mono_.reserve(piece_frames);
}
sound_decoder::sound_decoder(sound_decoder&&) noexcept = default;
sound_decoder& sound_decoder::operator=(sound_decoder&&) noexcept = default;
sound_decoder::~sound_decoder() = default;

result<sound_decoder> sound_decoder::open(std::span<const std::byte> file, std::uint32_t rate_hz,
                                          const decode_limits& limits) {
  const auto container = recognise_sound(file);
  if (!container) return tl::unexpected(container.error());
  auto source = container->format == sound_format::mp3          ? open_mpg123(*container)
                : container->format == sound_format::ogg_vorbis ? open_vorbis(*container)
                                                                : open_sndfile(*container);
  if (!source) return tl::unexpected(source.error());
  const auto& s = **source;
  if (s.channels() > limits.channels_max)
    return fail(error_code::unprocessable, "the sound has " + std::to_string(s.channels()) + " channels",
                "at most " + std::to_string(limits.channels_max) + " are taken");
  auto rate = resampler::make(s.rate_hz(), rate_hz);
  if (!rate) return tl::unexpected(rate.error());
  if (const auto claimed = s.frames())
    if (auto ok = check_length(*claimed, s, limits); !ok) return tl::unexpected(ok.error());
  return sound_decoder(std::move(*source), std::move(*rate), limits, container->format);
}

result<bool> sound_decoder::next(std::vector<float>& out) {
  const auto count = source_->read(interleaved_);
  if (!count) return tl::unexpected(count.error());
  if (*count == 0) {
    if (frames_ == 0)
      return fail(error_code::unprocessable, "the " + std::string(to_string(info_.format)) + " file holds no sound");
    if (auto ok = resampler_.finish(out); !ok) return tl::unexpected(ok.error());
    return false;
  }
  frames_ += *count;
  if (auto ok = check_length(frames_, *source_, limits_); !ok) return tl::unexpected(ok.error());
  mono_.clear();
  const auto scale = 1.0F / static_cast<float>(info_.channels);
  const float* from = interleaved_.data();
  for (std::size_t i = 0; i < *count; ++i) {
    float sum = 0;
    for (std::uint32_t c = 0; c < info_.channels; ++c) sum += heard(*from++);
    mono_.push_back(sum * scale);
  }
  if (auto ok = resampler_.accept(mono_, out); !ok) return tl::unexpected(ok.error());
  return true;
}

result<decoded_sound> decode_sound(std::span<const std::byte> file, std::uint32_t rate_hz,
                                   const decode_limits& limits) {
  auto decoder = sound_decoder::open(file, rate_hz, limits);
  if (!decoder) return tl::unexpected(decoder.error());
  decoded_sound out{decoder->info(), {}};
  for (;;) {
    const auto more = decoder->next(out.samples);
    if (!more) return tl::unexpected(more.error());
    if (!*more) return out;
  }
}

}  // namespace troupe::inference
