#include "http/api/lifecycle_input.hpp"

#include <algorithm>
#include <cmath>

#include "http/api/request_fields.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

// Document 003's default.
constexpr std::uint64_t default_timeout_ms = 300'000;

bool is_empty(std::string_view body) { return body.find_first_not_of(" \t\r\n") == std::string_view::npos; }

result<void> read_flag(const std::string& name, const std::string& value, bool& out) {
  const bool yes = value == "1" || equal_ignoring_case(value, "true");
  if (!yes && value != "0" && !equal_ignoring_case(value, "false")) {
    return fail(error_code::bad_request, in_quotes(name) + " must be true or false, found " + shown(value),
                "send true or false");
  }
  out = yes;
  return {};
}

// REQUIRES: nothing was wrong so far.
std::uint64_t read_timeout(request_fields& given, const config::settings& settings) {
  const auto most_ms = settings.max_request_timeout_ms;
  const auto value = given.find("timeout");
  if (!value) return std::min(default_timeout_ms, most_ms);
  double seconds = 0;
  if (value->get_double().get(seconds) != simdjson::SUCCESS) {
    given.wrong_type("timeout", "a number of seconds", *value);
  } else if (!(seconds > 0 && seconds * 1000 <= static_cast<double>(most_ms))) {
    given.refuse({error_code::bad_request,
                  "'timeout' is not usable",
                  "give it as a number of seconds, more than 0 and at most " + std::to_string(most_ms / 1000),
                  {}},
                 "timeout");
  } else {
    return static_cast<std::uint64_t>(std::ceil(seconds * 1000));
  }
  return 0;
}

}  // namespace

result<lifecycle_question> read_lifecycle_question(const exchange& request, const config::settings& settings) {
  lifecycle_question out;
  const auto parameters = parse_parameters(request.query(), "query");
  if (!parameters) return tl::unexpected(parameters.error());
  for (const auto& [name, value] : *parameters) {
    result<void> read;
    if (name == "detailed") read = read_flag(name, value, out.detailed);
    if (name == "include_metrics") read = read_flag(name, value, out.include_metrics);
    if (!read) return tl::unexpected(read.error());
  }
  if (is_empty(request.body())) return out;
  request_fields given(request, settings);
  out.detailed = given.flag("detailed", out.detailed);
  out.include_metrics = given.flag("include_metrics", out.include_metrics);
  if (given.problem()) return tl::unexpected(given.problem()->why);
  return out;
}

result<lifecycle_load> read_lifecycle_load(const exchange& request, const config::settings& settings) {
  lifecycle_load out;
  request_fields given(request, settings);
  out.model_type = given.text("model_type").value_or(std::string());
  if (out.model_type.empty()) {
    given.refuse({error_code::bad_request,
                  "'model_type' is missing",
                  "send {\"model_type\": \"streaming_asr\"}, another name that GET /model/info lists, or \"all\"",
                  {}},
                 "model_type");
  }
  out.force_reload = given.flag("force_reload", out.force_reload);
  out.async_load = given.flag("async_load", out.async_load);
  out.wait_ms = read_timeout(given, settings);
  if (given.problem()) return tl::unexpected(given.problem()->why);
  return out;
}

}  // namespace troupe::http
