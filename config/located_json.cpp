#include "config/located_json.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <unordered_set>
#include <utility>

#include <simdjson.h>

#include "config/json_fault.hpp"

namespace troupe::config {
namespace {

constexpr std::size_t max_depth = 64;

using simdjson::ondemand::json_type;

struct duplicate_key {
  std::string key;
  std::size_t offset, first;
};

// Copies simdjson's lazily parsed document, known to be valid, into the tree.
class tree_builder {
 public:
  explicit tree_builder(const char* base) : base_(base) {}

  // Besides simdjson's own, build() throws duplicate_key and depth_problem.
  struct depth_problem {
    std::size_t offset;
  };

  json_value build(simdjson::ondemand::value v, std::size_t depth = 0) {
    json_value out;
    const std::string_view token = v.raw_json_token();
    out.offset = static_cast<std::size_t>(token.data() - base_);
    if (depth > max_depth) throw depth_problem{out.offset};
    switch (json_type(v.type())) {
      case json_type::array:
        out.kind = json_kind::array;
        for (auto item : v.get_array()) out.items.push_back(build(item.value(), depth + 1));
        break;
      case json_type::object: build_object(v.get_object(), out, depth); break;
      case json_type::string:
        out.kind = json_kind::string;
        out.text = std::string_view(v.get_string());
        break;
      case json_type::number:
        out.kind = json_kind::number;
        out.text = trimmed(token);
        break;
      case json_type::boolean:
        out.kind = json_kind::boolean;
        out.text = bool(v.get_bool()) ? "true" : "false";
        break;
      case json_type::null: out.text = "null"; break;
    }
    return out;
  }

 private:
  void build_object(simdjson::ondemand::object object, json_value& out, std::size_t depth) {
    out.kind = json_kind::object;
    for (auto field : object) {
      json_member member;
      member.key_offset = static_cast<std::size_t>(field.key().value().raw() - base_) - 1;
      member.key = std::string_view(field.unescaped_key());
      member.value = build(field.value().value(), depth + 1);
      out.members.push_back(std::move(member));
    }
    std::unordered_set<std::string_view> seen;
    for (const auto& m : out.members) {
      if (!seen.insert(m.key).second) throw duplicate_key{m.key, m.key_offset, out.find(m.key)->offset};
    }
  }
  static std::string trimmed(std::string_view token) {
    return std::string(token.substr(0, token.find_last_not_of(" \t\r\n") + 1));
  }

  const char* base_;
};

}  // namespace

std::string_view to_string(json_kind kind) noexcept {
  switch (kind) {
    case json_kind::null: return "null";
    case json_kind::boolean: return "a boolean";
    case json_kind::number: return "a number";
    case json_kind::string: return "a string";
    case json_kind::array: return "a list";
    case json_kind::object: return "an object";
  }
  return "unknown";
}

const json_value* json_value::find(std::string_view key) const noexcept {
  for (const auto& m : members) {
    if (m.key == key) return &m.value;
  }
  return nullptr;
}

result<located_json> located_json::parse(std::string_view text, std::string file) {
  located_json out;
  out.file_ = std::move(file);
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  out.text_ = text;
  if (const auto bad = find_bad_utf8(text); bad != std::string_view::npos) {
    return out.problem(bad, "a byte that is not UTF-8", "save the file as UTF-8");
  }
  const simdjson::padded_string padded(text);
  // The strict parser says whether this is JSON at all, the lazy one where each value stands.
  simdjson::dom::parser strict;
  simdjson::ondemand::parser lazy;
  try {
    const simdjson::dom::element whole = strict.parse(padded);
    if (!whole.is_object() && !whole.is_array()) {
      return out.problem(text.find_first_not_of(" \t\r\n"), "the file must hold an object");
    }
    auto document = lazy.iterate(padded);
    out.root_ = tree_builder(padded.data()).build(document.get_value().value());
    return out;
  } catch (const duplicate_key& d) {
    return out.problem(d.offset, "the key " + shown(d.key) + " is given twice",
                       "the first is at " + out.where(d.first));
  } catch (const tree_builder::depth_problem& d) {
    return out.problem(d.offset, "nested too deep: at most 64 levels");
  } catch (const simdjson::simdjson_error&) {
    const auto fault = find_json_fault(text, json_numbers::standard, max_depth);
    return out.problem(fault.offset, fault.message);
  }
}

std::string located_json::where(std::size_t offset) const {
  return place_in(text_, file_, offset);
}

tl::unexpected<error> located_json::problem(std::size_t offset, std::string_view message, std::string detail) const {
  const auto place = file_.empty() ? std::string() : where(offset) + ": ";
  return fail(error_code::bad_request, place + std::string(message), std::move(detail));
}

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) {
    const auto u = static_cast<unsigned char>(c);
    out += u < 0x20 || u == 0x7F ? '?' : c;
  }
  return out + (text.size() > longest ? "..\"" : "\"");
}

std::string shown(const json_value& value) {
  switch (value.kind) {
    case json_kind::string: return shown(value.text);
    case json_kind::array:
    case json_kind::object: return std::string(to_string(value.kind));
    default: return value.text.substr(0, 60);
  }
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  std::vector<std::size_t> row;
  for (const auto& candidate : candidates) {
    // Levenshtein's distance, one row at a time.
    row.resize(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      auto diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const auto same = std::tolower(word[i - 1]) == std::tolower(candidate[j - 1]);
        const auto cost = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1)});
        diagonal = std::exchange(row[j], cost);
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = &candidate;
    }
  }
  return best ? *best : std::string();
}

result<void> refuse_unknown_keys(const located_json& json, const json_value& object, std::string_view of,
                                 const std::vector<std::string>& known) {
  for (const auto& member : object.members) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    const auto near = nearest(member.key, known);
    std::string all;
    for (const auto& key : known) all += (all.empty() ? "" : ", ") + key;
    return json.problem(member.key_offset, "unknown key " + shown(member.key) + " in " + std::string(of),
                        near.empty() ? "known are: " + all : "did you mean \"" + near + "\"?");
  }
  return {};
}

result<std::string> read_text_file(const std::filesystem::path& file, std::uint64_t max_bytes) {
  std::error_code ec;
  if (std::filesystem::is_directory(file, ec)) {
    return fail(error_code::bad_request, file.string() + ": is a folder, not a file");
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return fail(error_code::bad_request, file.string() + ": cannot be opened: " + std::strerror(errno));
  }
  std::string text;
  char buffer[65536];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    text.append(buffer, static_cast<std::size_t>(in.gcount()));
    if (text.size() > max_bytes) {
      return fail(error_code::bad_request, file.string() + ": larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
  if (in.bad()) return fail(error_code::bad_request, file.string() + ": cannot be read");
  return text;
}

}  // namespace troupe::config
