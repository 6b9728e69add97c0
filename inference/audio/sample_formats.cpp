#include "inference/audio/sample_formats.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "inference/audio/g711.hpp"
#include "inference/audio/sample.hpp"

namespace troupe::inference {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t header_size_max = 1 << 20;  // pictures and the like before the sound
constexpr std::size_t chunk_head_size = 8;
constexpr std::size_t fmt_size_min = 16, fmt_size_used = 26;  // used: up to the sub-format of the extensible form
constexpr std::uint16_t tag_pcm = 1, tag_float = 3, tag_a_law = 6, tag_mu_law = 7, tag_extensible = 0xfffe;

std::uint16_t tag_of(sample_format format) noexcept {
  switch (format) {
    case sample_format::s16:
    case sample_format::s32: break;
    case sample_format::f32: return tag_float;
    case sample_format::mu_law: return tag_mu_law;
    case sample_format::a_law: return tag_a_law;
  }
  return tag_pcm;
}

template <class T>
T read(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
bool is(const std::byte* at, std::string_view id) noexcept { return std::memcmp(at, id.data(), id.size()) == 0; }

// What has come of the first 12 bytes: "RIFF", a size, "WAVE".
bool may_be_header(std::span<const std::byte> head) noexcept {
  const auto begins = [&](std::size_t at, std::string_view id) {
    return head.size() <= at || is(head.data() + at, id.substr(0, head.size() - at));
  };
  return begins(0, "RIFF") && begins(8, "WAVE");
}

tl::unexpected<error> damaged(const std::string& why) {
  return fail(error_code::unprocessable, "the WAV header at the beginning of the stream " + why,
              "send samples without a header, or a whole one");
}

}  // namespace

std::string_view to_string(sample_format format) noexcept {
  switch (format) {
    case sample_format::s16: return "16-bit PCM";
    case sample_format::s32: return "32-bit PCM";
    case sample_format::f32: return "32-bit float";
    case sample_format::mu_law: return "G.711 mu-law";
    case sample_format::a_law: return "G.711 A-law";
  }
  return {};
}

sample_reader::sample_reader(sample_format format) : format_(format) {
  if (format == sample_format::mu_law) companded_ = &g711_samples(g711_law::mu);
  if (format == sample_format::a_law) companded_ = &g711_samples(g711_law::a);
}

result<void> sample_reader::accept(std::span<const std::byte> bytes, std::vector<float>& out) {
  while (stage_ != stage::sound && !bytes.empty())
    if (auto ok = header_bytes(bytes); !ok) return ok;
  if (stage_ == stage::sound) sound(bytes, out);
  return {};
}

result<void> sample_reader::finish(std::vector<float>& out) {
  if (stage_ == stage::magic) {  // too short for a header: it was sound
    stage_ = stage::sound;
    sound({}, out);
  }
  if (stage_ != stage::sound) return damaged("is not whole");
  if (!held_.empty())
    return fail(error_code::unprocessable, "the stream ends within a sample: " + std::to_string(held_.size()) + " of " +
                                               std::to_string(size_bytes(format_)) + " bytes of " +
                                               std::string(to_string(format_)) + " came last");
  return {};
}

// Takes from `bytes` what belongs to the header's next part.
result<void> sample_reader::header_bytes(std::span<const std::byte>& bytes) {
  if (stage_ == stage::passing) {
    const auto passed = static_cast<std::size_t>(std::min<std::uint64_t>(pass_, bytes.size()));
    bytes = bytes.subspan(passed);
    pass_ -= passed;
    if (pass_ == 0) await(stage::chunk, chunk_head_size);
    return {};
  }
  const auto before = held_.size();
  const auto taken = std::min(awaited_ - before, bytes.size());
  held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
  if (stage_ == stage::magic && !may_be_header(held_)) {
    held_.resize(before);  // sound, as these bytes are
    stage_ = stage::sound;
    return {};
  }
  bytes = bytes.subspan(taken);
  if (held_.size() < awaited_) return {};
  switch (stage_) {
    case stage::magic: await(stage::chunk, chunk_head_size); return {};
    case stage::chunk: return chunk_head();
    default: return chunk_body();
  }
}

void sample_reader::await(stage next, std::size_t size) {
  stage_ = next;
  awaited_ = size;
  held_.clear();
}

result<void> sample_reader::chunk_head() {
  const std::uint64_t size = read<std::uint32_t>(held_.data() + 4), padded = size + (size & 1U);
  if (is(held_.data(), "data")) {
    // Its size is not heeded: it is unknown to whoever streams, and what would follow the sound is short.
    if (!header_) return damaged("has no 'fmt ' before its sound");
    await(stage::sound, 0);
    return {};
  }
  header_size_ += chunk_head_size + padded;
  if (header_size_ > header_size_max) return damaged("is longer than a mebibyte");
  const bool format = is(held_.data(), "fmt ");
  if (format && size < fmt_size_min) return damaged("has a 'fmt ' of " + std::to_string(size) + " bytes");
  const auto used = format ? std::min<std::uint64_t>(padded, fmt_size_used) : 0;
  pass_ = padded - used;
  if (format)
    await(stage::body, static_cast<std::size_t>(used));
  else if (pass_ > 0)
    stage_ = stage::passing;
  else
    await(stage::chunk, chunk_head_size);
  return {};
}

result<void> sample_reader::chunk_body() {
  const auto* const fmt = held_.data();
  const auto bits = read<std::uint16_t>(fmt + 14), channels = read<std::uint16_t>(fmt + 2);
  auto tag = read<std::uint16_t>(fmt);
  if (tag == tag_extensible && held_.size() == fmt_size_used) tag = read<std::uint16_t>(fmt + 24);
  if (channels != 1 || tag != tag_of(format_) || bits != 8 * size_bytes(format_))
    return damaged("tells of " + std::to_string(channels) + " channel(s), " + std::to_string(bits) +
                   " bits and format " + std::to_string(tag) + ", where the session is one channel of " +
                   std::string(to_string(format_)));
  header_ = stream_header{read<std::uint32_t>(fmt + 4)};
  if (pass_ > 0)
    stage_ = stage::passing;
  else
    await(stage::chunk, chunk_head_size);
  return {};
}

float sample_reader::sample(const std::byte* at) noexcept {
  switch (format_) {
    case sample_format::s16: return static_cast<float>(read<std::int16_t>(at)) * 0x1p-15F;
    case sample_format::s32: return static_cast<float>(read<std::int32_t>(at)) * 0x1p-31F;
    case sample_format::mu_law:
    case sample_format::a_law: return (*companded_)[std::to_integer<std::size_t>(*at)];
    case sample_format::f32: break;
  }
  const auto value = read<float>(at), usable = heard(value);
  if (!(usable == value)) ++silenced_;
  return usable;
}

void sample_reader::sound(std::span<const std::byte> bytes, std::vector<float>& out) {
  const auto size = size_bytes(format_);
  if (!held_.empty()) {  // up to a whole number of samples
    const auto missing = std::min((size - held_.size() % size) % size, bytes.size());
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(missing));
    bytes = bytes.subspan(missing);
    std::size_t at = 0;
    for (; at + size <= held_.size(); at += size) out.push_back(sample(held_.data() + at));
    held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(at));
    if (bytes.empty()) return;
  }
  const auto whole = bytes.size() / size * size;
  const auto from = out.size();
  out.resize(from + whole / size);
  for (std::size_t at = 0; at < whole; at += size) out[from + at / size] = sample(bytes.data() + at);
  const auto rest = bytes.subspan(whole);
  held_.assign(rest.begin(), rest.end());
}

}  // namespace troupe::inference
