#include "inference/files/model_json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "config/json_fault.hpp"
#include "inference/files/files.hpp"

namespace troupe::inference {
namespace {

namespace dom = simdjson::dom;
constexpr std::size_t depth_max = 1024;  // simdjson's

bool is_number_character(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '-' || c == '.';
}

// What stands for a number that JSON, or 64 bits, cannot hold; empty: the word may stay.
std::string held(std::string_view word) {
  constexpr const char* infinite = "1.7976931348623157e308";
  if (word == "NaN" || word == "Infinity") return infinite;
  if (word == "-Infinity") return std::string("-") + infinite;
  const auto digits = word.substr(word.starts_with('-') ? 1 : 0);
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return {};
  const bool whole = digits.find_first_not_of("0123456789") == digits.npos;
  if (digits.size() > 1 && digits.front() == '0' && whole) return {};  // 007 is none in Python either
  if (whole) {
    std::uint64_t unsigned_number = 0;
    std::int64_t number = 0;
    const auto* end = word.data() + word.size();
    if (std::from_chars(word.data(), end, number).ec == std::errc{} ||
        std::from_chars(word.data(), end, unsigned_number).ec == std::errc{})
      return {};
  }
  char* stop = nullptr;
  const std::string copy(word);
  const double value = std::strtod(copy.c_str(), &stop);
  if (*stop != '\0') return {};
  if (std::isinf(value)) return (value < 0 ? "-" : "") + std::string(infinite);
  if (!whole) return {};
  char text[40];
  std::snprintf(text, sizeof text, "%.17e", value);
  return text;
}

// The text with such numbers put right. Offsets change: places are told in the text as it was.
std::string with_numbers_held(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 64);
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    auto end = at + 1;
    if (c == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
      out.append(text.substr(at, end - at));
    } else if (is_number_character(c)) {
      while (end < text.size() && is_number_character(text[end])) ++end;
      const auto word = text.substr(at, end - at);
      const auto instead = held(word);
      if (instead.empty())
        out.append(word);
      else
        out += instead;
    } else {
      out.push_back(c);
    }
    at = end;
  }
  return out;
}

// Walks a text that is known to be JSON, for the place of one value.
class json_walk {
 public:
  explicit json_walk(std::string_view text) : text_(text) { blanks(); }

  std::size_t at() const noexcept { return at_; }
  // To the value of a step; false, and where it was, if it is not there.
  bool enter(const json_step& step) {
    const auto start = at_;
    const bool found = step.index ? item(*step.index) : value_of(step.key);
    if (!found) at_ = start;
    return found;
  }
  // To each value of the object here, in turn.
  template <class Visit>
  void members(const Visit& visit) {
    if (!open('{')) return;
    do {
      key();
      visit();
    } while (next());
  }
  void skip() {
    if (text_[at_] == '"') return skip_string();
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        --at_;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return;
        if (--depth == 0) return void(++at_);
      } else if (depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
        return;
      }
    }
  }

 private:
  void blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  void skip_string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
    at_ = std::min(at_ + 1, text_.size());
  }
  bool open(char bracket) {
    if (at_ >= text_.size() || text_[at_] != bracket) return false;
    ++at_;
    blanks();
    return at_ < text_.size() && text_[at_] != (bracket == '{' ? '}' : ']');
  }
  bool next() {
    blanks();
    if (at_ >= text_.size() || text_[at_] != ',') return false;
    ++at_;
    blanks();
    return true;
  }
  bool item(std::size_t index) {
    if (!open('[')) return false;
    for (; index > 0; --index) {
      skip();
      if (!next()) return false;
    }
    return true;
  }
  // As written; behind it, and its colon, stands its value.
  std::string_view key() {
    const auto start = at_;
    skip_string();
    const auto name = text_.substr(start + 1, at_ - start - 2);
    blanks();
    ++at_;  // the colon
    blanks();
    return name;
  }
  bool value_of(std::string_view key) {
    if (!open('{')) return false;
    std::size_t found = std::string_view::npos;  // of equal keys the last
    do {
      if (this->key() == key) found = at_;
      skip();
    } while (next());
    at_ = found;
    return found != std::string_view::npos;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string shown(const json_path& path) {
  std::string out;
  for (const auto& step : path) {
    if (step.index)
      out += '[' + std::to_string(*step.index) + ']';
    else
      out += (out.empty() ? "" : ".") + step.key.substr(0, 100);
  }
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20) c = '?';
  return out;
}

}  // namespace

