#pragma once
// The JSON files of a checkpoint, as Python's json module, which writes them, reads them: integers of any size,
// NaN, Infinity and -Infinity are numbers, and the last of equal keys counts. Other than there, a \u escape that is
// half of a surrogate pair is an error: such a text has no UTF-8. Errors say file:line:column and key.

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "config/error.hpp"

namespace troupe::inference {

// One step from a value to one inside it: a key, or a place in a list.
struct json_step {
  json_step(const char* k) : key(k) {}
  json_step(std::string k) : key(std::move(k)) {}
  json_step(std::string_view k) : key(k) {}
  json_step(std::size_t i) : index(i) {}
  std::string key;
  std::optional<std::size_t> index;
};
using json_path = std::vector<json_step>;
json_path inside(json_path path, std::initializer_list<json_step> steps);  // further steps from there

// A parsed file that holds an object. Owns what its elements refer to; can be moved.
class model_json {
 public:
  // unprocessable: no JSON, no object, too large; load_failed: cannot be read.
  static result<model_json> read(const std::filesystem::path& file, std::uint64_t size_bytes_max);
  static result<model_json> parse(std::string text, std::string name);

  // A number beyond 64 bits is a double here; an infinity or NaN is a double of more than 1e308 in size.
  simdjson::dom::element root() const noexcept { return root_; }

  // unprocessable: "config.json:3:14: 'rope.theta' <what>", at the value, or where it ought to be.
  tl::unexpected<error> problem(const json_path& at, std::string_view what, std::string detail = {}) const;
  std::string place(const json_path& at) const;         // "config.json:3:14"
  std::string_view written(const json_path& at) const;  // the value as the file has it
  // Of an object, each value as the file has it, in the file's order; in one walk.
  std::vector<std::string_view> members_written(const json_path& at) const;

 private:
  std::string name_, text_;
  std::unique_ptr<simdjson::dom::parser> parser_ = std::make_unique<simdjson::dom::parser>();
  simdjson::dom::element root_;
};

// The last value of `key`; nullopt: absent, null, or `object` is none.
std::optional<simdjson::dom::element> member(simdjson::dom::element object, std::string_view key);

// A true or false; `otherwise` where it is absent or something else.
bool flag_of(simdjson::dom::element object, std::string_view key, bool otherwise);
// A string; `otherwise` where it is absent or something else.
std::string text_of(simdjson::dom::element object, std::string_view key, std::string_view otherwise = {});

}  // namespace troupe::inference
