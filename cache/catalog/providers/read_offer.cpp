#include "cache/catalog/providers/read_offer.hpp"

#include <initializer_list>
#include <utility>

#include "cache/catalog/providers/json_scalar.hpp"
#include "cache/catalog/providers/model_task.hpp"

namespace troupe::cache {
namespace {

using simdjson::ondemand::value;

// The members that are read, of the row and of the objects in it.
struct row_members {
  json_scalar id, name, display_name, camel_display_name, description;
  json_scalar context_length, context_window, max_context_length, max_model_len, camel_context_length;
  json_scalar top_context_length;                     // top_provider.context_length
  json_scalar created, created_at, camel_created_at;  //
  json_scalar prompt, completion, input, output;      // of pricing
  json_scalar hourly, base, finetune;                 // of pricing: Together's has them
  json_scalar pipeline_tag, task, type, modality;     // the last of architecture
};

struct known_member {
  std::string_view key;
  json_scalar row_members::*member;
};
constexpr known_member of_row[] = {
    {"id", &row_members::id},
    {"name", &row_members::name},
    {"display_name", &row_members::display_name},
    {"displayName", &row_members::camel_display_name},
    {"description", &row_members::description},
    {"context_length", &row_members::context_length},
    {"context_window", &row_members::context_window},
    {"max_context_length", &row_members::max_context_length},
    {"max_model_len", &row_members::max_model_len},
    {"contextLength", &row_members::camel_context_length},
    {"created", &row_members::created},
    {"created_at", &row_members::created_at},
    {"createdAt", &row_members::camel_created_at},
    {"pipeline_tag", &row_members::pipeline_tag},
    {"task", &row_members::task},
    {"type", &row_members::type},
};
constexpr known_member of_pricing[] = {
    {"prompt", &row_members::prompt},     {"completion", &row_members::completion}, {"input", &row_members::input},
    {"output", &row_members::output},     {"hourly", &row_members::hourly},         {"base", &row_members::base},
    {"finetune", &row_members::finetune},
};
constexpr known_member of_top_provider[] = {{"context_length", &row_members::top_context_length}};
constexpr known_member of_architecture[] = {{"modality", &row_members::modality}};

struct known_object {
  std::string_view key;
  const known_member* begin;
  std::size_t count;
};
constexpr known_object inner[] = {
    {"pricing", of_pricing, std::size(of_pricing)},
    {"top_provider", of_top_provider, std::size(of_top_provider)},
    {"architecture", of_architecture, std::size(of_architecture)},
};

bool is_object(value& json) { return std::string_view(json.raw_json_token()).starts_with('{'); }

// REQUIRES: is_object. `other` is called for the members that are not among the known.
template <class Other>
simdjson::error_code read_members(value& json, const known_member* known, std::size_t count, row_members& out,
                                  const Other& other) {
  simdjson::ondemand::object object;
  if (const auto why = json.get_object().get(object)) return why;
  for (auto each : object) {
    simdjson::ondemand::field field;
    if (const auto why = std::move(each).get(field)) return why;
    const auto key = key_of(field);
    auto member = field.value();
    const known_member* found = known;
    while (found != known + count && found->key != key) ++found;
    if (const auto why = found != known + count ? read_scalar(member, out.*found->member) : other(key, member))
      return why;
  }
  return simdjson::SUCCESS;
}

simdjson::error_code read_row(value& json, row_members& out) {
  const auto nothing = [](std::string_view, value&) { return simdjson::SUCCESS; };
  return read_members(json, of_row, std::size(of_row), out, [&](std::string_view key, value& member) {
    for (const auto& object : inner) {
      if (key != object.key) continue;
      for (std::size_t i = 0; i < object.count; ++i) out.*object.begin[i].member = {};  // the last holds
      return is_object(member) ? read_members(member, object.begin, object.count, out, nothing) : simdjson::SUCCESS;
    }
    return simdjson::SUCCESS;
  });
}

std::string first_text(std::initializer_list<json_scalar> candidates) {
  for (const auto& each : candidates)
    if (auto text = shown_text_of(each, false); !text.empty()) return text;
  return {};
}

template <class Read>
auto first_known(Read read, std::initializer_list<json_scalar> candidates) -> decltype(read(*candidates.begin())) {
  for (const auto& each : candidates)
    if (auto value = read(each)) return value;
  return std::nullopt;
}

// `prompt` and `completion` are of a token wherever they are written. `input` and `output` are of a token as texts
// (Vercel), of a million as numbers beside what only Together has; of others nobody knows.
std::optional<double> price_from(const row_members& in, const json_scalar& of_token, const json_scalar& other) {
  constexpr double per_token_max = 0.01;  // ten thousand a million: that is another unit
  if (of_token.kind != scalar_kind::absent) return price_of(of_token);
  const auto price = price_of(other);
  if (!price) return std::nullopt;
  if (other.kind == scalar_kind::text) return *price <= per_token_max ? price : std::nullopt;
  const bool together = in.hourly.kind == scalar_kind::number && in.base.kind == scalar_kind::number &&
                        in.finetune.kind == scalar_kind::number;
  return together ? std::optional(*price / 1e6) : std::nullopt;
}

std::string_view word(const json_scalar& from) {
  return from.kind == scalar_kind::text ? from.text : std::string_view();
}

// Empty: it may be used.
std::string fault_of(const json_scalar& id) {
  if (id.kind == scalar_kind::absent) return "id is missing";
  if (id.kind != scalar_kind::text) return "id is no text";
  const auto ok = check_catalog_id(id.text);
  return ok ? std::string() : ok.error().message;
}

}  // namespace

simdjson::error_code read_offer(value json, const row_form& form, row_reading& out) {
  out = {};
  if (json_scalar scalar; !is_object(json)) {
    out.why_not = "is no object";
    return read_scalar(json, scalar);
  }
  row_members in;
  if (const auto why = read_row(json, in)) return why;
  const auto& id = form.name_is_id && in.id.kind == scalar_kind::absent ? in.name : in.id;
  if (out.why_not = fault_of(id); !out.why_not.empty()) return simdjson::SUCCESS;
  auto& row = out.row.emplace();
  row.provider = form.provider;
  row.id = id.text;
  row.name = first_text({in.display_name, in.camel_display_name, in.name});
  if (row.name.empty()) row.name = row.id;
  row.description = shown_text_of(in.description, true);
  row.task = task_of({word(in.pipeline_tag), word(in.task), word(in.type), word(in.modality)});
  row.prompt_price = price_from(in, in.prompt, in.input);
  row.completion_price = price_from(in, in.completion, in.output);
  row.context_length = first_known(token_count_of, {in.context_length, in.context_window, in.max_context_length,
                                                    in.max_model_len, in.camel_context_length, in.top_context_length});
  row.created_s = first_known(unix_time_of, {in.created, in.created_at, in.camel_created_at});
  return simdjson::SUCCESS;
}

}  // namespace troupe::cache
