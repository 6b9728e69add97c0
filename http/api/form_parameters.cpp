#include "http/api/form_parameters.hpp"

#include <array>
#include <utility>

#include "http/json/json_read.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;

// Every item of a request keeps the model's parameters: long lists would be kept a thousand times.
constexpr std::size_t max_list_texts = 1024, max_list_bytes = 32768, max_name_bytes = 256;

error unusable(std::string_view name, const std::string& found, std::string right) {
  return {error_code::bad_request, "'" + std::string(name) + "' " + found, std::move(right), {}};
}

error wrong_type(std::string_view name, const std::string& wanted, element found) {
  return unusable(name, "must be " + wanted + ", found " + std::string(kind_of(found)), "send " + wanted);
}

result<std::string_view> text_of(std::string_view name, element value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return tl::unexpected(wrong_type(name, "a string", value));
  return text;
}

// How the value of one parameter is taken.
using taken = result<void>;

taken take(std::string_view name, element value, std::optional<bool>& out) {
  bool flag = false;
  if (value.get_bool().get(flag) != simdjson::SUCCESS) {
    return tl::unexpected(wrong_type(name, "true or false", value));
  }
  out = flag;
  return {};
}

taken take_count(std::string_view name, element value, std::uint32_t least, std::optional<std::uint32_t>& out) {
  const auto wanted = "a whole number of at least " + std::to_string(least);
  const auto type = value.type();
  if (type != element_type::INT64 && type != element_type::UINT64) {
    return tl::unexpected(wrong_type(name, wanted, value));
  }
  std::uint64_t number = 0;
  if (value.get_uint64().get(number) != simdjson::SUCCESS || number < least || !std::in_range<std::uint32_t>(number)) {
    return tl::unexpected(unusable(name, "is out of range", "send " + wanted));
  }
  out = static_cast<std::uint32_t>(number);
  return {};
}

taken take(std::string_view name, element value, std::optional<std::string>& out) {
  const auto text = text_of(name, value);
  if (!text) return tl::unexpected(text.error());
  out = std::string(*text);
  return {};
}

taken take_texts(std::string_view name, element value, std::optional<std::vector<std::string>>& out) {
  std::vector<std::string> all;
  if (value.type() == element_type::STRING) {
    all.emplace_back(value.get_string().value_unsafe());
  } else if (value.type() == element_type::ARRAY) {
    for (const element one : array(value.get_array().value_unsafe())) {
      if (one.type() != element_type::STRING) {
        return tl::unexpected(unusable(name, "must be a list of strings, found " + std::string(kind_of(one)) + " in it",
                                       "send a list of strings"));
      }
      all.emplace_back(one.get_string().value_unsafe());
    }
  } else {
    return tl::unexpected(wrong_type(name, "a list of strings", value));
  }
  out = std::move(all);
  return {};
}

taken take_short_texts(std::string_view name, element value, std::optional<std::vector<std::string>>& out) {
  if (auto read = take_texts(name, value, out); !read) return read;
  std::size_t bytes = 0;
  for (const auto& one : *out) bytes += one.size();
  if (out->size() <= max_list_texts && bytes <= max_list_bytes) return {};
  return tl::unexpected(unusable(name, "is too long",
                                 "send at most " + std::to_string(max_list_texts) + " texts, together of at most " +
                                     std::to_string(max_list_bytes) + " bytes"));
}

// A value of a few words.
template <class T, class Parse>
taken take_word(std::string_view name, element value, std::string_view words, Parse parse, std::optional<T>& out) {
  const auto text = text_of(name, value);
  if (!text) return tl::unexpected(text.error());
  std::optional<T> known = parse(*text);
  if (!known) return tl::unexpected(unusable(name, "is '" + shown(*text) + "'", "use " + std::string(words)));
  out = std::move(known);
  return {};
}

std::optional<bool> one_of_two(std::string_view text, std::string_view no, std::string_view yes) {
  if (equal_ignoring_case(text, yes)) return true;
  if (equal_ignoring_case(text, no)) return false;
  return std::nullopt;
}

