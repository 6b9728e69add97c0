// WAV, FLAC and Ogg Opus through libsndfile, from memory.

#include <sndfile.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <string>

#include "inference/audio/pcm_source.hpp"
#include "inference/files/files.hpp"

namespace troupe::inference {

namespace {

// libsndfile's view of the bytes.
struct memory_file {
  std::span<const std::byte> bytes;
  std::optional<std::size_t> ones_at;  // where four ff stand in place of what is there
  sf_count_t at = 0;                   // 0 .. size

  static memory_file& of(void* self) { return *static_cast<memory_file*>(self); }
  static sf_count_t size(void* self) { return static_cast<sf_count_t>(of(self).bytes.size()); }
  static sf_count_t tell(void* self) { return of(self).at; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    auto& f = of(self);
    const auto from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? f.at : size(self);
    sf_count_t to = 0;
    if (__builtin_add_overflow(from, offset, &to) || to < 0) return -1;
    return f.at = std::min(to, size(self));
  }
  static sf_count_t read(void* to, sf_count_t count, void* self) {
    auto& f = of(self);
    const auto taken = std::clamp<sf_count_t>(count, 0, size(self) - f.at);
    if (taken > 0) std::memcpy(to, f.bytes.data() + f.at, static_cast<std::size_t>(taken));
    for (sf_count_t i = 0, ones = f.ones_at ? 4 : 0; i < ones; ++i) {
      const auto place = static_cast<sf_count_t>(*f.ones_at) + i - f.at;
      if (place >= 0 && place < taken) static_cast<unsigned char*>(to)[place] = 0xff;
    }
    f.at += taken;
    return taken;
  }
  static sf_count_t write(const void*, sf_count_t, void*) { return 0; }
};

// What the library has to say when a file cannot be opened is in variables of the whole process.
std::mutex opening;

bool holds(sound_format format, int sndfile_format) noexcept {
  switch (sndfile_format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_WAV:
    case SF_FORMAT_WAVEX:
    case SF_FORMAT_RF64: return format == sound_format::wav;
    case SF_FORMAT_FLAC: return format == sound_format::flac;
    case SF_FORMAT_OGG: return format == sound_format::ogg_opus;
    default: return false;
  }
}

std::string words_of(const char* text) {
  auto words = printable(text);
  if (words.ends_with('.')) words.pop_back();
  return words;
}

class sndfile_source final : public pcm_source {
 public:
  explicit sndfile_source(const sound_container& file) : format_(file.format), file_{file.bytes, file.open_size_at} {}
  ~sndfile_source() override {
    if (handle_ != nullptr) sf_close(handle_);
  }
  sndfile_source(const sndfile_source&) = delete;
  sndfile_source& operator=(const sndfile_source&) = delete;

  result<void> open() {
    SF_VIRTUAL_IO calls{memory_file::size, memory_file::seek, memory_file::read, memory_file::write, memory_file::tell};
    const std::lock_guard lock(opening);
    handle_ = sf_open_virtual(&calls, SFM_READ, &info_, &file_);
    const auto name = std::string(to_string(format_));
    if (handle_ == nullptr)
      return fail(error_code::unprocessable, "the " + name + " file cannot be read: " + words_of(sf_strerror(nullptr)));
    if (!holds(format_, info_.format) || info_.channels < 1 || info_.samplerate < 1)
      return fail(error_code::unprocessable, "the " + name + " file cannot be read: it is not what it begins as");
    return {};
  }

  std::uint32_t rate_hz() const noexcept override { return static_cast<std::uint32_t>(info_.samplerate); }
  std::uint32_t channels() const noexcept override { return static_cast<std::uint32_t>(info_.channels); }
  std::optional<std::uint64_t> frames() const noexcept override {
    if (info_.frames <= 0 || info_.frames >= SF_COUNT_MAX / 2) return std::nullopt;
    return static_cast<std::uint64_t>(info_.frames);
  }

  result<std::size_t> read(std::span<float> out) override {
    const auto claimed = frames();
    if (claimed && read_ >= *claimed) return 0;
    const auto room = static_cast<sf_count_t>(out.size() / channels());
    const auto count = static_cast<std::size_t>(std::max<sf_count_t>(sf_readf_float(handle_, out.data(), room), 0));
    read_ += count;
    if (claimed && read_ >= *claimed) return count;  // whatever is wrong with what follows: tags, mostly
    if (sf_error(handle_) != SF_ERR_NO_ERROR)        // libFLAC takes an early end for damage
      return fail(error_code::unprocessable,
                  damaged_after(format_, read_, rate_hz()) + ": " + words_of(sf_strerror(handle_)));
    if (count == 0 && claimed && format_ == sound_format::flac)
      return fail(error_code::unprocessable, damaged_after(format_, read_, rate_hz()) + ": its header tells of " +
                                                 std::to_string(*claimed) + " samples, " + std::to_string(read_) +
                                                 " are there");
    return count;
  }

 private:
  sound_format format_;
  memory_file file_;
  SF_INFO info_{};
  SNDFILE* handle_ = nullptr;
  std::uint64_t read_ = 0;  // frames
};

}  // namespace

result<std::unique_ptr<pcm_source>> open_sndfile(const sound_container& file) {
  auto source = std::make_unique<sndfile_source>(file);
  if (auto ok = source->open(); !ok) return tl::unexpected(ok.error());
  return source;
}

}  // namespace troupe::inference
