#pragma once
// The YAML file of a checkpoint (config.yaml), as OmegaConf, which FunASR reads it with, reads it: one document, YAML
// 1.1's words for true, false and null, floats without a point (1e-12), no key twice. Bounded in bytes, depth and
// values; an alias is the value that it names, never a copy. Errors say file:line:column and key.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/error.hpp"

namespace troupe::inference {

namespace detail {
struct yaml_document;
struct yaml_node;
}  // namespace detail

// A value of the file, or the place where one ought to be. A view: the model_yaml must outlive it.
class yaml_value {
 public:
  yaml_value operator[](std::string_view key) const;
  yaml_value operator[](std::size_t index) const;
  yaml_value operator[](const char* key) const { return (*this)[std::string_view(key)]; }

  bool present() const noexcept;  // and not null
  bool is_map() const noexcept;
  bool is_list() const noexcept;
  std::size_t size() const noexcept;      // of a list or map; else 0
  std::vector<std::string> keys() const;  // of a map, in the file's order; else none

  // Each: unprocessable where it is missing or something else.
  result<std::string> text() const;
  result<bool> flag() const;
  result<std::int64_t> whole(std::int64_t least, std::int64_t most) const;
  result<double> number(double least, double most) const;  // NaN is none
  result<std::vector<std::string>> texts() const;          // of a list
  result<std::vector<std::int64_t>> wholes(std::int64_t least, std::int64_t most) const;

  // unprocessable: "config.yaml:3:14: 'encoder_conf.output_size' <what>", at the value, or where it ought to be.
  tl::unexpected<error> problem(std::string_view what, std::string detail = {}) const;

 private:
  friend class model_yaml;
  yaml_value(const detail::yaml_document* document, const detail::yaml_node* node, const detail::yaml_node* around,
             std::string path)
      : document_(document), node_(node), around_(around), path_(std::move(path)) {}

  const detail::yaml_document* document_;
  const detail::yaml_node* node_;    // null: not there
  const detail::yaml_node* around_;  // the nearest value that is
  std::string path_;
};

// A parsed file that holds a map. Can be moved.
class model_yaml {
 public:
  // unprocessable: no YAML, no map, too deep, too large; load_failed: cannot be read.
  static result<model_yaml> read(const std::filesystem::path& file, std::uint64_t size_bytes_max);
  static result<model_yaml> parse(std::string_view text, std::string name);

  yaml_value root() const;

 private:
  std::shared_ptr<const detail::yaml_document> document_;
};

// Reads into members one after another, and keeps the first error. Where a value is missing the member stays.
class yaml_reader {
 public:
  yaml_reader& whole(const yaml_value& from, std::int64_t& into, std::int64_t least, std::int64_t most);
  yaml_reader& number(const yaml_value& from, double& into, double least, double most);
  yaml_reader& flag(const yaml_value& from, bool& into);
  yaml_reader& text(const yaml_value& from, std::string& into);
  yaml_reader& wholes(const yaml_value& from, std::vector<std::int64_t>& into, std::int64_t least, std::int64_t most);
  // It is missing, or is `only`: what we know nothing else of.
  yaml_reader& expect(const yaml_value& from, int only);
  yaml_reader& expect(const yaml_value& from, double only);
  yaml_reader& expect(const yaml_value& from, bool only);
  yaml_reader& expect(const yaml_value& from, const char* only);
  // It must be there.
  yaml_reader& need(const yaml_value& from);
  result<void> done() const { return outcome_; }

 private:
  template <class Read>
  yaml_reader& take(const yaml_value& from, Read read);

  result<void> outcome_;
};

}  // namespace troupe::inference
