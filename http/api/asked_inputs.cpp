#include "http/api/asked_inputs.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "http/api/item_list.hpp"
#include "http/api/text_inputs.hpp"
#include "http/json/json_read.hpp"
#include "http/json/tensor_json.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

constexpr std::string_view known_forms =
    "send a text, a list of texts, {\"text\", \"text_pair\"}, {\"source_sentence\", \"sentences\"}, {\"query\", "
    "\"texts\"} or {NAME: {\"shape\", \"datatype\", \"data\"}}";

tl::unexpected<error> bad(std::string what, std::string right) {
  return fail(error_code::bad_request, std::move(what), std::move(right));
}
tl::unexpected<error> unfit(std::string what, std::string right) {
  return fail(error_code::unprocessable, std::move(what), std::move(right));
}
tl::unexpected<error> wrong_type(std::string_view field, const std::string& wanted, element found) {
  return bad("'" + std::string(field) + "' must be " + wanted + ", found " + std::string(kind_of(found)),
             "send " + wanted);
}

std::size_t count_of(array items) {
  std::size_t count = 0;
  for (auto it = items.begin(); it != items.end(); ++it) ++count;
  return count;
}

// The values of the known keys of an object, in their order; null where one is not there.
template <std::size_t N>
result<std::array<std::optional<element>, N>> fields_of(object from, const std::array<std::string_view, N>& names) {
  std::array<std::optional<element>, N> out;
  for (const auto [name, value] : from) {
    const auto known = std::find(names.begin(), names.end(), name);
    if (known == names.end()) {
      return bad("'" + shown(name) + "' stands beside '" + std::string(names[0]) + "' in 'inputs'",
                 std::string(known_forms));
    }
    if (!value.is_null()) out[static_cast<std::size_t>(known - names.begin())] = value;
  }
  return out;
}

bool has_any(object from, std::initializer_list<std::string_view> names) {
  for (const auto [name, value] : from) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return true;
  }
  return false;
}

result<std::string_view> text_of(std::string_view field, const std::optional<element>& value) {
  if (!value) return bad("'" + std::string(field) + "' is missing", std::string(known_forms));
  std::string_view text;
  if (value->get_string().get(text) != simdjson::SUCCESS) return wrong_type(field, "a string", *value);
  return text;
}

result<array> list_of(std::string_view field, const std::optional<element>& value) {
  if (!value) return bad("'" + std::string(field) + "' is missing", std::string(known_forms));
  if (value->type() != element_type::ARRAY) return wrong_type(field, "a list of texts", *value);
  return array(value->get_array().value_unsafe());
}

class input_reader {
 public:
  explicit input_reader(const input_context& from) : from_(from), to_(from) {
    if (from.registration != nullptr) {
      const auto& known = *from.registration;
      takes_tensors_ = !known.inputs.empty() || inference::parse_task(known.task) == inference::task::tensor;
      if (!known.inputs.empty()) type_ = known.inputs[0].type;
    }
  }

  result<void> text(std::string_view text, const std::optional<std::string>& pair) {
    if (takes_tensors_.value_or(false)) return wants_tensor();
    if (auto ready = to_.begin(to_.plain_form(), 1); !ready) {
      return ready;
    }
    auto problem = text_problem(text, from_.settings);
    if (!problem && pair) problem = text_problem(*pair, from_.settings);
    if (problem) return tl::unexpected(std::move(*problem));
    return pair ? to_.add_pair(text, *pair) : to_.add_text(text);
  }

  result<void> ranking(std::string_view query, const std::optional<element>& texts) {
    const auto documents = list_of("texts", texts);
    if (!documents) return tl::unexpected(documents.error());
    if (auto problem = text_problem(query, from_.settings)) return tl::unexpected(std::move(*problem));
    to_.ask(query);
    return each_of(*documents, "texts", input_form::ranking);
  }

  result<void> any(element value) {
    switch (value.type()) {
      case element_type::STRING: return text(value.get_string().value_unsafe(), {});
      case element_type::OBJECT: return any_object(object(value.get_object().value_unsafe()));
      case element_type::ARRAY: return any_array(value);
      default: return wrong_type("inputs", "a text, a list of texts, an object or an array of numbers", value);
    }
  }