// A list, or one text with commas as transformers takes it.
taken take_candidate_labels(std::string_view name, element value, form_parameters& out) {
  if (auto read = take_texts(name, value, out.candidate_labels); !read) return read;
  auto& labels = *out.candidate_labels;
  if (value.type() == element_type::STRING) {
    const auto joined = std::move(labels.front());
    labels.clear();
    for (std::string_view rest = joined; !rest.empty();) {
      const auto comma = std::min(rest.find(','), rest.size());
      if (const auto label = trim(rest.substr(0, comma)); !is_blank(label)) labels.emplace_back(label);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  if (labels.empty()) return tl::unexpected(unusable(name, "is empty", "send at least one label"));
  for (const auto& label : labels) {
    if (is_blank(label)) {
      return tl::unexpected(unusable(name, "has an empty label", "send labels of at least one visible character"));
    }
  }
  return {};
}

taken take_hypothesis_template(std::string_view name, element value, form_parameters& out) {
  if (auto read = take(name, value, out.hypothesis_template); !read) return read;
  if (out.hypothesis_template->find("{}") != std::string::npos) return {};
  return tl::unexpected(unusable(name, "has no {}", "write {} where the label goes: \"This example is {}.\""));
}

taken take_prompt_name(std::string_view name, element value, form_parameters& out) {
  if (auto read = take(name, value, out.task.prompt_name); !read) return read;
  if (out.task.prompt_name->size() <= max_name_bytes) return {};
  return tl::unexpected(unusable(name, "is too long", "name one of the checkpoint's prompts"));
}

struct row {
  std::string_view name;
  taken (*take)(std::string_view name, element value, form_parameters& out);
};
using sv = std::string_view;
using all = form_parameters;
constexpr std::array<row, 18> rows{{
    {"top_k", [](sv n, element v, all& p) { return take_count(n, v, 1, p.task.top_k); }},
    {"function_to_apply",
     [](sv n, element v, all& p) {
       return take_word(n, v, "softmax, sigmoid or none", inference::parse_score_function, p.task.function_to_apply);
     }},
    {"aggregation_strategy",
     [](sv n, element v, all& p) {
       return take_word(n, v, "none, simple, first, average or max", inference::parse_aggregation,
                        p.task.aggregation_strategy);
     }},
    {"ignore_labels", [](sv n, element v, all& p) { return take_short_texts(n, v, p.task.ignore_labels); }},
    {"stride", [](sv n, element v, all& p) { return take_count(n, v, 0, p.task.stride); }},
    {"normalize", [](sv n, element v, all& p) { return take(n, v, p.task.normalize); }},
    {"truncate", [](sv n, element v, all& p) { return take(n, v, p.task.truncate); }},
    {"truncation_direction",
     [](sv n, element v, all& p) {
       return take_word(
           n, v, "left or right", [](sv text) { return one_of_two(text, "right", "left"); }, p.task.truncate_left);
     }},
    {"prompt_name", take_prompt_name},
    {"dimensions", [](sv n, element v, all& p) { return take_count(n, v, 1, p.task.dimensions); }},
    {"encoding_format",
     [](sv n, element v, all& p) {
       return take_word(
           n, v, "float or base64", [](sv text) { return one_of_two(text, "float", "base64"); }, p.base64);
     }},
    {"raw_scores", [](sv n, element v, all& p) { return take(n, v, p.task.raw_scores); }},
    {"return_text", [](sv n, element v, all& p) { return take(n, v, p.return_text); }},
    {"targets", [](sv n, element v, all& p) { return take_short_texts(n, v, p.task.targets); }},
    {"candidate_labels", take_candidate_labels},
    {"hypothesis_template", take_hypothesis_template},
    {"multi_label", [](sv n, element v, all& p) { return take(n, v, p.multi_label); }},
    {"outputs", [](sv n, element v, all& p) { return take_short_texts(n, v, p.outputs); }},
}};

}  // namespace

result<bool> take_parameter(std::string_view name, element value, form_parameters& out) {
  for (const auto& row : rows) {
    if (row.name != name) continue;
    if (value.is_null()) return true;
    if (auto read = row.take(name, value, out); !read) return tl::unexpected(std::move(read.error()));
    return true;
  }
  return false;
}

result<void> take_parameters(element parameters, form_parameters& out) {
  if (parameters.is_null()) return {};
  if (parameters.type() != element_type::OBJECT)
    return tl::unexpected(wrong_type("parameters", "an object", parameters));
  for (const auto [name, value] : simdjson::dom::object(parameters.get_object().value_unsafe())) {
    const auto known = take_parameter(name, value, out);
    if (!known) return tl::unexpected(known.error());
    if (!*known) return tl::unexpected(unknown_parameter(name));
  }
  return {};
}

error unknown_parameter(std::string_view name) {
  std::string known = "known are ";
  for (const auto& row : rows) known.append(&row == rows.data() ? "" : ", ").append(row.name);
  return {error_code::bad_request, "'" + shown(name) + "' is not a parameter of any task here", std::move(known), {}};
}

}  // namespace troupe::http
