// Ogg Vorbis through vorbisfile itself: libsndfile leaks what it has read of headers that turn out to be damaged, and
// ends after the first of several sounds that follow one another.

#include <vorbis/vorbisfile.h>

#include <algorithm>
#include <cstring>

#include "inference/audio/pcm_source.hpp"

namespace troupe::inference {

namespace {

class vorbis_source final : public pcm_source {
 public:
  explicit vorbis_source(const sound_container& file) : rest_(file.bytes) {}
  ~vorbis_source() override {
    if (open_) ov_clear(&file_);
  }
  vorbis_source(const vorbis_source&) = delete;
  vorbis_source& operator=(const vorbis_source&) = delete;

  result<void> open() {
    // Without seeking: from begin to end, whatever the pages claim.
    if (ov_open_callbacks(this, &file_, nullptr, 0, {read_bytes, nullptr, nullptr, nullptr}) != 0)
      return fail(error_code::unprocessable, "the Ogg file cannot be read: its Vorbis headers are damaged");
    open_ = true;
    const auto* const info = ov_info(&file_, -1);
    if (info == nullptr || info->rate < 1 || info->channels < 1)
      return fail(error_code::unprocessable, "the Ogg file cannot be read: it has no rate or no channels");
    rate_hz_ = static_cast<std::uint32_t>(info->rate);
    channels_ = static_cast<std::uint32_t>(info->channels);
    return {};
  }

  std::uint32_t rate_hz() const noexcept override { return rate_hz_; }
  std::uint32_t channels() const noexcept override { return channels_; }
  std::optional<std::uint64_t> frames() const noexcept override { return std::nullopt; }

  result<std::size_t> read(std::span<float> out) override {
    float** planes = nullptr;
    const auto decode = [&] {
      return ov_read_float(&file_, &planes, static_cast<int>(out.size() / channels_), nullptr);
    };
    auto count = decode();
    // Where a further sound begins, vorbisfile takes its first page twice and calls that a hole.
    while (count == OV_HOLE && file_.current_link != sound_) {
      sound_ = file_.current_link;
      count = decode();
    }
    if (count < 0)
      return fail(error_code::unprocessable,
                  damaged_after(sound_format::ogg_vorbis, read_, rate_hz_) + ": a piece is missing");
    if (count == 0) return 0;
    // What comes now may belong to a further sound.
    const auto* const info = ov_info(&file_, -1);
    if (info == nullptr || info->rate != static_cast<long>(rate_hz_) || info->channels != static_cast<int>(channels_))
      return fail(error_code::unprocessable, damaged_after(sound_format::ogg_vorbis, read_, rate_hz_) +
                                                 ": its sample rate or its number of channels changes there");
    auto* to = out.data();
    for (long i = 0; i < count; ++i)
      for (std::uint32_t c = 0; c < channels_; ++c) *to++ = planes[c][i];
    read_ += static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
  }

 private:
  static std::size_t read_bytes(void* to, std::size_t size, std::size_t count, void* self) {
    auto& rest = static_cast<vorbis_source*>(self)->rest_;
    const auto taken = size == 0 ? 0 : std::min(count, rest.size() / size);
    if (taken > 0) std::memcpy(to, rest.data(), taken * size);
    rest = rest.subspan(taken * size);
    return taken;
  }

  std::span<const std::byte> rest_;
  OggVorbis_File file_{};
  bool open_ = false;
  std::uint32_t rate_hz_ = 0, channels_ = 0;
  int sound_ = 0;           // of those that follow one another
  std::uint64_t read_ = 0;  // frames
};

}  // namespace

result<std::unique_ptr<pcm_source>> open_vorbis(const sound_container& file) {
  auto source = std::make_unique<vorbis_source>(file);
  if (auto ok = source->open(); !ok) return tl::unexpected(ok.error());
  return source;
}

}  // namespace troupe::inference
