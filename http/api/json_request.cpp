#include "http/api/json_request.hpp"

#include "http/json/comma_list.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

std::string_view shorter(std::string_view text) noexcept { return text.substr(0, text.find(';')); }

}  // namespace

std::string_view media_type(const exchange& request) {
  const auto said = trim(shorter(request.header("Content-Type").value_or("application/json")));
  return said.empty() ? "application/json" : said;
}

bool is_json(std::string_view type) noexcept {
  return equal_ignoring_case(type, "application/json") || equal_ignoring_case(type, "text/json") ||
         equal_ignoring_case(type, "application/x-www-form-urlencoded") ||
         (type.size() > 5 && equal_ignoring_case(type.substr(type.size() - 5), "+json"));
}

result<void> check_coding(const exchange& request) {
  const auto coding = trim(request.header("Content-Encoding").value_or("identity"));
  if (coding.empty() || equal_ignoring_case(coding, "identity")) return {};
  return fail(error_code::unsupported_media, "Content-Encoding '" + shown(coding) + "' is not supported",
              "send the body as it is, without Content-Encoding");
}

result<simdjson::dom::element> read_json(const exchange& request, json_body& document, std::string_view right) {
  if (request.body().find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return fail(error_code::bad_request, "The body is empty", std::string(right));
  }
  if (auto plain = check_coding(request); !plain) return tl::unexpected(plain.error());
  if (const auto type = media_type(request); !is_json(type)) {
    return fail(error_code::unsupported_media, "Content-Type '" + shown(type) + "' is not supported",
                "send application/json");
  }
  return document.parse(request.body());
}

bool contains_token(std::optional<std::string_view> header, std::string_view token) {
  return any_of_list(header.value_or(""),
                     [&](std::string_view one) { return equal_ignoring_case(trim(shorter(one)), token); });
}

bool takes_kept_answers(const exchange& request) {
  const auto told = request.header("Cache-Control");
  return !contains_token(told, "no-cache") && !contains_token(told, "no-store");
}

}  // namespace troupe::http
