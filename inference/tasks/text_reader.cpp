#include "inference/tasks/text_reader.hpp"

#include <algorithm>
#include <string>

namespace troupe::inference {

text_reader::text_reader(std::shared_ptr<const tokenizer> tokens, std::uint32_t length_max, std::int64_t token_types,
                         std::int64_t ids)
    : tokens_(std::move(tokens)),
      length_max_(length_max),
      token_types_(tokens_->typed() ? token_types : 0),
      ids_(ids) {}

encode_options text_reader::options_of(const task_parameters& given) const {
  encode_options options;
  options.length_max = length_max_;
  options.cut_left = given.truncate_left;
  return options;
}

result<encoding> text_reader::within_limits(result<encoding> made, const task_parameters& given) const {
  if (made && made->truncated && !given.truncate.value_or(true))
    return fail(error_code::unprocessable, "the text is longer than the model takes, and 'truncate' is false",
                "at most " + std::to_string(length_max_) + " tokens");
  if (made && token_types_ == 0) made->types.clear();
  return made;
}

result<encoding> text_reader::text(std::string_view text, const task_parameters& given, bool details) const {
  auto options = options_of(given);
  options.details = details;
  return within_limits(tokens_->encode(text, options), given);
}

result<encoding> text_reader::pair(std::string_view first, std::string_view second, const task_parameters& given,
                                   bool cut_first_only) const {
  auto options = options_of(given);
  options.cut_first_only = cut_first_only;
  auto made = within_limits(tokens_->encode_pair(first, second, options), given);
  if (!made) return made;
  if (made->types.empty()) return made;
  if (*std::max_element(made->types.begin(), made->types.end()) >= token_types_)
    return fail(error_code::unprocessable, "this model takes one text, not a pair",
                "its checkpoint has " + std::to_string(token_types_) + " token type(s)");
  return made;
}

result<std::vector<encoding>> text_reader::windows(std::string_view text, std::uint32_t stride,
                                                   const task_parameters& given) const {
  constexpr std::size_t windows_max = 1024;
  const auto room = length_max_ - std::min(length_max_, tokens_->special_count());
  if (stride >= room)
    return fail(error_code::bad_request, "'stride' is " + std::to_string(stride) + ", which leaves no room for text",
                "less than " + std::to_string(room));
  auto options = options_of(given);
  // Each window costs as much as a text of its own. A token has a byte at least, so most texts need no counting.
  if (const auto step = room - stride; text.size() / step > windows_max) {
    auto whole = options;
    whole.length_max = UINT32_MAX;
    const auto all = tokens_->encode(text, whole);
    if (!all) return tl::unexpected(all.error());
    if (all->ids.size() / step > windows_max)
      return fail(error_code::bad_request, "'stride' makes too many windows of this text",
                  "at most " + std::to_string(windows_max) + ": a shorter text, or a stride of less");
  }
  options.details = true;
  auto rows = tokens_->encode_windows(text, stride, options);
  if (rows && token_types_ == 0)
    for (auto& row : *rows) row.types.clear();
  return rows;
}

result<encoding> text_reader::ids(const token_ids& given) const {
  if (given.ids.empty()) return fail(error_code::unprocessable, "there are no token ids");
  // More than the model takes cannot be cut without knowing which of them are special.
  if (given.ids.size() > length_max_)
    return fail(error_code::unprocessable, std::to_string(given.ids.size()) + " token ids are too many",
                "at most " + std::to_string(length_max_));
  for (const auto id : given.ids)
    if (id < 0 || id >= ids_)
      return fail(error_code::unprocessable, "the token id " + std::to_string(id) + " is not in the vocabulary",
                  "0 to " + std::to_string(ids_ - 1));
  encoding made;
  made.ids = given.ids;
  return made;
}

result<encoding> text_reader::read(const input& in, const task_parameters& given, bool details) const {
  if (const auto* one = in.only<std::string>()) return text(*one, given, details);
  if (const auto* two = in.only<text_pair>()) return pair(two->first, two->second, given, false);
  if (const auto* known = in.only<token_ids>()) return ids(*known);
  return fail(error_code::unprocessable, "this model takes a text, not " + std::string(kind_of(in)));
}

}  // namespace troupe::inference
