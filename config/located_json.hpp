#pragma once
// JSON of configuration files as a tree that remembers where each value stands, so that a message about it
// can say file:line:column. Parsed by simdjson; for files, not for requests. Internal to config/.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::config {

enum class json_kind : std::uint8_t { null, boolean, number, string, array, object };
std::string_view to_string(json_kind kind) noexcept;  // "a string", "an object", ..

struct json_member;

struct json_value {
  json_kind kind = json_kind::null;
  std::size_t offset = 0;             // of the value's first byte
  std::string text;                   // string: decoded; number, boolean, null: as written
  std::vector<json_value> items;      // array
  std::vector<json_member> members;   // object, in the order of the file, without duplicate keys
  const json_value* find(std::string_view key) const noexcept;
};

struct json_member {
  std::string key;
  std::size_t key_offset = 0;
  json_value value;
};

// A parsed text and its name. The only place that turns offsets into lines and columns.
class located_json {
 public:
  // Malformed text, duplicate keys and more than 64 levels are errors that say where.
  static result<located_json> parse(std::string_view text, std::string file);

  const json_value& root() const noexcept { return root_; }
  std::string where(std::size_t offset) const;  // "models.json:12:5"
  // bad_request: "models.json:12:5: <message>"; of a text without a name only the message.
  tl::unexpected<error> problem(std::size_t offset, std::string_view message, std::string detail = {}) const;

 private:
  std::string file_;
  std::string text_;
  json_value root_;
};

// The value as a message shows it: short, on one line, without control characters.
std::string shown(const json_value& value);
std::string shown(std::string_view text);

// The candidate that `word` was probably meant to be; empty if none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// bad_request at the first key of `object` that is not among `known`, with the nearest one. `of`: "a listener".
result<void> refuse_unknown_keys(const located_json& json, const json_value& object, std::string_view of,
                                 const std::vector<std::string>& known);

result<std::string> read_text_file(const std::filesystem::path& file, std::uint64_t max_bytes);

}  // namespace troupe::config
