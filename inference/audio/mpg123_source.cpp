// MP3 through mpg123 itself: libsndfile, which decodes with it too, guesses the length of a file of variable bit rate
// whose first frame does not tell it, and ends there.

#include <mpg123.h>

#include <algorithm>
#include <new>
#include <string>

#include "inference/audio/pcm_source.hpp"
#include "inference/files/files.hpp"

namespace troupe::inference {

namespace {

constexpr std::size_t fed_bytes = 16384;  // at a time: mpg123 copies what it is fed

class mpg123_source final : public pcm_source {
 public:
  explicit mpg123_source(const sound_container& file) : rest_(file.bytes) {}
  ~mpg123_source() override { mpg123_delete(handle_); }
  mpg123_source(const mpg123_source&) = delete;
  mpg123_source& operator=(const mpg123_source&) = delete;

  result<void> open() {
    handle_ = mpg123_new(nullptr, nullptr);
    if (handle_ == nullptr) throw std::bad_alloc();
    // Resynchronises over whatever is no frame: tags of other kinds stand before, within and after MP3 sounds.
    constexpr long flags = MPG123_QUIET | MPG123_FORCE_FLOAT | MPG123_GAPLESS | MPG123_SKIP_ID3V2;
    if (mpg123_param(handle_, MPG123_ADD_FLAGS, flags, 0) != MPG123_OK ||
        mpg123_param(handle_, MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE, 0) != MPG123_OK ||
        mpg123_param(handle_, MPG123_RESYNC_LIMIT, -1, 0) != MPG123_OK || mpg123_open_feed(handle_) != MPG123_OK)
      return unusable(mpg123_strerror(handle_));
    // Up to the first frame, whose head tells rate and channels.
    for (;;) {
      const auto state = step({}, nullptr);
      if (state == MPG123_NEW_FORMAT) break;
      if (state == MPG123_NEED_MORE && rest_.empty()) return unusable("there is no MPEG audio frame in it");
      if (state != MPG123_NEED_MORE) return unusable(mpg123_strerror(handle_));
    }
    long rate = 0;
    int channels = 0, encoding = 0;
    if (mpg123_getformat(handle_, &rate, &channels, &encoding) != MPG123_OK) return unusable(mpg123_strerror(handle_));
    if (encoding != MPG123_ENC_FLOAT_32 || rate < 1 || channels < 1) return unusable("its encoding is not known");
    rate_hz_ = static_cast<std::uint32_t>(rate);
    channels_ = static_cast<std::uint32_t>(channels);
    return {};
  }

  std::uint32_t rate_hz() const noexcept override { return rate_hz_; }
  std::uint32_t channels() const noexcept override { return channels_; }
  std::optional<std::uint64_t> frames() const noexcept override {
    const auto length = mpg123_length(handle_);  // none where no Xing header tells it: the size is not known to mpg123
    if (length < 0) return std::nullopt;
    return static_cast<std::uint64_t>(length);
  }

  result<std::size_t> read(std::span<float> out) override {
    for (;;) {
      std::size_t bytes = 0;
      const auto state = step(out, &bytes);
      if (bytes > 0) {
        const auto count = bytes / sizeof(float) / channels_;
        read_ += count;
        return count;
      }
      if (state == MPG123_DONE || (state == MPG123_NEED_MORE && rest_.empty())) break;
      if (state == MPG123_NEW_FORMAT) return damaged("its sample rate or its number of channels changes there");
      if (state != MPG123_OK && state != MPG123_NEED_MORE) return damaged(printable(mpg123_strerror(handle_)));
    }
    // A frame more or less is a matter of how the encoder counted.
    if (const auto claimed = frames();
        claimed && read_ + 2 * static_cast<std::uint64_t>(std::max(mpg123_spf(handle_), 0)) < *claimed)
      return fail(error_code::unprocessable, "the MP3 file is truncated or damaged: its header tells of " +
                                                 std::to_string(*claimed) + " samples, " + std::to_string(read_) +
                                                 " are there");
    return 0;
  }

 private:
  static tl::unexpected<error> unusable(const std::string& why) {
    return fail(error_code::unprocessable, "the MP3 file cannot be read: " + printable(why));
  }
  tl::unexpected<error> damaged(const std::string& why) const {
    return fail(error_code::unprocessable, damaged_after(sound_format::mp3, read_, rate_hz_) + ": " + why);
  }

  // Decodes what was fed, else feeds the next bytes.
  int step(std::span<float> out, std::size_t* bytes) {
    std::size_t done = 0;
    auto* const to = reinterpret_cast<unsigned char*>(out.data());
    auto state = mpg123_decode(handle_, nullptr, 0, to, out.size_bytes(), &done);
    if (state == MPG123_NEED_MORE && done == 0 && !rest_.empty()) {
      const auto piece = rest_.first(std::min(rest_.size(), fed_bytes));
      rest_ = rest_.subspan(piece.size());
      state = mpg123_decode(handle_, reinterpret_cast<const unsigned char*>(piece.data()), piece.size(), to,
                            out.size_bytes(), &done);
    }
    if (bytes != nullptr) *bytes = done;
    return state;
  }

  std::span<const std::byte> rest_;
  mpg123_handle* handle_ = nullptr;
  std::uint32_t rate_hz_ = 0, channels_ = 0;
  std::uint64_t read_ = 0;  // frames
};

}  // namespace

result<std::unique_ptr<pcm_source>> open_mpg123(const sound_container& file) {
  auto source = std::make_unique<mpg123_source>(file);
  if (auto ok = source->open(); !ok) return tl::unexpected(ok.error());
  return source;
}

}  // namespace troupe::inference
