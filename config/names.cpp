#include "config/names.hpp"

#include <algorithm>

namespace troupe::config {
namespace {

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
  if (name.size() > max_model_name_bytes) return broken("it is longer than 128 bytes");
  if (name.find("..") != std::string_view::npos) return broken("it contains '..'");
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return check_segment(name);
  if (name.find('/', slash + 1) != std::string_view::npos) return broken("it has more than one '/'");
  if (auto checked = check_segment(name.substr(0, slash)); !checked) return checked;
  return check_segment(name.substr(slash + 1));
}

bool is_provider_name(std::string_view name) noexcept {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 64 && plain(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

result<void> check_registered_name(std::string_view name, const reserved_names& reserved) {
  if (auto checked = check_model_name(name); !checked) return checked;
  const auto first = name.substr(0, name.find('/'));
  const auto last = name.substr(name.rfind('/') + 1);  // npos + 1 is 0
  if (reserved.first.contains(first)) {
    return fail(error_code::bad_request, "Reserved model name: \"" + std::string(first) + "\" is part of a route",
                "choose another name");
  }
  const bool alone = first.size() == name.size();
  if (reserved.actions.contains(last) || (!alone && reserved.behind.contains(last))) {
    return fail(error_code::bad_request, "Reserved model name: \"" + std::string(last) + "\" is an action of a route",
                "choose another name");
  }
  return {};
}

}  // namespace troupe::config
