#pragma once
// The inputs that the field's own routes take: texts, pairs and token ids, one or a list. What is missing, empty
// (bad_request), unusable (unprocessable, for the whole list) or too much (payload_too_large) is a problem of the
// fields that they are read from.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/api/request_fields.hpp"
#include "inference/model/values.hpp"

namespace troupe::http {

// Null: the text may be sent to a model. unprocessable: it is blank; payload_too_large.
std::optional<error> text_problem(std::string_view text, const config::settings& settings);

std::string read_text(request_fields& from, std::string_view path);
// A list of texts; where `objects`, also of objects with `text`.
std::vector<std::string> read_texts(request_fields& from, std::string_view path, bool objects);
// A text or a list of them.
std::vector<std::string> read_text_or_texts(request_fields& from, std::string_view path);
// A text, token ids, or a list of texts and lists of ids.
std::vector<inference::input> read_texts_or_ids(request_fields& from, std::string_view path);
// A text, a pair of texts, or a list of lists of one or two. True: of such a list.
std::pair<std::vector<inference::input>, bool> read_texts_or_pairs(request_fields& from, std::string_view path);
// Token ids, or a list of lists of them.
std::vector<std::vector<std::int32_t>> read_ids_or_lists(request_fields& from, std::string_view path);

}  // namespace troupe::http