result<model_json> model_json::parse(std::string text, std::string name) {
  model_json out;
  out.name_ = std::move(name);
  out.text_ = std::move(text);
  auto why = out.parser_->parse(out.text_).get(out.root_);
  if (why != simdjson::SUCCESS && why != simdjson::UTF8_ERROR && why != simdjson::DEPTH_ERROR)
    why = out.parser_->parse(with_numbers_held(out.text_)).get(out.root_);
  if (why != simdjson::SUCCESS) {
    if (out.text_.find_first_not_of(" \t\r\n") == std::string::npos)
      return fail(error_code::unprocessable, out.name_ + " is not usable JSON: it is empty");
    const auto fault = config::find_json_fault(out.text_, config::json_numbers::python, depth_max);
    return fail(error_code::unprocessable,
                config::place_in(out.text_, out.name_, fault.offset) + " is not usable JSON: " + fault.message);
  }
  if (!out.root_.is_object()) return out.problem({}, "the file must hold an object");
  return out;
}

json_path inside(json_path path, std::initializer_list<json_step> steps) {
  path.insert(path.end(), steps);
  return path;
}

result<model_json> model_json::read(const std::filesystem::path& file, std::uint64_t size_bytes_max) {
  auto text = read_small_file(file, size_bytes_max);
  if (!text) return tl::unexpected(text.error());
  return parse(std::move(*text), file.string());
}

std::string model_json::place(const json_path& at) const {
  json_walk walk(text_);
  for (const auto& step : at)
    if (!walk.enter(step)) break;
  return config::place_in(text_, name_, walk.at());
}

std::string_view model_json::written(const json_path& at) const {
  json_walk walk(text_);
  for (const auto& step : at)
    if (!walk.enter(step)) return {};
  const auto start = walk.at();
  walk.skip();
  return std::string_view(text_).substr(start, walk.at() - start);
}

std::vector<std::string_view> model_json::members_written(const json_path& at) const {
  json_walk walk(text_);
  for (const auto& step : at)
    if (!walk.enter(step)) return {};
  std::vector<std::string_view> out;
  walk.members([&] {
    const auto start = walk.at();
    walk.skip();
    out.push_back(std::string_view(text_).substr(start, walk.at() - start));
  });
  return out;
}

tl::unexpected<error> model_json::problem(const json_path& at, std::string_view what, std::string detail) const {
  const auto key = shown(at);
  return fail(error_code::unprocessable, place(at) + ": " + (key.empty() ? "" : "'" + key + "' ") + std::string(what),
              std::move(detail));
}

std::optional<dom::element> member(dom::element object, std::string_view key) {
  dom::object members;
  if (object.get(members)) return std::nullopt;
  std::optional<dom::element> found;
  for (const auto [name, value] : members)
    if (name == key) found = value;
  if (found && found->is_null()) return std::nullopt;
  return found;
}

bool flag_of(dom::element object, std::string_view key, bool otherwise) {
  const auto value = member(object, key);
  bool flag = otherwise;
  return value && !value->get(flag) ? flag : otherwise;
}

std::string text_of(dom::element object, std::string_view key, std::string_view otherwise) {
  const auto value = member(object, key);
  std::string_view text;
  return std::string(value && !value->get(text) ? text : otherwise);
}

}  // namespace troupe::inference
