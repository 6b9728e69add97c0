#include "app/recording_text.hpp"

#include <algorithm>
#include <cassert>

#include "http/api/subtitles.hpp"
#include "http/json/json_write.hpp"

namespace troupe::app {

const std::vector<std::string>& recording_text::formats() {
  static const std::vector<std::string> all{"text", "json", "srt", "vtt"};
  return all;
}

recording_text::recording_text(const std::string& format) : format_(format) {
  assert(std::find(formats().begin(), formats().end(), format) != formats().end());
}

std::string recording_text::add(inference::transcript sentence) {
  if (format_ == "text") return sentence.text.empty() ? std::string() : sentence.text + '\n';
  if (format_ == "json") {
    http::json_out json;
    json.object()
        .field("text", sentence.text)
        .field("start", sentence.begin_s)
        .field("end", sentence.end_s)
        .end_object();
    return json.str() + '\n';
  }
  kept_.push_back(std::move(sentence));
  return {};
}

std::string recording_text::finish() const {
  if (format_ == "srt") return http::srt_of(kept_);
  if (format_ == "vtt") return http::vtt_of(kept_);
  return {};
}

inference::transcript sentence_of(const simdjson::dom::element& of_answer) {
  inference::transcript out;
  std::string_view text;
  if (of_answer["text"].get(text) == simdjson::SUCCESS) out.text = text;
  double time = 0;
  if (of_answer["start"].get(time) == simdjson::SUCCESS) out.begin_s = time;
  if (of_answer["end"].get(time) == simdjson::SUCCESS) out.end_s = time;
  return out;
}

}  // namespace troupe::app
