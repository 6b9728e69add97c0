#include "inference/audio/cmvn.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include "inference/files/files.hpp"

namespace troupe::inference {

namespace {

constexpr std::uint64_t size_bytes_max = 4 << 20;
constexpr std::string_view blank = " \t\r\n\f\v";

class reader {
 public:
  reader(std::string_view text, std::uint32_t width, const std::string& what)
      : rest_(text), width_(width), what_(what) {}

  result<cmvn> read() {
    if (next() != "<Nnet>") return refused("does not begin with <Nnet>");
    cmvn out;
    for (;;) {
      const auto component = next();
      if (component == "</Nnet>") break;
      if (component.empty()) return refused("ends before </Nnet>");
      result<void> done;
      if (component == "<Splice>" && out.shift.empty())
        done = splice();
      else if (component == "<AddShift>" && out.shift.empty() && out.scale.empty())
        done = numbers("<AddShift>", out.shift);
      else if (component == "<Rescale>" && !out.shift.empty() && out.scale.empty())
        done = numbers("<Rescale>", out.scale);
      else
        return refused("has '" + printable(component) + "' where it is not known");
      if (!done) return tl::unexpected(done.error());
    }
    if (out.scale.empty()) return refused(out.shift.empty() ? "has no <AddShift>" : "has no <Rescale>");
    if (!next().empty()) return refused("goes on after </Nnet>");
    return out;
  }

 private:
  tl::unexpected<error> refused(const std::string& why) const {
    return fail(error_code::unprocessable, what_ + " is not usable: it " + why,
                "an am.mvn of FunASR: <Nnet> .. <AddShift> .. <Rescale> .. </Nnet>");
  }

  // The next word; empty: there is none.
  std::string_view next() {
    const auto begin = std::min(rest_.find_first_not_of(blank), rest_.size());
    rest_.remove_prefix(begin);
    const auto word = rest_.substr(0, rest_.find_first_of(blank));
    rest_.remove_prefix(word.size());
    return word;
  }

  template <class T>
  static std::optional<T> number(std::string_view word) {
    T value{};
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (problem != std::errc() || end != word.data() + word.size()) return std::nullopt;
    return value;
  }

  // "560 560" after a component's name.
  result<void> sizes(const std::string& component) {
    const auto out = number<std::uint32_t>(next()), in = number<std::uint32_t>(next());
    if (!out || !in) return refused("has no sizes after " + component);
    if (*out != width_ || *in != width_)
      return refused("has " + component + " " + std::to_string(*out) + ' ' + std::to_string(*in) +
                     ", where the front-end's frames have " + std::to_string(width_) + " numbers");
    return {};
  }

  // Frames that stand side by side: LFR has done that already, so only "[ 0 ]" is right.
  result<void> splice() {
    if (auto ok = sizes("<Splice>"); !ok) return ok;
    if (next() != "[" || next() != "0" || next() != "]") return refused("has a <Splice> other than [ 0 ]");
    return {};
  }

  result<void> numbers(const std::string& component, std::vector<float>& out) {
    if (auto ok = sizes(component); !ok) return ok;
    if (next() != "<LearnRateCoef>" || !number<double>(next()) || next() != "[")
      return refused("has no '<LearnRateCoef> 0 [' after " + component);
    out.reserve(width_);
    for (;;) {
      const auto word = next();
      if (word == "]") break;
      const auto value = number<double>(word);
      if (!value || !std::isfinite(static_cast<float>(*value)))
        return refused(word.empty() ? "ends within " + component
                                    : "has '" + printable(word) + "' for a number in " + component);
      if (out.size() == width_) return refused("has more than " + std::to_string(width_) + " numbers in " + component);
      out.push_back(static_cast<float>(*value));
    }
    if (out.size() != width_)
      return refused("has " + std::to_string(out.size()) + " numbers in " + component + ", not " +
                     std::to_string(width_));
    return {};
  }

  std::string_view rest_;
  std::uint32_t width_;
  const std::string& what_;
};

}  // namespace

void cmvn::apply(std::span<float> frames) const noexcept {
  for (std::size_t at = 0; at < frames.size(); at += shift.size())
    for (std::size_t i = 0; i < shift.size(); ++i) frames[at + i] = (frames[at + i] + shift[i]) * scale[i];
}

result<cmvn> parse_cmvn(std::string_view text, std::uint32_t width, const std::string& what) {
  return reader(text, width, what).read();
}

result<cmvn> read_cmvn(const std::filesystem::path& path, std::uint32_t width) {
  const auto text = read_small_file(path, size_bytes_max);
  if (!text) return tl::unexpected(text.error());
  return parse_cmvn(*text, width, path.string());
}

}  // namespace troupe::inference
