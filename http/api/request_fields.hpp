#pragma once
// A JSON object that a route takes, read field by field. The first problem stays, with the field's name, and what is
// read after it does not count: a route reads all it wants and looks once. A null is the same as absent; fields that
// nobody reads are ignored, as the field's own servers do. On one thread, while the handler runs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/error.hpp"
#include "config/settings.hpp"
#include "http/api/form_parameters.hpp"
#include "http/core/exchange.hpp"
#include "http/json/json_read.hpp"

namespace troupe::http {

bool is_whole_number(simdjson::dom::element value) noexcept;

class request_fields {
 public:
  using element = simdjson::dom::element;

  // bad_request: no JSON object. unsupported_media: an encoded body, or another type.
  request_fields(const exchange& request, const config::settings& settings);
  request_fields(const request_fields&) = delete;
  request_fields& operator=(const request_fields&) = delete;

  struct trouble {
    error why;
    std::string field;        // empty: the body
    bool empty_list = false;  // there is nothing to do
  };
  const std::optional<trouble>& problem() const noexcept { return problem_; }
  void refuse(error why, std::string field, bool empty_list = false);

  // A path of names: "parameters.truncate" is a member of an object. Null: absent.
  std::optional<element> find(std::string_view path);
  std::optional<std::string> text(std::string_view path);
  bool flag(std::string_view path, bool otherwise);
  std::optional<std::uint32_t> count(std::string_view path);  // at least 1
  // One that all families share, by its last name (form_parameters.hpp).
  void parameter(std::string_view path, form_parameters& out);

  // For those who read values themselves.
  const config::settings& settings() const noexcept { return settings_; }
  void wrong_type(std::string_view path, std::string_view wanted, element found);
  // A list's elements, of which there are some and not too many; null: that was a problem.
  std::optional<simdjson::dom::array> list(std::string_view path, element value);

 private:
  const config::settings& settings_;
  json_body document_;
  std::optional<element> root_;
  std::optional<trouble> problem_;
};

}  // namespace troupe::http
