#include "config/located_json.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <unordered_set>
#include <utility>

#include <simdjson.h>

namespace troupe::config {
namespace {

constexpr std::size_t max_depth = 64;

// Says where a malformed text stops being JSON, and why. Runs only after simdjson has refused it, as
// simdjson does not always tell the place.
class fault_finder {
 public:
  explicit fault_finder(std::string_view text) : text_(text) {}

  std::pair<std::size_t, std::string> find() {
    if (!value(0)) return {fault_, message_};
    blanks();
    if (at_ < text_.size()) return {at_, "text after the end of the JSON value"};
    return {0, "not valid JSON"};
  }

 private:
  bool stop(std::size_t where, std::string message) {
    fault_ = where;
    message_ = std::move(message);
    return false;
  }
  bool stop_here(const std::string& expected) {
    if (at_ >= text_.size()) return stop(text_.size(), "the text ends where " + expected + " is expected");
    return stop(at_, "expected " + expected + ", found " + shown(text_.substr(at_, 1)));
  }
  void blanks() {
    while (at_ < text_.size() && std::strchr(" \t\r\n", text_[at_]) && text_[at_] != '\0') ++at_;
  }
  bool next_is(char c) {
    blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool value(std::size_t depth) {
    blanks();
    if (depth > max_depth) return stop(at_, "nested too deep: at most 64 levels");
    if (at_ >= text_.size()) return stop_here("a value");
    switch (text_[at_]) {
      case '{': return object(depth);
      case '[': return array(depth);
      case '"': return string();
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }
  bool object(std::size_t depth) {
    ++at_;
    if (next_is('}')) return true;
    do {
      blanks();
      if (at_ >= text_.size() || text_[at_] != '"') return stop_here("a key in double quotes");
      if (!string()) return false;
      if (!next_is(':')) return stop_here("':' after the key");
      if (!value(depth + 1)) return false;
    } while (next_is(','));
    return next_is('}') || stop_here("',' or '}'");
  }
  bool array(std::size_t depth) {
    ++at_;
    if (next_is(']')) return true;
    do {
      if (!value(depth + 1)) return false;
    } while (next_is(','));
    return next_is(']') || stop_here("',' or ']'");
  }
  bool string() {
    const auto start = at_++;
    for (; at_ < text_.size(); ++at_) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') return ++at_, true;
      if (c < 0x20) return stop(at_, "a control character (a line break?) inside a string");
      if (c == '\\' && !escape()) return false;
    }
    return stop(start, "a string that is never closed");
  }
  bool escape() {
    const auto start = at_++;
    if (at_ < text_.size() && text_[at_] == 'u') {
      for (int digits = 0; digits < 4; ++digits) {
        if (++at_ >= text_.size() || !std::isxdigit(static_cast<unsigned char>(text_[at_]))) {
          return stop(start, "\\u needs four hexadecimal digits");
        }
      }
      return true;
    }
    if (at_ >= text_.size() || text_[at_] == '\0' || !std::strchr("\"\\/bfnrt", text_[at_])) {
      return stop(start, "an unknown escape in a string");
    }
    return true;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return stop_here("a value");
    at_ += expected.size();
    return true;
  }
  bool digits() {
    const auto start = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ > start || stop_here("a digit");
  }
  bool number() {
    const auto start = at_;
    if (text_[at_] == '-') ++at_;
    if (at_ >= text_.size() || text_[at_] < '0' || text_[at_] > '9') {
      at_ = start;
      return stop_here("a value");
    }
    if (text_[at_] == '0') ++at_; else digits();
    if (at_ < text_.size() && text_[at_] == '.' && (++at_, !digits())) return false;
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      if (!digits()) return false;
    }
    if (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '.')) {
      return stop(start, "a malformed number");
    }
    return in_range(text_.substr(start, at_ - start)) || stop(start, "a number that is too large");
  }

  static bool in_range(std::string_view number) {
    const auto parses = [&](auto value) {
      return std::from_chars(number.data(), number.data() + number.size(), value).ec == std::errc{};
    };
    if (number.find_first_of(".eE") != std::string_view::npos) return parses(double{});
    return parses(std::uint64_t{}) || parses(std::int64_t{});
  }

  std::string_view text_;
  std::size_t at_ = 0, fault_ = 0;
  std::string message_;
};

// First byte that is no UTF-8; npos if there is none.
std::size_t find_bad_utf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string_view::npos;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (i + length > text.size() || !simdjson::validate_utf8(text.data() + i, length)) return i;
    i += length;
  }
  return std::string_view::npos;
}

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
    const auto [offset, message] = fault_finder(text).find();
    return out.problem(offset, message);
  }
}

std::string located_json::where(std::size_t offset) const {
  offset = std::min(offset, text_.size());
  const std::string_view before = std::string_view(text_).substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return file_ + ':' + std::to_string(line) + ':' + std::to_string(offset - line_start + 1);
}

tl::unexpected<error> located_json::problem(std::size_t offset, std::string_view message, std::string detail) const {
  return fail(error_code::bad_request, where(offset) + ": " + std::string(message), std::move(detail));
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