  result<void> list(array items) {
    to_.answer_as_list();
    if (auto ready = to_.begin(to_.plain_form(), count_of(items)); !ready) return ready;
    for (const element item : items) {
      if (auto added = add(item); !added) return added;
    }
    return {};
  }

  result<asked_inputs> take(const result<void>& read) {
    if (!read) return tl::unexpected(read.error());
    return to_.take();
  }

 private:
  tl::unexpected<error> wants_tensor() const {
    return unfit("Model " + from_.model + " takes numbers, found a text", "send 'inputs' as an array of numbers");
  }

  result<void> any_object(object value) {
    if (has_any(value, {"source_sentence", "sentences"})) return similarity(value);
    if (has_any(value, {"query", "texts"})) {
      const auto fields = fields_of<2>(value, {"query", "texts"});
      if (!fields) return tl::unexpected(fields.error());
      const auto query = text_of("query", (*fields)[0]);
      if (!query) return tl::unexpected(query.error());
      return ranking(*query, (*fields)[1]);
    }
    if (has_any(value, {"question"})) {
      return unfit("question-answering is not among the tasks that are served here", std::string(known_forms));
    }
    if (has_any(value, {"text", "text_pair"})) {
      std::optional<std::string> pair;
      const auto first = texts_of(value, pair);
      return first ? text(*first, pair) : tl::unexpected(first.error());
    }
    if (auto ready = to_.begin(input_form::each, 1); !ready) return ready;
    auto tensors = tensors_of(value);
    if (!tensors) return tl::unexpected(tensors.error());
    return to_.add_tensor(std::move(*tensors));
  }

  result<void> similarity(object value) {
    const auto fields = fields_of<2>(value, {"source_sentence", "sentences"});
    if (!fields) return tl::unexpected(fields.error());
    const auto source = text_of("source_sentence", (*fields)[0]);
    if (!source) return tl::unexpected(source.error());
    const auto others = list_of("sentences", (*fields)[1]);
    if (!others) return tl::unexpected(others.error());
    if (auto problem = text_problem(*source, from_.settings)) return tl::unexpected(std::move(*problem));
    to_.ask(*source);
    return each_of(*others, "sentences", input_form::similarity);
  }

  // Documents and sentences: texts, or objects with one.
  result<void> each_of(array texts, std::string_view what, input_form form) {
    if (auto ready = to_.begin(form, count_of(texts)); !ready) return ready;
    for (const element one : texts) {
      element value = one;
      if (one.type() == element_type::OBJECT) {
        if (object(one.get_object().value_unsafe())["text"].get(value) != simdjson::SUCCESS) value = one;
      }
      if (value.type() != element_type::STRING) {
        to_.refuse(
            unfit("An element of '" + std::string(what) + "' is " + std::string(kind_of(value)), "send texts").value());
        continue;
      }
      const std::string_view text(value.get_string().value_unsafe());
      if (auto problem = text_problem(text, from_.settings)) {
        to_.refuse(text, std::move(*problem));
        continue;
      }
      if (auto added = to_.add_text(text); !added) return added;
    }
    return {};
  }

  // An array of numbers is a tensor, or several of them; any other a list.
  result<void> any_array(element value) {
    const array items(value.get_array().value_unsafe());
    if (items.begin() == items.end()) return list(items);
    const auto first = (*items.begin()).type();
    const bool tensor = first != element_type::OBJECT && takes_tensors_.value_or(first != element_type::STRING);
    if (!tensor) return list(items);
    auto t = read_tensor(value, type_, "inputs");
    if (!t) return tl::unexpected(t.error());
    const bool several = from_.registration != nullptr && !from_.registration->inputs.empty() &&
                         from_.registration->inputs[0].shape.size() + 1 == t->shape.size();
    if (auto ready = to_.begin(input_form::each, several ? static_cast<std::size_t>(t->shape[0]) : 1); !ready)
      return ready;
    if (!several) return to_.add_tensor(std::move(*t));
    to_.answer_as_list();
    for (auto& part : split_first_dimension(*t)) {
      if (auto added = to_.add_tensor(std::move(part)); !added) return added;
    }
    return {};
  }

