#include "http/core/openai_words.hpp"

#include <utility>

#include "http/core/errors.hpp"
#include "http/json/json_write.hpp"

namespace troupe::http {

using s = schema;

std::string_view openai_error_type(error_code code) {
  const auto status = status_of(code);
  if (status == 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

std::string openai_error_code(error_code code) {
  switch (code) {
    case error_code::unauthorized:
    case error_code::forbidden: return "invalid_api_key";
    case error_code::route_not_found: return "unknown_url";
    case error_code::too_many_requests: return "rate_limit_exceeded";
    default: break;
  }
  std::string out(to_string(code));
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string openai_error_message(const error& why) {
  return why.detail.empty() ? why.message : why.message + ": " + why.detail;
}

response openai_error(const error& why, std::string_view param, header_list headers) {
  response out;
  out.status = status_of(why.code);
  json_out json;
  json.object().key("error").object();
  json.field("message", openai_error_message(why));
  json.field("type", openai_error_type(why.code));
  json.key("param");
  param.empty() ? json.value(nullptr) : json.value(param);
  json.field("code", openai_error_code(why.code)).end_object().end_object();
  out.body = json.str();
  add_error_headers(why, headers);
  out.headers = std::move(headers);
  return out;
}

schema openai_error_schema() {
  return s::object({{"error", s::object({{"message", s::text().says("What was wrong, and what would be right")},
                                         {"type", s::text()},
                                         {"param", s::text().nullable().says("The field that is to blame")},
                                         {"code", s::text().nullable()}})}});
}

std::shared_ptr<const family> openai_family() {
  static const auto one = std::make_shared<const family>(family{
      "OpenAI",
      "OpenAI's embeddings, transcriptions, Realtime transcription and models, and re-ranking as Jina, Cohere and vLLM "
      "have it",
      [](const error& why, std::string_view, header_list headers) { return openai_error(why, {}, std::move(headers)); },
      "OpenAIError", openai_error_schema()});
  return one;
}

}  // namespace troupe::http
