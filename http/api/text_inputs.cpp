#include "http/api/text_inputs.hpp"

#include <limits>

#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;

std::string at(std::string_view path, std::size_t i) { return std::string(path) + "[" + std::to_string(i) + "]"; }

}  // namespace

std::optional<error> text_problem(std::string_view text, const config::settings& settings) {
  if (text.size() > settings.max_text_bytes) {
    return error{error_code::payload_too_large,
                 "The text has " + std::to_string(text.size()) + " bytes, more than the limit of " +
                     std::to_string(settings.max_text_bytes),
                 "send a shorter text, or raise max_text_bytes",
                 {}};
  }
  if (!is_blank(text)) return std::nullopt;
  return error{error_code::unprocessable, "The text is empty", "send at least one visible character", {}};
}

namespace {

std::string text_at(request_fields& from, const std::string& where, element value, bool objects) {
  if (objects && value.type() == element_type::OBJECT) {
    element inner;
    if (value["text"].get(inner) != simdjson::SUCCESS) {
      from.refuse(
          {error_code::unprocessable, in_quotes(where) + " has no 'text'", "send texts, or objects with 'text'", {}},
          where);
      return {};
    }
    return text_at(from, where + ".text", inner, false);
  }
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) {
    from.refuse({error_code::unprocessable,
                 in_quotes(where) + " must be a string, found " + std::string(kind_of(value)),
                 objects ? "send texts, or objects with 'text'" : "send a string",
                 {}},
                where);
    return {};
  }
  if (auto problem = text_problem(text, from.settings())) {
    problem->message.insert(0, in_quotes(where) + ": ");
    from.refuse(std::move(*problem), where);
    return {};
  }
  return std::string(text);
}

inference::token_ids ids_at(request_fields& from, const std::string& where, element value) {
  inference::token_ids out;
  const array items(value.get_array().value_unsafe());
  for (const element one : items) {
    std::int64_t id = -1;
    if (!is_whole_number(one) || one.get_int64().get(id) != simdjson::SUCCESS || id < 0 ||
        id > std::numeric_limits<std::int32_t>::max()) {
      from.refuse({error_code::unprocessable,
                   in_quotes(where) + " has what is no token id: " + std::string(kind_of(one)),
                   "send whole numbers from 0 on",
                   {}},
                  where);
      return {};
    }
    out.ids.push_back(static_cast<std::int32_t>(id));
  }
  // As many as a text of the largest size could have.
  if (out.ids.size() > from.settings().max_text_bytes) {
    from.refuse({error_code::payload_too_large,
                 in_quotes(where) + " has " + std::to_string(out.ids.size()) + " token ids, more than the limit of " +
                     std::to_string(from.settings().max_text_bytes),
                 "send fewer, or raise max_text_bytes",
                 {}},
                where);
  }
  if (out.ids.empty()) {
    from.refuse({error_code::unprocessable, in_quotes(where) + " is empty", "send at least one token id", {}}, where);
  }
  return out;
}

inference::input one_or_two(request_fields& from, const std::string& where, element value) {
  std::vector<std::string> texts;
  for (const element one : array(value.get_array().value_unsafe())) {
    if (texts.size() == 2) {
      from.refuse(
          {error_code::unprocessable, in_quotes(where) + " has more than two texts", "send a text or a pair", {}},
          where);
      return {};
    }
    texts.push_back(text_at(from, at(where, texts.size()), one, false));
  }
  if (texts.size() == 2) return inference::text_pair{std::move(texts[0]), std::move(texts[1])};
  if (texts.size() == 1) return std::move(texts[0]);
  from.refuse({error_code::unprocessable, in_quotes(where) + " is empty", "send a text or a pair", {}}, where);
  return {};
}

error missing(std::string_view path, std::string right) {
  return {error_code::bad_request, in_quotes(path) + " is missing", std::move(right), {}};
}

element first_of(element list) { return *array(list.get_array().value_unsafe()).begin(); }

}  // namespace

std::string read_text(request_fields& from, std::string_view path) {
  const auto value = from.find(path);
  if (value && value->type() == element_type::STRING) return text_at(from, std::string(path), *value, false);
  value ? from.wrong_type(path, "a string", *value) : from.refuse(missing(path, "send a text"), std::string(path));
  return {};
}

