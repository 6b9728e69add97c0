#include "http/api/request_fields.hpp"

#include <limits>

#include "http/api/json_request.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;

}  // namespace

bool is_whole_number(element value) noexcept {
  return value.type() == element_type::INT64 || value.type() == element_type::UINT64;
}

request_fields::request_fields(const exchange& request, const config::settings& settings) : settings_(settings) {
  auto root = read_json(request, document_, "send a JSON object");
  if (!root) {
    refuse(std::move(root.error()), {});
  } else if (root->type() != element_type::OBJECT) {
    refuse({error_code::bad_request,
            "The body must be a JSON object, found " + std::string(kind_of(*root)),
            "send a JSON object",
            {}},
           {});
  } else {
    root_ = *root;
  }
}

void request_fields::refuse(error why, std::string field, bool empty_list) {
  if (!problem_) problem_ = trouble{std::move(why), std::move(field), empty_list};
}

void request_fields::wrong_type(std::string_view path, std::string_view wanted, element found) {
  refuse({error_code::bad_request,
          in_quotes(path) + " must be " + std::string(wanted) + ", found " + std::string(kind_of(found)),
          "send " + std::string(wanted),
          {}},
         std::string(path));
}

std::optional<element> request_fields::find(std::string_view path) {
  if (!root_) return std::nullopt;
  element here = *root_;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('.', begin), path.size());
    const auto name = path.substr(begin, end - begin);
    if (here.type() != element_type::OBJECT) {
      wrong_type(path.substr(0, begin == 0 ? 0 : begin - 1), "an object", here);
      return std::nullopt;
    }
    std::optional<element> member;  // of a key that is given twice the last, as everybody reads it
    for (const auto [key, value] : simdjson::dom::object(here.get_object().value_unsafe())) {
      if (key == name) member = value;
    }
    if (!member || member->is_null()) return std::nullopt;
    here = *member;
    begin = end + 1;
  }
  return here;
}

std::optional<std::string> request_fields::text(std::string_view path) {
  const auto value = find(path);
  if (!value) return std::nullopt;
  std::string_view text;
  if (value->get_string().get(text) == simdjson::SUCCESS) return std::string(text);
  wrong_type(path, "a string", *value);
  return std::nullopt;
}

bool request_fields::flag(std::string_view path, bool otherwise) {
  const auto value = find(path);
  if (!value) return otherwise;
  bool given = otherwise;
  if (value->get_bool().get(given) != simdjson::SUCCESS) wrong_type(path, "true or false", *value);
  return given;
}

std::optional<std::uint32_t> request_fields::count(std::string_view path) {
  const auto value = find(path);
  if (!value) return std::nullopt;
  std::uint64_t number = 0;
  if (is_whole_number(*value) && value->get_uint64().get(number) == simdjson::SUCCESS && number > 0 &&
      number <= std::numeric_limits<std::uint32_t>::max()) {
    return static_cast<std::uint32_t>(number);
  }
  if (is_whole_number(*value)) {
    refuse({error_code::bad_request, in_quotes(path) + " is out of range", "send a whole number of at least 1", {}},
           std::string(path));
  } else {
    wrong_type(path, "a whole number of at least 1", *value);
  }
  return std::nullopt;
}

void request_fields::parameter(std::string_view path, form_parameters& out) {
  const auto value = find(path);
  if (!value) return;
  const auto dot = path.rfind('.');
  const auto name = dot == std::string_view::npos ? path : path.substr(dot + 1);
  if (auto taken = take_parameter(name, *value, out); !taken) refuse(std::move(taken.error()), std::string(path));
}

std::optional<array> request_fields::list(std::string_view path, element value) {
  if (value.type() != element_type::ARRAY) {
    wrong_type(path, "a list", value);
    return std::nullopt;
  }
  const array items(value.get_array().value_unsafe());
  std::size_t count = 0;  // simdjson's own size() saturates
  for (auto it = items.begin(); it != items.end(); ++it) ++count;
  if (count == 0) {
    refuse({error_code::bad_request, in_quotes(path) + " is empty", "send at least one", {}}, std::string(path), true);
    return std::nullopt;
  }
  if (count > settings_.max_batch_inputs) {
    refuse({error_code::payload_too_large,
            in_quotes(path) + " has " + std::to_string(count) + " elements, more than the limit of " +
                std::to_string(settings_.max_batch_inputs),
            "send several smaller lists, or raise max_batch_inputs",
            {}},
           std::string(path));
    return std::nullopt;
  }
  return items;
}

}  // namespace troupe::http
