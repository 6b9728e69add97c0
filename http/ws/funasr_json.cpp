#include "http/ws/funasr_json.hpp"

#include <charconv>
#include <limits>
#include <optional>

#include "http/json/json_write.hpp"
#include "http/json/text.hpp"
#include "http/ws/message_fields.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::element;

constexpr std::size_t wav_name_bytes_max = 1024;  // each answer repeats it

result<void> read_mode(element value, funasr_terms& terms) {
  constexpr std::string_view allowed = "online, offline, 2pass";
  std::string_view text;
  if (auto read = read_text_field(value, "mode", text); !read) return refuse_field("mode", kind_of(value), allowed);
  if (text == "online")
    terms.mode = actors::session_mode::online;
  else if (text == "offline")
    terms.mode = actors::session_mode::offline;
  else if (text == "2pass")
    terms.mode = actors::session_mode::two_pass;
  else
    return refuse_field("mode", in_quotes(shown(text)), allowed);
  return {};
}

// [5,10,5], or "5,10,5", or "[5, 10, 5]".
std::vector<std::int64_t> three_of(element value) {
  std::vector<std::int64_t> out;
  simdjson::dom::array list;
  if (value.get(list) == simdjson::SUCCESS) {
    for (const auto item : list) {
      const auto number = whole_number(item);
      if (!number || out.size() == 3) return {};
      out.push_back(*number);
    }
    return out;
  }
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return {};
  text = trim(text);
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  for (;;) {
    const auto comma = text.find(',');
    const auto part = trim(text.substr(0, comma));
    std::int64_t number = 0;
    const auto [end, ec] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (ec != std::errc{} || end != part.data() + part.size() || out.size() == 3) return {};
    out.push_back(number);
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

result<void> read_chunk_size(element value, funasr_terms& terms) {
  constexpr std::int64_t frames_max = std::numeric_limits<std::uint16_t>::max();  // what fits, a model says
  const auto sizes = three_of(value);
  bool good = sizes.size() == 3;
  for (const auto size : sizes) good = good && size >= 0 && size <= frames_max;
  if (!good || sizes[1] == 0) {
    return refuse_field("chunk_size", kind_of(value), "three whole numbers of 60 ms, as [5,10,5] or \"5,10,5\"");
  }
  terms.options.left_frames = static_cast<std::uint32_t>(sizes[0]);
  terms.options.chunk_frames = static_cast<std::uint32_t>(sizes[1]);
  terms.options.ahead_frames = static_cast<std::uint32_t>(sizes[2]);
  return {};
}

result<void> read_look_back(element value, std::string_view key, std::int32_t& out) {
  const auto number = whole_number(value);
  if (!number || *number < -1 || *number > std::numeric_limits<std::uint16_t>::max()) {
    return refuse_field(key, number ? std::to_string(*number) : kind_of(value), "a whole number of chunks, or -1");
  }
  out = static_cast<std::int32_t>(*number);
  return {};
}

result<void> read_wav_format(element value, funasr_terms& terms) {
  std::string_view text;
  if (auto read = read_text_field(value, "wav_format", text); !read) return read;
  terms.wav_format = equal_ignoring_case(text, "pcm") ? "pcm" : shown(text);
  return {};
}

result<void> read_wav_name(element value, funasr_terms& terms) {
  std::string_view text;
  if (auto read = read_text_field(value, "wav_name", text); !read) return read;
  if (text.size() > wav_name_bytes_max) {
    return refuse_field("wav_name", std::to_string(text.size()) + " bytes",
                        "at most " + std::to_string(wav_name_bytes_max));
  }
  terms.wav_name = text;
  return {};
}

struct flags {
  std::optional<bool> speaking;
  bool finished = false;
};

result<void> read_member(std::string_view key, element value, funasr_terms& terms, flags& said) {
  if (key == "mode") return read_mode(value, terms);
  if (key == "chunk_size") return read_chunk_size(value, terms);
  if (key == "encoder_chunk_look_back") return read_look_back(value, key, terms.options.encoder_look_back);
  if (key == "decoder_chunk_look_back") return read_look_back(value, key, terms.options.decoder_look_back);
  if (key == "wav_name") return read_wav_name(value, terms);
  if (key == "wav_format") return read_wav_format(value, terms);
  if (key == "audio_fs") return read_rate_field(value, key, terms.rate_hz);
  if (key == "is_finished") return read_flag_field(value, key, said.finished);
  if (key == "is_speaking") {
    bool yes = false;
    auto read = read_flag_field(value, key, yes);
    if (read) said.speaking = yes;
    return read;
  }
  if (key == "hotwords") {
    std::string_view text;
    auto read = read_text_field(value, key, text);
    if (read) terms.options.hotwords = funasr_hotwords(text);
    return read;
  }
  return {};
}

std::string_view next_word(std::string_view& text) {
  constexpr std::string_view between = " ,\t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(between), text.size()));
  const auto word = text.substr(0, text.find_first_of(between));
  text.remove_prefix(word.size());
  return word;
}

}  // namespace

result<funasr_mark> read_funasr(std::string_view message, funasr_terms& terms) {
  if (auto fits = check_terms_size(message); !fits) return tl::unexpected(fits.error());
  json_body json;
  const auto all = read_message(json, message, "sound goes into binary messages");
  if (!all) return tl::unexpected(all.error());
  auto changed = terms;
  flags said;
  for (const auto member : *all) {
    if (member.value.is_null()) continue;  // as good as absent: JavaScript's clients send it
    if (auto read = read_member(member.key, member.value, changed, said); !read) return tl::unexpected(read.error());
  }
  terms = std::move(changed);
  if (said.finished || (said.speaking && !*said.speaking)) return funasr_mark::end;
  return said.speaking ? funasr_mark::begin : funasr_mark::none;
}

std::vector<std::string> funasr_hotwords(std::string_view text) {
  std::vector<std::string> out;
  if (trim(text).starts_with('{')) {
    // The words are the keys; their weights are other decoders'.
    simdjson::dom::parser parser;
    simdjson::dom::object map;
    if (parser.parse(text.data(), text.size(), true).get(map) == simdjson::SUCCESS) {
      for (const auto member : map) out.emplace_back(member.key);
      return out;
    }
  }
  for (auto word = next_word(text); !word.empty(); word = next_word(text)) out.emplace_back(word);
  return out;
}

std::string write_funasr(const funasr_result& result, const std::string& wav_name, bool last) {
  json_out json;
  json.object()
      .field("mode", result.mode)
      .field("text", result.text)
      .field("wav_name", wav_name)
      .field("is_final", last);
  if (last) json.field("is_end", true);
  if (result.stamps) write_stamps(json, *result.stamps);
  return json.end_object().str();
}

std::string write_funasr_error(const std::string& mode, const std::string& wav_name, const error& why) {
  json_out json;
  json.object()
      .field("mode", mode)
      .field("text", "")
      .field("wav_name", wav_name)
      .field("is_final", false)
      .field("is_end", true)
      .field("error", why.detail.empty() ? why.message : why.message + ": " + why.detail)
      .field("code", to_string(why.code));
  return json.end_object().str();
}

}  // namespace troupe::http