std::vector<std::string> read_texts(request_fields& from, std::string_view path, bool objects) {
  const auto value = from.find(path);
  if (!value) {
    from.refuse(missing(path, "send a list of texts"), std::string(path));
    return {};
  }
  std::vector<std::string> out;
  if (const auto items = from.list(path, *value)) {
    for (const element one : *items) out.push_back(text_at(from, at(path, out.size()), one, objects));
  }
  return out;
}

std::vector<std::string> read_text_or_texts(request_fields& from, std::string_view path) {
  const auto value = from.find(path);
  if (value && value->type() == element_type::STRING) return {read_text(from, path)};
  return read_texts(from, path, false);
}

std::vector<inference::input> read_texts_or_ids(request_fields& from, std::string_view path) {
  const auto value = from.find(path);
  std::vector<inference::input> out;
  if (!value) {
    from.refuse(missing(path, "send a text, a list of texts, or token ids"), std::string(path));
    return out;
  }
  if (value->type() == element_type::STRING) {
    out.emplace_back(read_text(from, path));
    return out;
  }
  if (value->type() != element_type::ARRAY) {
    from.wrong_type(path, "a text, a list of texts, or token ids", *value);
    return out;
  }
  // Numbers are one item, however many: the bound of a list is of items.
  if (const array numbers(value->get_array().value_unsafe());
      numbers.begin() != numbers.end() && is_whole_number(first_of(*value))) {
    out.emplace_back(ids_at(from, std::string(path), *value));
    return out;
  }
  const auto items = from.list(path, *value);
  if (!items) return out;
  for (const element one : *items) {
    const auto where = at(path, out.size());
    if (one.type() == element_type::ARRAY) {
      out.emplace_back(ids_at(from, where, one));
    } else {
      out.emplace_back(text_at(from, where, one, false));
    }
  }
  return out;
}

std::pair<std::vector<inference::input>, bool> read_texts_or_pairs(request_fields& from, std::string_view path) {
  const auto value = from.find(path);
  std::vector<inference::input> out;
  if (!value || value->type() == element_type::STRING) {
    out.emplace_back(read_text(from, path));
    return {std::move(out), false};
  }
  const auto items = from.list(path, *value);
  if (!items) return {std::move(out), true};
  if (first_of(*value).type() != element_type::ARRAY) {
    out.push_back(one_or_two(from, std::string(path), *value));
    return {std::move(out), false};
  }
  for (const element one : *items) {
    const auto where = at(path, out.size());
    if (one.type() != element_type::ARRAY) {
      from.refuse({error_code::unprocessable,
                   in_quotes(where) + " must be a list of one or two texts, found " + std::string(kind_of(one)),
                   "send [[\"one\"], [\"first\", \"second\"]]",
                   {}},
                  where);
      break;
    }
    out.push_back(one_or_two(from, where, one));
  }
  return {std::move(out), true};
}

std::vector<std::vector<std::int32_t>> read_ids_or_lists(request_fields& from, std::string_view path) {
  const auto value = from.find(path);
  std::vector<std::vector<std::int32_t>> out;
  if (!value) {
    from.refuse(missing(path, "send token ids"), std::string(path));
    return out;
  }
  if (value->type() != element_type::ARRAY) {
    from.wrong_type(path, "token ids, or a list of lists of them", *value);
    return out;
  }
  const array all(value->get_array().value_unsafe());
  if (all.begin() != all.end() && first_of(*value).type() != element_type::ARRAY) {
    out.push_back(ids_at(from, std::string(path), *value).ids);
    return out;
  }
  const auto items = from.list(path, *value);
  if (!items) return out;
  for (const element one : *items) {
    const auto where = at(path, out.size());
    if (one.type() != element_type::ARRAY) {
      from.refuse({error_code::unprocessable,
                   in_quotes(where) + " must be a list of token ids, found " + std::string(kind_of(one)),
                   "send lists of token ids",
                   {}},
                  where);
      break;
    }
    out.push_back(ids_at(from, where, one).ids);
  }
  return out;
}

}  // namespace troupe::http
