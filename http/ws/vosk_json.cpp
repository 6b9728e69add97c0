#include "http/ws/vosk_json.hpp"

#include "http/json/json_write.hpp"
#include "http/ws/message_fields.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::element;

constexpr std::string_view known = R"({"config": {..}}, {"eof" : 1} or {"reset" : 1}; sound goes into binary messages)";

// true, or a number that is not 0.
bool is_on(element value) {
  bool yes = false;
  if (value.get(yes) == simdjson::SUCCESS) return yes;
  return whole_number(value).value_or(0) != 0;
}

result<void> read_switch(element value, std::string_view key, bool& out) {
  if (!value.is_bool() && !whole_number(value)) return refuse_field(key, kind_of(value), "true, false, or a number");
  out = is_on(value);
  return {};
}

result<void> read_phrases(element value, std::vector<std::string>& out) {
  constexpr std::string_view allowed = "a list of strings";
  simdjson::dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return refuse_field("phrase_list", kind_of(value), allowed);
  out.clear();
  for (const auto item : list) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS) return refuse_field("phrase_list", kind_of(item), allowed);
    if (text != "[unk]") out.emplace_back(text);  // "and anything else": no phrase
  }
  return {};
}

result<void> read_config(element value, vosk_terms& terms) {
  simdjson::dom::object all;
  if (value.get(all) != simdjson::SUCCESS) return refuse_field("config", kind_of(value), "an object");
  for (const auto [key, of] : all) {
    if (of.is_null()) continue;
    result<void> read;
    if (key == "sample_rate") read = read_rate_field(of, key, terms.rate_hz);
    if (key == "words") read = read_switch(of, key, terms.words);
    if (key == "max_alternatives") read = read_switch(of, key, terms.alternatives);
    if (key == "phrase_list") read = read_phrases(of, terms.phrases);
    if (key == "model") {
      std::string_view name;
      read = read_text_field(of, key, name);
      if (read) terms.model = name;
    }
    if (!read) return read;
  }
  return {};
}

void write_words(json_out& json, const std::vector<inference::spoken_word>& words, bool with_confidence) {
  json.key("result").array();
  for (const auto& w : words) {
    json.object();
    if (with_confidence) json.field("conf", nullptr);
    json.field("end", w.end_s).field("start", w.begin_s).field("word", w.text).end_object();
  }
  json.end_array();
}

}  // namespace

result<vosk_mark> read_vosk(std::string_view message, vosk_terms& terms) {
  if (auto fits = check_terms_size(message); !fits) return tl::unexpected(fits.error());
  json_body json;
  const auto all = read_message(json, message, known);
  if (!all) return tl::unexpected(all.error());
  auto changed = terms;
  auto mark = vosk_mark::none;
  bool any = false;
  for (const auto [key, value] : *all) {
    if (key == "config") {
      if (auto read = read_config(value, changed); !read) return tl::unexpected(read.error());
    } else if (key == "eof") {
      if (is_on(value)) mark = vosk_mark::eof;
    } else if (key == "reset") {
      if (is_on(value) && mark == vosk_mark::none) mark = vosk_mark::reset;
    } else {
      continue;
    }
    any = true;
  }
  if (!any) return fail(error_code::bad_request, "A message that says nothing", std::string(known));
  terms = std::move(changed);
  return mark;
}

std::string write_vosk_partial(std::string_view text) {
  json_out json;
  return json.object().field("partial", text).end_object().str();
}

std::string write_vosk_text(const vosk_text& said, const vosk_terms& terms) {
  json_out json;
  json.object();
  if (terms.alternatives) json.key("alternatives").array().object().field("confidence", nullptr);
  if (terms.words && !said.words.empty()) write_words(json, said.words, !terms.alternatives);
  json.field("text", said.text);
  if (terms.alternatives) json.end_object().end_array();
  return json.end_object().str();
}

std::string write_vosk_error(const error& why) {
  json_out json;
  json.object()
      .field("error", why.detail.empty() ? why.message : why.message + ": " + why.detail)
      .field("code", to_string(why.code));
  return json.end_object().str();
}

}  // namespace troupe::http
