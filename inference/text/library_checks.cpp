#include "inference/text/library_checks.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

namespace troupe::inference {
namespace {

namespace dom = simdjson::dom;
constexpr std::size_t parts_max = 64, depth_max = 10, pattern_bytes_max = 4096, frame_tokens_max = 64;
// How many bytes a byte of a text may become: beyond that a small text fills the memory.
constexpr double growth_max = 32;
constexpr std::size_t mapped_bytes_max = 64;  // NFKC's longest has 33

bool among(std::string_view name, std::initializer_list<const char*> all) {
  return std::find(all.begin(), all.end(), name) != all.end();
}

}  // namespace

tl::unexpected<error> library_checks::unknown(const json_path& at, const std::string& type,
                                              std::string_view what) const {
  if (type.empty()) return json_.problem(at, "has no type");
  return json_.problem(
      at, "is of type '" + type.substr(0, 100) + "', which is no " + std::string(what) + " that is known here");
}

result<void> library_checks::sequence(dom::element part, const json_path& at, const char* list, check each) {
  dom::array all;
  const auto given = member(part, list);
  const auto here = inside(at, {list});
  if (at.size() >= 2 * depth_max) return json_.problem(at, "is too deep");
  if (!given || given->get(all)) return json_.problem(here, "must be a list");
  for (std::size_t i = 0; const auto one : all) {
    if (++parts_ > parts_max) return json_.problem(here, "holds more than 64 parts");
    if (auto ok = (this->*each)(one, inside(here, {i++})); !ok) return ok;
  }
  return {};
}

// A pattern: {"String": ..} or {"Regex": ..}. `size`: the bytes that it surely takes of a text.
result<void> library_checks::pattern(dom::element part, const json_path& at, std::size_t& size) const {
  const auto here = inside(at, {"pattern"});
  const auto given = member(part, "pattern");
  std::string_view text;
  if (given && !(*given)["String"].get(text))
    size = text.size();
  else if (!given || (*given)["Regex"].get(text))
    return json_.problem(here, "must be a String or a Regex");
  if (text.size() > pattern_bytes_max) return json_.problem(here, "is longer than 4096 bytes");
  return {};
}

result<void> library_checks::replacement(dom::element part, const json_path& at, double& growth) const {
  std::size_t taken = 0;
  if (auto ok = pattern(part, at, taken); !ok) return ok;
  const auto content = text_of(part, "content");
  // A pattern that takes nothing is found before each character.
  const double becomes = content.empty() ? 0
                         : taken == 0    ? static_cast<double>(content.size()) + 1
                                         : static_cast<double>(content.size()) / static_cast<double>(taken);
  growth *= std::max(1.0, becomes);
  if (growth > growth_max)
    return json_.problem(inside(at, {"content"}), "makes a text more than 32 times as long, which is not supported");
  return {};
}

result<void> library_checks::normalizer(dom::element part, const json_path& at) {
  const auto type = text_of(part, "type");
  if (type == "Sequence") return sequence(part, at, "normalizers", &library_checks::normalizer);
  if (type == "Replace") return replacement(part, at, growth_);
  if (type == "Precompiled") return charsmap(part, at);
  if (type == "Prepend") {
    if (text_of(part, "prepend").size() <= mapped_bytes_max) return {};
    return json_.problem(inside(at, {"prepend"}), "is longer than 64 bytes");
  }
  if (type == "ByteLevel") {
    if (++byte_levels_ <= 2) return {};
    return json_.problem(at, "is a third ByteLevel");
  }
  if (among(type, {"BertNormalizer", "Strip", "StripAccents", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Nmt"}))
    return {};
  return unknown(at, type, "normalizer");
}

// The map of a SentencePiece model: a trie, whose size in bytes comes first, and texts that each end with a zero.
result<void> library_checks::charsmap(dom::element part, const json_path& at) {
  const auto here = inside(at, {"precompiled_charsmap"});
  std::string_view text;
  if (part["precompiled_charsmap"].get(text)) return json_.problem(here, "must be a text in base64");
  const auto bytes = decode_base64(text);
  if (!bytes) return json_.problem(here, "is no base64");
  std::size_t trie = 0;
  for (std::size_t i = 4; i-- > 0;)
    trie = trie << 8U | (i < bytes->size() ? static_cast<unsigned char>((*bytes)[i]) : 0U);
  if (bytes->size() < 8 || trie < 4 || trie % 4 != 0 || trie > bytes->size() - 4)
    return json_.problem(here, "is no map of a SentencePiece model, or was cut short");
  std::size_t longest = 0;
  for (std::size_t at_byte = 4 + trie; at_byte < bytes->size();) {
    const auto end = std::min(bytes->find('\0', at_byte), bytes->size());
    longest = std::max(longest, end - at_byte);
    at_byte = end + 1;
  }
  if (longest > mapped_bytes_max) return json_.problem(here, "makes more than 64 bytes of a character");
  if (++maps_ > 1) return json_.problem(at, "is a second Precompiled");
  return {};
}

result<void> library_checks::pre_tokenizer(dom::element part, const json_path& at) {
  const auto type = text_of(part, "type");
  if (type == "Sequence") return sequence(part, at, "pretokenizers", &library_checks::pre_tokenizer);
  if (type == "Split") {
    std::size_t taken = 0;
    return pattern(part, at, taken);
  }
  if (type == "ByteLevel") {
    if (++byte_levels_ <= 2) return {};
    return json_.problem(at, "is a third ByteLevel");
  }
  if (type == "FixedLength") {
    const auto length = member(part, "length");
    std::uint64_t number = 5;
    if (!length || (!length->get(number) && number > 0)) return {};
    return json_.problem(inside(at, {"length"}), "must be a length");
  }
  if (among(type, {"BertPreTokenizer", "CharDelimiterSplit", "Metaspace", "Whitespace", "WhitespaceSplit",
                   "Punctuation", "Digits", "UnicodeScripts"}))
    return {};
  return unknown(at, type, "pre-tokenizer");
}

result<void> library_checks::decoder(dom::element part, const json_path& at) {
  const auto type = text_of(part, "type");
  if (type == "Sequence") return sequence(part, at, "decoders", &library_checks::decoder);
  if (type == "Replace") {
    double growth = 1;
    return replacement(part, at, growth);
  }
  if (among(type, {"BPEDecoder", "ByteLevel", "WordPiece", "Metaspace", "CTC", "Fuse", "Strip", "ByteFallback"}))
    return {};
  return unknown(at, type, "decoder");
}

// ---- frames ----

result<void> library_checks::post_processor(dom::element part, const json_path& at) {
  const auto type = text_of(part, "type");
  if (type == "Sequence") return sequence(part, at, "processors", &library_checks::post_processor);
  if (type == "TemplateProcessing") return templates(part, at);
  if (type == "ByteLevel") return {};
  if (!among(type, {"BertProcessing", "RobertaProcessing"})) return unknown(at, type, "post_processor");
  for (const char* key : {"cls", "sep"})
    if (auto ok = frame_token(part, at, key); !ok) return ok;
  frame_tokens_ += 4;
  return {};
}

result<void> library_checks::frame_token(dom::element part, const json_path& at, const char* key) {
  dom::array pair;
  dom::element id;
  std::string_view name;
  if (part[key].get(pair) || pair.size() != 2 || pair.at(0).get(name) || pair.at(1).get(id))
    return json_.problem(inside(at, {key}), "must be [token, id]");
  return frame_id(id, inside(at, {key}));
}

result<void> library_checks::frame_id(dom::element value, const json_path& at) {
  std::uint64_t id = 0;
  if (value.get(id) || id > INT32_MAX) return json_.problem(at, "must hold ids");
  largest_id_ = std::max(largest_id_, static_cast<std::int32_t>(id));
  return {};
}

result<void> library_checks::templates(dom::element part, const json_path& at) {
  dom::object tokens;
  if (part["special_tokens"].get(tokens)) return json_.problem(inside(at, {"special_tokens"}), "must be an object");
  for (const char* key : {"single", "pair"}) {
    const auto here = inside(at, {key});
    dom::array list;
    if (part[key].get(list)) return json_.problem(here, "must be a list");
    if (list.size() > frame_tokens_max) return json_.problem(here, "holds more than 64 pieces");
    std::array<int, 2> seen{};
    std::size_t added = 0;
    for (std::size_t i = 0; const auto one : list) {
      const auto place = inside(here, {i++});
      dom::element piece;
      const bool is_text = !one["Sequence"].get(piece);
      if (!is_text && one["SpecialToken"].get(piece))
        return json_.problem(place, "holds neither Sequence nor SpecialToken");
      std::uint64_t type = 0;
      if (const auto given = member(piece, "type_id"); given && (given->get(type) || type > 255))
        return json_.problem(place, "has a type_id above 255");
      const auto name = text_of(piece, "id");
      if (is_text) {
        if (name != "A" && name != "B") return json_.problem(place, "names no sequence");
        ++seen[name == "A" ? 0 : 1];
        continue;
      }
      dom::array ids;
      if (tokens.at_key(name)["ids"].get(ids))
        return json_.problem(inside(at, {"special_tokens"}), "lacks '" + name.substr(0, 100) + '\'');
      added += ids.size();
      for (const auto id : ids)
        if (auto ok = frame_id(id, inside(at, {"special_tokens", name})); !ok) return ok;
    }
    const bool pair = *key == 'p';
    if (seen[0] != 1 || seen[1] != (pair ? 1 : 0))
      return json_.problem(here, pair ? "must hold $A and $B once" : "must hold $A once");
    frame_tokens_ += added;
    if (frame_tokens_ > 2 * frame_tokens_max) return json_.problem(at, "adds more than 64 tokens");
  }
  return {};
}

// ---- base64 ----

namespace {
constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
}

std::optional<std::string> decode_base64(std::string_view text) {
  std::array<std::uint8_t, 256> values{};
  values.fill(64);
  for (std::size_t i = 0; i < digits.size(); ++i)
    values[static_cast<unsigned char>(digits[i])] = static_cast<std::uint8_t>(i);
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const auto value = values[static_cast<unsigned char>(c)];
    if (value == 64) return std::nullopt;
    bits = bits << 6U | value;
    if ((held += 6) >= 8) {
      held -= 8;
      out.push_back(static_cast<char>(bits >> held & 0xffU));
    }
  }
  return out;
}

std::string encode_base64(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() / 3 * 4 + 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    const auto count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8U | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) out.push_back(k <= count ? digits[bits >> (18 - 6 * k) & 63U] : '=');
  }
  return out;
}

}  // namespace troupe::inference
