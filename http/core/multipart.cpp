#include "http/core/multipart.hpp"

#include <algorithm>
#include <utility>

#include "http/json/text.hpp"

namespace troupe::http {
namespace {

constexpr std::size_t boundary_bytes_max = 70;  // RFC 2046
constexpr std::string_view line_end = "\r\n";

tl::unexpected<error> malformed(std::string why, std::string right = {}) {
  return fail(error_code::bad_request, "Malformed form: " + std::move(why), std::move(right));
}

bool is_boundary_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
}

bool is_boundary(std::string_view text) {
  return !text.empty() && text.size() <= boundary_bytes_max && text.back() != ' ' &&
         std::all_of(text.begin(), text.end(), is_boundary_char);
}

void skip_spaces(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

// A quoted string's value; `text` begins behind its opening quote, and behind the closing one afterwards. A backslash
// escapes a quote or another one alone: browsers have sent whole Windows paths.
std::optional<std::string> unquoted(std::string_view& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return out;
    }
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    out += text[i];
  }
  return std::nullopt;
}

struct parameter {
  std::string name, value;
};

// The next one behind a value or another one. Null: there is none, or `text` is left where it is malformed.
std::optional<parameter> next_parameter(std::string_view& text) {
  auto rest = text;
  skip_spaces(rest);
  if (rest.empty() || rest.front() != ';') return std::nullopt;
  rest.remove_prefix(1);
  skip_spaces(rest);
  const auto equals = rest.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  parameter out{std::string(trim(rest.substr(0, equals))), {}};
  if (out.name.empty() || out.name.find_first_of(";\"") != std::string::npos) return std::nullopt;
  rest.remove_prefix(equals + 1);
  skip_spaces(rest);
  if (!rest.empty() && rest.front() == '"') {
    rest.remove_prefix(1);
    auto value = unquoted(rest);
    if (!value) return std::nullopt;
    out.value = std::move(*value);
  } else {
    const auto end = std::min(rest.find(';'), rest.size());
    out.value = trim(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  text = rest;
  return out;
}

// RFC 5987's "UTF-8''na%C3%AFve.wav". Null: another form of it.
std::optional<std::string> extended(std::string_view value) {
  const auto first = value.find('\'');
  const auto second = first == std::string_view::npos ? first : value.find('\'', first + 1);
  if (second == std::string_view::npos || !equal_ignoring_case(value.substr(0, first), "utf-8")) return std::nullopt;
  return percent_decode(value.substr(second + 1), false);
}

result<void> take_disposition(std::string_view value, form_part& out) {
  const auto semicolon = std::min(value.find(';'), value.size());
  if (!equal_ignoring_case(trim(value.substr(0, semicolon)), "form-data"))
    return malformed("a part's Content-Disposition is " + in_quotes(shown(trim(value.substr(0, semicolon)))),
                     "send form-data");
  auto rest = value.substr(semicolon);
  bool named = false;
  std::optional<std::string> better;
  while (auto p = next_parameter(rest)) {
    if (equal_ignoring_case(p->name, "name")) {
      out.name = std::move(p->value);
      named = true;
    } else if (equal_ignoring_case(p->name, "filename")) {
      out.filename = std::move(p->value);
    } else if (equal_ignoring_case(p->name, "filename*")) {
      better = extended(p->value);
      if (!better) return malformed("a part's filename* is none: " + in_quotes(shown(p->value)), "UTF-8''name");
    }
  }
  if (!trim(rest).empty() && trim(rest) != ";")
    return malformed("a part's Content-Disposition cannot be read from " + in_quotes(shown(rest)) + " on");
  if (!named || out.name.empty()) return malformed("a part has no name", "name it in its Content-Disposition");
  if (better) out.filename = std::move(better);
  return {};
}

result<void> take_head(std::string_view head, form_part& out) {
  bool disposed = false;
  while (!head.empty()) {
    const auto end = head.find(line_end);
    const auto line = head.substr(0, end);
    head.remove_prefix(end + line_end.size());
    if (line.find_first_of("\r\n") != std::string_view::npos || line.find('\0') != std::string_view::npos)
      return malformed("a line of a part's head holds a line break or a zero");
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || line.front() == ' ' || line.front() == '\t')
      return malformed("a line of a part's head is no header: " + in_quotes(shown(line)));
    const auto name = line.substr(0, colon);
    const auto value = trim(line.substr(colon + 1));
    if (equal_ignoring_case(name, "content-disposition")) {
      if (std::exchange(disposed, true)) return malformed("a part has two Content-Dispositions");
      if (auto taken = take_disposition(value, out); !taken) return taken;
    } else if (equal_ignoring_case(name, "content-type")) {
      out.type = value;
    } else if (equal_ignoring_case(name, "content-transfer-encoding") && !equal_ignoring_case(value, "binary") &&
               !equal_ignoring_case(value, "8bit") && !equal_ignoring_case(value, "7bit")) {
      return malformed("a part comes as " + in_quotes(shown(value)), "send its bytes as they are");
    }
  }
  if (!disposed) return malformed("a part has no Content-Disposition", "form-data; name=\"..\"");
  return {};
}

enum class mark { none, part, last };

// What stands behind a boundary's text: then `rest` begins behind its line.
mark after_boundary(std::string_view& rest) {
  auto at = rest;
  const bool last = at.starts_with("--");
  if (last) at.remove_prefix(2);
  skip_spaces(at);
  if (at.starts_with(line_end))
    at.remove_prefix(line_end.size());
  else if (!last || !at.empty())
    return mark::none;
  rest = at;
  return last ? mark::last : mark::part;
}

// The next true boundary behind a line's end: what is before it, without that, and `rest` behind it. What only looks
// like one belongs to what is before.
std::optional<std::pair<std::string_view, mark>> up_to_boundary(std::string_view& rest, std::string_view marker) {
  for (std::size_t from = 0;;) {
    const auto at = rest.find(marker, from);
    if (at == std::string_view::npos) return std::nullopt;
    auto behind = rest.substr(at + marker.size());
    if (const auto what = after_boundary(behind); what != mark::none) {
      const auto before = rest.substr(0, at);
      rest = behind;
      return std::pair(before, what);
    }
    from = at + 1;
  }
}

}  // namespace