  // An element of a list: what is wrong with it fails it alone.
  result<void> add(element item) {
    const auto type = item.type();
    if (type == element_type::OBJECT) return add_object(object(item.get_object().value_unsafe()));
    if (type == element_type::STRING && !takes_tensors_.value_or(false)) {
      const std::string_view text(item.get_string().value_unsafe());
      auto problem = text_problem(text, from_.settings);
      if (!problem) return to_.add_text(text);
      to_.refuse(text, std::move(*problem));
      return {};
    }
    if (takes_tensors_.value_or(type == element_type::ARRAY)) {
      auto t = type == element_type::STRING ? result<inference::tensor>(wants_tensor())
                                            : read_tensor(item, type_, "the input");
      if (t) return to_.add_tensor(std::move(*t));
      to_.refuse(std::move(t.error()));
      return {};
    }
    to_.refuse(unfit("A text must be a string, found " + std::string(kind_of(item)), "send a string").value());
    return {};
  }

  result<void> add_object(object value) {
    if (has_any(value, {"text", "text_pair"})) {
      std::optional<std::string> pair;
      const auto first = texts_of(value, pair);
      auto problem = first ? text_problem(*first, from_.settings) : first.error();
      if (!problem && pair) problem = text_problem(*pair, from_.settings);
      if (!problem) return pair ? to_.add_pair(*first, *pair) : to_.add_text(*first);
      to_.refuse(first ? *first : std::string_view(), std::move(*problem));
      return {};
    }
    auto tensors = tensors_of(value);
    if (tensors) return to_.add_tensor(std::move(*tensors));
    to_.refuse(std::move(tensors.error()));
    return {};
  }

  static result<std::string_view> texts_of(object value, std::optional<std::string>& pair) {
    const auto fields = fields_of<2>(value, {"text", "text_pair"});
    if (!fields) return tl::unexpected(fields.error());
    if ((*fields)[1]) {
      const auto second = text_of("text_pair", (*fields)[1]);
      if (!second) return second;
      pair = std::string(*second);
    }
    return text_of("text", (*fields)[0]);
  }

  // Tensors by the names of the model's inputs.
  result<inference::input> tensors_of(object value) const {
    inference::input out;
    for (const auto [name, one] : value) {
      if (one.type() != element_type::OBJECT) {
        return bad("'inputs' is an object of no known form: '" + shown(name) + "' is in it", std::string(known_forms));
      }
      const auto type = type_of(name);
      if (!type) return tl::unexpected(type.error());
      auto t = read_described_tensor(object(one.get_object().value_unsafe()), *type, "'" + shown(name) + "'");
      if (!t) return tl::unexpected(t.error());
      out.values.push_back({std::string(name), std::move(*t)});
    }
    if (out.values.empty()) return bad("'inputs' is an empty object", std::string(known_forms));
    return out;
  }

  result<inference::dtype> type_of(std::string_view name) const {
    if (from_.registration == nullptr || from_.registration->inputs.empty()) return type_;
    std::string names;
    for (const auto& in : from_.registration->inputs) {
      if (in.name.empty() || in.name == name) return in.type;
      names.append(names.empty() ? "" : ", ").append(in.name);
    }
    return unfit("Model " + from_.model + " has no input '" + shown(name) + "'", "its inputs are " + names);
  }

  const input_context& from_;
  item_list to_;
  std::optional<bool> takes_tensors_;
  inference::dtype type_ = inference::dtype::f32;
};

}  // namespace

std::optional<inference::task> task_of(input_form form) noexcept {
  switch (form) {
    case input_form::each: return std::nullopt;
    case input_form::similarity: return inference::task::sentence_similarity;
    case input_form::ranking: return inference::task::text_ranking;
    case input_form::zero_shot: return inference::task::zero_shot_classification;
  }
  return std::nullopt;
}

result<asked_inputs> inputs_of_text(const input_context& from, std::string_view text,
                                    const std::optional<std::string>& text_pair) {
  input_reader reader(from);
  return reader.take(reader.text(text, text_pair));
}

result<asked_inputs> inputs_of_ranking(const input_context& from, std::string_view query, element texts) {
  input_reader reader(from);
  return reader.take(reader.ranking(query, texts));
}

result<asked_inputs> inputs_of(const input_context& from, element inputs) {
  input_reader reader(from);
  return reader.take(reader.any(inputs));
}

result<asked_inputs> inputs_of_list(const input_context& from, element list) {
  if (list.type() != element_type::ARRAY) return wrong_type("inputs", "an array", list);
  input_reader reader(from);
  return reader.take(reader.list(array(list.get_array().value_unsafe())));
}

}  // namespace troupe::http
