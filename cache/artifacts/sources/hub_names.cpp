#include "cache/artifacts/sources/hub_names.hpp"

#include <algorithm>

#include "cache/artifacts/sources/urls.hpp"

namespace troupe::cache {
namespace {

constexpr std::size_t part_bytes_max = 96;
constexpr std::size_t revision_bytes_max = 200;

constexpr bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Null: it may be a part of an id.
const char* fault_of_part(std::string_view part) {
  if (part.empty()) return "a part is empty";
  if (part.size() > part_bytes_max) return "a part is longer than 96 characters";
  if (!std::all_of(part.begin(), part.end(), [](char c) { return is_word(c) || c == '-' || c == '.'; }))
    return "only letters, digits, '-', '_' and '.' are allowed";
  if (!is_word(part.front()) || !is_word(part.back())) return "a part begins or ends with '-' or '.'";
  if (part.find("--") != part.npos || part.find("..") != part.npos) return "'--' and '..' are not allowed";
  return nullptr;
}

}  // namespace

result<void> check_hub_id(std::string_view id) {
  const auto refuse = [&](std::string_view why,
                          const char* detail = "\"org/name\", as the hub has it") -> result<void> {
    return fail(error_code::bad_request, "'" + shown(id) + "' is no model id of the hub: " + std::string(why), detail);
  };
  if (id.find("://") != id.npos) return refuse("it is a URL");
  const auto slash = id.find('/');
  const auto first = id.substr(0, slash);
  if (slash != id.npos && (first == "datasets" || first == "spaces"))
    return refuse(first == "spaces" ? "spaces are programs, not models" : "data sets are not models");
  if (slash != id.npos && id.find('/', slash + 1) != id.npos) return refuse("it has more than one '/'");
  if (slash != id.npos)
    if (const auto* why = fault_of_part(first)) return refuse(why);
  if (const auto* why = fault_of_part(slash == id.npos ? id : id.substr(slash + 1))) return refuse(why);
  if (id.ends_with(".git")) return refuse("it ends with '.git'");
  return {};
}

result<void> check_hub_revision(std::string_view revision) {
  const auto refuse = [&](const char* why) -> result<void> {
    return fail(error_code::bad_request, "'" + shown(revision) + "' is no revision: " + why,
                "a branch, a tag or a commit");
  };
  if (revision.empty()) return refuse("it is empty");
  if (revision.size() > revision_bytes_max) return refuse("it is longer than 200 characters");
  if (!std::all_of(revision.begin(), revision.end(),
                   [](char c) { return is_word(c) || c == '-' || c == '.' || c == '/' || c == '+' || c == '@'; }))
    return refuse("only letters, digits and - _ . / + @ are allowed");
  if (revision.front() == '/' || revision.back() == '/' || revision.find("//") != revision.npos)
    return refuse("a part is empty");
  if (revision.front() == '.' || revision.find("..") != revision.npos || revision.find("/.") != revision.npos)
    return refuse("a part begins with '.', or it has '..'");
  return {};
}

bool is_commit(std::string_view text) noexcept {
  return text.size() == 40 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace troupe::cache