std::optional<std::string> header_parameter(std::string_view value, std::string_view name) {
  auto rest = value.substr(std::min(value.find(';'), value.size()));
  while (auto p = next_parameter(rest)) {
    if (equal_ignoring_case(p->name, name)) return std::move(p->value);
  }
  return std::nullopt;
}

result<std::vector<form_part>> parse_form(std::string_view content_type, std::string_view body,
                                          const form_limits& limits) {
  const auto boundary = header_parameter(content_type, "boundary");
  if (!boundary) return malformed("Content-Type tells no boundary", "multipart/form-data; boundary=..");
  if (!is_boundary(*boundary)) return malformed("the boundary " + in_quotes(shown(*boundary)) + " cannot be one");
  const std::string marker = "\r\n--" + *boundary;
  const auto bare = std::string_view(marker).substr(line_end.size());

  auto rest = body;
  mark next = mark::none;
  if (rest.starts_with(bare)) {
    rest.remove_prefix(bare.size());
    next = after_boundary(rest);
    if (next == mark::none && rest.starts_with("\n"))
      return malformed("its lines end with LF alone", "end them with CR LF");
  }
  if (next == mark::none) {  // something stands before the first part, which nobody is to read
    const auto found = up_to_boundary(rest, marker);
    if (!found) return malformed("its boundary " + in_quotes(*boundary) + " is nowhere in the body");
    next = found->second;
  }

  std::vector<form_part> out;
  while (next == mark::part) {
    if (out.size() == limits.parts_max)
      return malformed("it has more than " + std::to_string(limits.parts_max) + " parts");
    const auto window = rest.substr(0, limits.head_bytes_max + 4);
    const auto head_end = window.starts_with(line_end) ? 0 : window.find("\r\n\r\n");
    if (head_end == std::string_view::npos) {
      if (window.size() == rest.size()) return malformed("it ends within the head of a part");
      return malformed("the head of a part is longer than " + std::to_string(limits.head_bytes_max) + " bytes");
    }
    form_part part;
    const auto head = rest.substr(0, head_end == 0 ? 0 : head_end + line_end.size());
    if (auto taken = take_head(head, part); !taken) return tl::unexpected(std::move(taken.error()));
    // The content's own boundary may follow the head at once: its line break is the head's last.
    rest.remove_prefix(head.size());
    const auto found = up_to_boundary(rest, marker);
    if (!found)
      return malformed("it is cut off: the boundary behind part " + in_quotes(shown(part.name)) + " is missing");
    part.content = found->first.substr(std::min(found->first.size(), line_end.size()));
    next = found->second;
    out.push_back(std::move(part));
  }
  return out;
}

}  // namespace troupe::http
