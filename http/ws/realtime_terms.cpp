#include "http/ws/realtime_terms.hpp"

#include <algorithm>
#include <array>

#include "http/json/text.hpp"
#include "http/ws/message_fields.hpp"

namespace troupe::http {
namespace {

using inference::sample_format;
using simdjson::dom::element;
using read_result = realtime_result<void>;

constexpr std::uint32_t pcm_rate_hz = 24000, g711_rate_hz = 8000;

struct format_names {
  sample_format format;
  std::string_view name, beta_name;
};
constexpr std::array<format_names, 3> formats{{{sample_format::s16, "audio/pcm", "pcm16"},
                                               {sample_format::mu_law, "audio/pcmu", "g711_ulaw"},
                                               {sample_format::a_law, "audio/pcma", "g711_alaw"}}};

const format_names& names_of(sample_format format) {
  return *std::find_if(formats.begin(), formats.end(), [&](const auto& f) { return f.format == format; });
}

tl::unexpected<realtime_fault> unknown(const std::string& path) {
  return tl::unexpected(realtime_fault{{error_code::bad_request,
                                        "Unknown or unsupported parameter: " + in_quotes(shown(path)),
                                        "this is a transcription session: nothing answers, no tools are called",
                                        {}},
                                       path,
                                       "unknown_parameter",
                                       {}});
}

template <class T>
read_result from(result<T> read, const std::string& path) {
  if (read) return {};
  return tl::unexpected(realtime_fault{read.error(), path, "invalid_value", {}});
}

// `f(key, value, path)` of each member that is not null.
template <class F>
read_result each_member(element value, const std::string& path, F f) {
  simdjson::dom::object all;
  if (value.get(all) != simdjson::SUCCESS) return refuse_param(path, kind_of(value), "an object");
  for (const auto [key, of] : all) {
    if (of.is_null() && key != "turn_detection") continue;
    if (auto read = f(key, of, path + "." + shown(key)); !read) return read;
  }
  return {};
}

read_result read_name(element value, const std::string& path, std::string& out) {
  std::string_view text;
  auto read = read_text_field(value, path, text);
  if (read) out = text;
  return from(read, path);
}

void set_format(realtime_terms& terms, const format_names& f) {
  terms.format = f.format;
  terms.rate_hz = f.format == sample_format::s16 ? pcm_rate_hz : g711_rate_hz;
}

read_result read_format_name(element value, const std::string& path, std::string_view format_names::*name,
                             realtime_terms& terms) {
  std::string text;
  if (auto read = read_name(value, path, text); !read) return read;
  for (const auto& f : formats) {
    if (text != f.*name) continue;
    set_format(terms, f);
    return {};
  }
  return refuse_param(
      path, in_quotes(shown(text)),
      std::string(formats[0].*name) + ", " + std::string(formats[1].*name) + ", " + std::string(formats[2].*name));
}

read_result read_format(element value, const std::string& path, realtime_terms& terms) {
  std::uint32_t rate_hz = 0;
  auto read = each_member(value, path, [&](std::string_view key, element of, const std::string& at) -> read_result {
    if (key == "type") return read_format_name(of, at, &format_names::name, terms);
    if (key == "rate") return from(read_rate_field(of, at, rate_hz), at);
    return unknown(at);
  });
  if (!read || rate_hz == 0) return read;
  if (terms.format != sample_format::s16 && rate_hz != g711_rate_hz) {
    return refuse_param(path + ".rate", std::to_string(rate_hz), "8000 of G.711");
  }
  terms.rate_hz = rate_hz;
  return {};
}

read_result read_keywords(element value, const std::string& path, std::vector<std::string>& out) {
  simdjson::dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return refuse_param(path, kind_of(value), "a list of strings");
  out.clear();
  for (const auto item : list) {
    std::string word;
    if (auto read = read_name(item, path, word); !read) return read;
    out.push_back(std::move(word));
  }
  return {};
}

read_result read_transcription(element value, const std::string& path, realtime_terms& terms) {
  return each_member(value, path, [&](std::string_view key, element of, const std::string& at) -> read_result {
    if (key == "model") return read_name(of, at, terms.model);
    if (key == "keywords") return read_keywords(of, at, terms.keywords);
    if (key == "language" || key == "languages" || key == "prompt" || key == "delay") return {};
    return unknown(at);
  });
}

read_result read_turns(element value, const std::string& path, realtime_terms& terms) {
  if (value.is_null()) {
    terms.turns = false;
    return {};
  }
  std::string type = "server_vad";
  auto read = each_member(value, path, [&](std::string_view key, element of, const std::string& at) -> read_result {
    if (key == "type") return read_name(of, at, type);
    for (const auto* hint : {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms",
                             "create_response", "interrupt_response", "eagerness"}) {
      if (key == hint) return {};
    }
    return unknown(at);
  });
  if (!read) return read;
  if (type != "server_vad") return refuse_param(path + ".type", in_quotes(shown(type)), "server_vad, or null in place");
  terms.turns = true;
  return {};
}

read_result read_input(element value, const std::string& path, realtime_terms& terms) {
  return each_member(value, path, [&](std::string_view key, element of, const std::string& at) -> read_result {
    if (key == "format") return read_format(of, at, terms);
    if (key == "transcription") return read_transcription(of, at, terms);
    if (key == "turn_detection") return read_turns(of, at, terms);
    if (key == "noise_reduction") return {};
    return unknown(at);
  });
}

read_result read_type(element value, const std::string& path) {
  std::string type;
  if (auto read = read_name(value, path, type); !read) return read;
  if (type == "transcription") return {};
  return refuse_param(path, in_quotes(shown(type)), "transcription");
}

void write_transcription(json_out& json, const realtime_terms& terms) {
  json.object().key("model");
  terms.model.empty() ? json.value(nullptr) : json.value(terms.model);
  if (!terms.keywords.empty()) {
    json.key("keywords").array();
    for (const auto& word : terms.keywords) json.value(word);
    json.end_array();
  }
  json.field("language", nullptr).field("prompt", nullptr).end_object();
}

void write_turns(json_out& json, const realtime_terms& terms) {
  json.key("turn_detection");
  if (!terms.turns)
    json.value(nullptr);
  else
    json.object().field("type", "server_vad").end_object();
}

}  // namespace

tl::unexpected<realtime_fault> refuse_param(const std::string& param, std::string_view found,
                                            std::string_view allowed) {
  return tl::unexpected(realtime_fault{refuse_field(param, found, allowed).value(), param, "invalid_value", {}});
}

realtime_result<void> read_realtime_session(element session, realtime_terms& terms) {
  return each_member(session, "session", [&](std::string_view key, element of, const std::string& at) -> read_result {
    if (key == "type") return read_type(of, at);
    if (key == "audio") {
      return each_member(of, at, [&](std::string_view part, element its, const std::string& there) -> read_result {
        return part == "input" ? read_input(its, there, terms) : unknown(there);
      });
    }
    if (key == "input_audio_format") return read_format_name(of, at, &format_names::beta_name, terms);
    if (key == "input_audio_transcription") return read_transcription(of, at, terms);
    if (key == "turn_detection") return read_turns(of, at, terms);
    if (key == "input_audio_noise_reduction" || key == "include" || key == "modalities") return {};
    return unknown(at);
  });
}

void write_realtime_terms(json_out& json, const realtime_terms& terms, bool beta) {
  const auto& names = names_of(terms.format);
  if (beta) {
    json.field("input_audio_format", names.beta_name).key("input_audio_transcription");
    write_transcription(json, terms);
    write_turns(json, terms);
    json.field("input_audio_noise_reduction", nullptr);
  } else {
    json.field("type", "transcription").key("audio").object().key("input").object();
    json.key("format").object().field("type", names.name);
    if (terms.format == sample_format::s16) json.field("rate", terms.rate_hz);
    json.end_object().key("transcription");
    write_transcription(json, terms);
    write_turns(json, terms);
    json.field("noise_reduction", nullptr).end_object().end_object();
  }
  json.field("include", nullptr);
}

}  // namespace troupe::http
