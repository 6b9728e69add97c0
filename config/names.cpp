#include "config/names.hpp"

#include <algorithm>
#include <array>

namespace troupe::config {
namespace {

constexpr std::size_t max_name_bytes = 128;

// Literals under /models, then first segments of other routes.
constexpr std::array<std::string_view, 20> reserved{
    "available", "managed", "manage",  "download", "cache", "v1",      "v2", "tei",    "catalog", "api",
    "model",     "models",  "cleanup", "health",   "stats", "metrics", "ws", "predict", "funasr", "vosk"};

constexpr std::array<std::string_view, 6> actions{"load", "unload", "warmup", "info", "predict", "status"};

bool alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

result<void> broken(std::string_view rule) {
  return fail(error_code::bad_request, "Invalid model name: " + std::string(rule),
              "a name is letters, digits, '.', '_' and '-', begins with a letter or digit, may have one "
              "namespace before a '/', and is at most 128 bytes long");
}

result<void> check_segment(std::string_view segment) {
  if (segment.empty()) return broken("it has an empty part");
  if (!alphanumeric(segment.front())) return broken("each part begins with a letter or a digit");
  for (const char c : segment) {
    if (!alphanumeric(c) && c != '.' && c != '_' && c != '-') {
      return broken("it has a character other than letters, digits, '.', '_', '-' and one '/'");
    }
  }
  return {};
}

}  // namespace

result<void> check_model_name(std::string_view name) {
  if (name.empty()) return broken("it is empty");
  if (name.size() > max_name_bytes) return broken("it is longer than 128 bytes");
  if (name.find("..") != std::string_view::npos) return broken("it contains '..'");
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return check_segment(name);
  if (name.find('/', slash + 1) != std::string_view::npos) return broken("it has more than one '/'");
  if (auto checked = check_segment(name.substr(0, slash)); !checked) return checked;
  return check_segment(name.substr(slash + 1));
}

result<void> check_registered_name(std::string_view name) {
  if (auto checked = check_model_name(name); !checked) return checked;
  const auto first = name.substr(0, name.find('/'));
  const auto last = name.substr(name.rfind('/') + 1);  // npos + 1 is 0
  if (std::find(reserved.begin(), reserved.end(), first) != reserved.end()) {
    return fail(error_code::bad_request, "Reserved model name: \"" + std::string(first) + "\" is part of a route",
                "choose another name");
  }
  if (std::find(actions.begin(), actions.end(), last) != actions.end()) {
    return fail(error_code::bad_request, "Reserved model name: \"" + std::string(last) + "\" is an action of a route",
                "choose another name");
  }
  return {};
}

}  // namespace troupe::config
