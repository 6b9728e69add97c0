#include "inference/text/sentencepiece.hpp"

#include <bit>
#include <cmath>
#include <optional>

#include "config/json_fault.hpp"
#include "inference/files/files.hpp"
#include "inference/model/step_aside.hpp"

namespace troupe::inference {
namespace {

constexpr std::uint64_t file_bytes_max = 64U << 20U;
constexpr std::size_t pieces_max = 1'000'000;

// The fields of a message, one after the other. A field that is cut short or of no known form ends it as broken.
class message_reader {
 public:
  explicit message_reader(std::string_view bytes) : rest_(bytes) {}

  // False: there is no further one, or it is broken.
  bool next() {
    if (rest_.empty()) return false;
    const auto key = varint();
    if (!key || *key >> 3U == 0 || *key >> 3U > 0x1fffffff) return fail();
    field_ = static_cast<std::uint32_t>(*key >> 3U);
    switch (wire_ = static_cast<std::uint32_t>(*key & 7U)) {
      case 0:
        if (const auto value = varint()) {
          number_ = *value;
          return true;
        }
        return fail();
      case 1: return take(8);
      case 2: {
        const auto size = varint();
        return size && *size <= rest_.size() ? take(static_cast<std::size_t>(*size)) : fail();
      }
      case 5: return take(4);
      default: return fail();  // groups are in no such file
    }
  }
  bool broken() const noexcept { return broken_; }
  std::uint32_t field() const noexcept { return field_; }
  // The field's value; nullopt: it has another form.
  std::optional<std::uint64_t> number() const { return wire_ == 0 ? std::optional(number_) : std::nullopt; }
  std::optional<std::string_view> bytes() const { return wire_ == 2 ? std::optional(bytes_) : std::nullopt; }
  std::optional<float> real() const {
    if (wire_ != 5) return std::nullopt;
    std::uint32_t bits = 0;
    for (std::size_t i = 4; i-- > 0;) bits = bits << 8U | static_cast<unsigned char>(bytes_[i]);
    return std::bit_cast<float>(bits);
  }

 private:
  bool fail() {
    broken_ = true;
    rest_ = {};
    return false;
  }
  bool take(std::size_t size) {
    if (size > rest_.size()) return fail();
    bytes_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  std::optional<std::uint64_t> varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  std::string_view rest_, bytes_;
  std::uint64_t number_ = 0;
  std::uint32_t field_ = 0, wire_ = 0;
  bool broken_ = false;
};

class model_reader {
 public:
  explicit model_reader(const std::string& name) : name_(name) {}

  result<sentencepiece_model> read(std::string_view bytes) {
    message_reader all(bytes);
    while (all.next()) {
      if (all.field() > 3) continue;  // its own tests
      const auto inner = all.bytes();
      if (!inner) return wrong("is no SentencePiece model");
      const auto ok = all.field() == 1 ? piece(*inner) : all.field() == 2 ? trainer(*inner) : normalizer(*inner);
      if (!ok) return tl::unexpected(ok.error());
    }
    if (all.broken() || out_.pieces.empty()) return wrong("is no SentencePiece model, or was cut short");
    return std::move(out_);
  }

 private:
  tl::unexpected<error> wrong(const std::string& what) const {
    return fail(error_code::unprocessable, name_ + ' ' + what);
  }
  result<void> piece(std::string_view bytes) {
    if (out_.pieces.size() >= pieces_max) return wrong("holds more than 1000000 pieces");
    if (out_.pieces.size() % 1024 == 1023) step_aside();
    sentencepiece_model::piece made;
    message_reader fields(bytes);
    while (fields.next()) {
      if (fields.field() == 1) {
        if (!set_text(made.text, fields)) return piece_is("no UTF-8");
      } else if (fields.field() == 2) {
        const auto score = fields.real();
        if (!score || !std::isfinite(*score)) return piece_is("without a score");
        made.score = *score;
      } else if (fields.field() == 3) {
        const auto type = fields.number();
        if (!type || *type < 1 || *type > 6) return piece_is("of an unknown type");
        made.type = static_cast<sentencepiece_model::piece_type>(*type);
      }
    }
    if (fields.broken()) return piece_is("broken");
    out_.pieces.push_back(std::move(made));
    return {};
  }
  tl::unexpected<error> piece_is(const std::string& what) const {
    return wrong("has a piece (" + std::to_string(out_.pieces.size()) + ") that is " + what);
  }
  static bool set_text(std::string& to, const message_reader& fields) {
    const auto bytes = fields.bytes();
    if (!bytes || config::find_bad_utf8(*bytes) != std::string::npos) return false;
    to = *bytes;
    return true;
  }

  result<void> trainer(std::string_view bytes) {
    message_reader fields(bytes);
    bool right = true;
    const auto id = [&](std::int32_t& to) {
      const auto number = fields.number();
      right = right && number;
      if (number) to = static_cast<std::int32_t>(*number);  // negative ones are written in 64 bits
    };
    while (right && fields.next()) {
      switch (fields.field()) {
        case 3: {
          const auto type = fields.number();
          if (!type || *type < 1 || *type > 4) return wrong("is of an unknown model_type");
          out_.model = static_cast<sentencepiece_model::algorithm>(*type);
          break;
        }
        case 35: out_.byte_fallback = fields.number().value_or(0) != 0; break;
        case 40: id(out_.unk_id); break;
        case 41: id(out_.bos_id); break;
        case 42: id(out_.eos_id); break;
        case 45: right = set_text(out_.unk_piece, fields); break;
        case 46: right = set_text(out_.bos_piece, fields); break;
        case 47: right = set_text(out_.eos_piece, fields); break;
        default: break;
      }
    }
    if (!right || fields.broken()) return wrong("has a broken trainer_spec");
    return {};
  }

  result<void> normalizer(std::string_view bytes) {
    message_reader fields(bytes);
    while (fields.next())
      if (fields.field() == 2) {
        const auto map = fields.bytes();
        if (!map) return wrong("has a broken normalizer_spec");
        out_.precompiled_charsmap = *map;
      }
    if (fields.broken()) return wrong("has a broken normalizer_spec");
    return {};
  }

  const std::string& name_;
  sentencepiece_model out_;
};

}  // namespace

result<sentencepiece_model> parse_sentencepiece(std::string_view bytes, const std::string& name) {
  return model_reader(name).read(bytes);
}

result<sentencepiece_model> read_sentencepiece(const std::filesystem::path& file) {
  const auto bytes = read_small_file(file, file_bytes_max);
  if (!bytes) return tl::unexpected(bytes.error());
  return parse_sentencepiece(*bytes, file.string());
}

}  // namespace troupe::inference
