#include "http/api/catalog_input.hpp"

#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "cache/catalog/offer.hpp"
#include "http/api/json_request.hpp"
#include "http/json/json_read.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

using cache::page_query;

tl::unexpected<error> wrong(std::string_view name, std::string_view found, std::string_view right) {
  return fail(error_code::bad_request, in_quotes(name) + " cannot be " + in_quotes(shown(found)),
              std::string(name) + " is " + std::string(right));
}

result<double> price_of(std::string_view name, std::string_view text) {
  double out = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, out);
  if (text.empty() || read.ec != std::errc{} || read.ptr != end || !std::isfinite(out) || out < 0)
    return wrong(name, text, "a price of a token, at least 0");
  return out;
}

template <class Integer>
result<Integer> whole(std::string_view name, std::string_view text, Integer smallest, Integer largest) {
  Integer out = 0;
  const auto* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, out);
  if (text.empty() || read.ec != std::errc{} || read.ptr != end || out < smallest || out > largest)
    return wrong(name, text, "a whole number from " + std::to_string(smallest) + " to " + std::to_string(largest));
  return out;
}

result<void> read_order(page_query& q, std::string_view text) {
  if (text == "id")
    q.order = cache::offer_order::id;
  else if (text == "price")
    q.order = cache::offer_order::price;
  else if (text == "context_length")
    q.order = cache::offer_order::context_length;
  else
    return wrong("sort", text, "id, price (cheapest prompt first) or context_length (longest first)");
  return {};
}

constexpr std::uint64_t offset_max = 1'000'000'000;

template <class T, class U>
result<void> put(T& to, result<U> read) {
  if (!read) return tl::unexpected(read.error());
  to = std::move(*read);
  return {};
}

// Their places in a query; `cursor` is read when the rest is known.
using taker = result<void> (*)(page_query&, const std::string& name, const std::string& value);
const std::map<std::string, taker, std::less<>>& takers() {
  using q = page_query;
  using text = const std::string&;
  constexpr auto length_max = cache::context_length_max;
  static const taker provider = [](q& to, text, text v) -> result<void> { return to.provider = v, result<void>(); };
  static const taker search = [](q& to, text, text v) -> result<void> { return to.search = v, result<void>(); };
  static const taker order = [](q& to, text, text v) { return read_order(to, v); };
  static const std::map<std::string, taker, std::less<>> all{
      {"gateway", provider},
      {"provider", provider},
      {"search", search},
      {"q", search},
      {"sort", order},
      {"order", order},
      {"task", [](q& to, text, text v) -> result<void> { return to.task = v, result<void>(); }},
      {"min_price", [](q& to, text n, text v) { return put(to.prompt_price_min, price_of(n, v)); }},
      {"max_price", [](q& to, text n, text v) { return put(to.prompt_price_max, price_of(n, v)); }},
      {"min_context_length",
       [](q& to, text n, text v) { return put(to.context_length_min, whole<std::int64_t>(n, v, 0, length_max)); }},
      {"max_context_length",
       [](q& to, text n, text v) { return put(to.context_length_max, whole<std::int64_t>(n, v, 0, length_max)); }},
      {"limit",
       [](q& to, text n, text v) { return put(to.limit, whole<std::uint32_t>(n, v, 1, cache::page_limit_max)); }},
      {"offset", [](q& to, text n, text v) { return put(to.offset, whole<std::uint64_t>(n, v, 0, offset_max)); }},
      {"cursor", [](q&, text, text) { return result<void>(); }},
  };
  return all;
}

// Two words for one thing.
std::string other_name(const std::string& name) {
  if (name == "provider") return "gateway";
  if (name == "q") return "search";
  return name == "order" ? "sort" : name;
}

result<page_query> read(const exchange& request, page_query q, const std::set<std::string>& not_here) {
  const auto parameters = parse_parameters(request.query(), "query");
  if (!parameters) return tl::unexpected(parameters.error());
  std::map<std::string, std::string> given;
  for (const auto& [name, value] : *parameters) {
    const auto known = takers().find(name);
    if (known == takers().end() || not_here.contains(name))
      return fail(error_code::bad_request, "Unknown parameter: " + in_quotes(shown(name)),
                  "a listing takes gateway, search, task, min_price, max_price, min_context_length, "
                  "max_context_length, sort, limit, offset or cursor");
    if (!given.emplace(other_name(name), value).second)
      return fail(error_code::bad_request, in_quotes(name) + " stands twice in the query");
    if (value.empty()) continue;  // as good as none: forms send them
    if (auto taken = known->second(q, name, value); !taken) return tl::unexpected(taken.error());
  }
  if (auto good = cache::check_page_query(q); !good) return tl::unexpected(good.error());
  const auto& cursor = given["cursor"];
  if (cursor.empty()) return q;
  if (given.contains("offset"))
    return fail(error_code::bad_request, "'offset' and 'cursor' cannot stand together", "follow one of them");
  auto place = cache::read_cursor(q, cursor);
  if (!place) return tl::unexpected(place.error());
  q.after = std::move(*place);
  return q;
}

class edit_reader {
 public:
  explicit edit_reader(simdjson::dom::object of) : object_(of) {}

  result<void> text(const char* key, std::optional<std::string>& out) const {
    simdjson::dom::element found;
    if (object_.at_key(key).get(found)) return {};
    if (found.is_null()) return out = std::string(), result<void>();
    std::string_view value;
    if (found.get(value)) return wrong_type(key, "a text", found);
    out = std::string(value);
    return {};
  }
  result<void> price(const char* key, std::optional<std::optional<double>>& out) const {
    simdjson::dom::element found;
    if (object_.at_key(key).get(found)) return {};
    if (found.is_null()) return out.emplace(std::nullopt), result<void>();
    double value = 0;
    std::string_view text;
    if (!found.get(text)) {  // as providers write it
      auto read = price_of(key, text);
      if (!read) return tl::unexpected(read.error());
      value = *read;
    } else if (found.get(value) || !std::isfinite(value) || value < 0) {
      return wrong_type(key, "a price of a token, at least 0", found);
    }
    out.emplace(value);
    return {};
  }
  result<void> length(const char* key, std::optional<std::optional<std::int64_t>>& out) const {
    simdjson::dom::element found;
    if (object_.at_key(key).get(found)) return {};
    if (found.is_null()) return out.emplace(std::nullopt), result<void>();
    std::int64_t value = 0;
    if (found.get(value) || value < 0 || value > cache::context_length_max)
      return wrong_type(key, "a number of tokens", found);
    out.emplace(value);
    return {};
  }

 private:
  static tl::unexpected<error> wrong_type(std::string_view key, std::string_view right, simdjson::dom::element found) {
    return fail(error_code::bad_request,
                in_quotes(key) + " must be " + std::string(right) + ", found " + std::string(kind_of(found)));
  }
  simdjson::dom::object object_;
};

}  // namespace

result<page_query> read_listing(const exchange& request) { return read(request, {}, {}); }

result<page_query> read_provider_listing(const exchange& request, const std::string& provider) {
  page_query q;
  q.provider = provider;
  return read(request, std::move(q), {"gateway", "provider"});
}

result<page_query> read_unique_listing(const exchange& request) {
  page_query q;
  q.unique = true;
  return read(request, std::move(q), {"sort", "order"});
}

result<std::string> read_only_parameter(const exchange& request, std::string_view name) {
  const auto parameters = parse_parameters(request.query(), "query");
  if (!parameters) return tl::unexpected(parameters.error());
  if (parameters->empty()) return std::string();
  const auto& [key, value] = parameters->front();
  if (key != "gateway" && key != "provider")
    return fail(error_code::bad_request, "Unknown parameter: " + in_quotes(shown(key)),
                std::string(name) + " is all that is taken here");
  if (parameters->size() > 1)
    return fail(error_code::bad_request,
                "One parameter is taken here, and there are " + std::to_string(parameters->size()),
                std::string(name) + " alone");
  // None and an empty one are different things to ask for: all of them, or a mistake.
  if (value.empty())
    return fail(error_code::bad_request, in_quotes(key) + " is empty", "name the provider, or leave it out for all");
  return value;
}

result<actors::offer_edit> read_edit(const exchange& request, const std::string& id) {
  json_body document;
  const auto root = read_json(request, document, R"({"name": "..", "pricing": {"prompt": 0.000001}})");
  if (!root) return tl::unexpected(root.error());
  simdjson::dom::object object;
  if (root->get(object))
    return fail(error_code::bad_request, "An edit is a JSON object, found " + std::string(kind_of(*root)));
  static const std::set<std::string_view> known{
      "id",       "name",    "task",          "description", "pricing", "prompt_price", "completion_price",
      "provider", "gateway", "context_length"};
  for (const auto& [key, value] : object)
    if (!known.contains(key))
      return fail(error_code::bad_request, "Unknown field: " + in_quotes(shown(key)),
                  "an edit has name, task, description, pricing {prompt, completion}, context_length and provider");
  actors::offer_edit out;
  out.id = id;
  const edit_reader in(object);
  std::optional<std::string> whose, gateway, named;
  for (auto read : {in.text("name", out.name), in.text("task", out.task), in.text("description", out.description),
                    in.text("provider", whose), in.text("gateway", gateway), in.text("id", named),
                    in.price("prompt_price", out.prompt_price), in.price("completion_price", out.completion_price),
                    in.length("context_length", out.context_length)})
    if (!read) return tl::unexpected(read.error());
  if (named && *named != id)
    return fail(error_code::bad_request,
                "'id' is " + in_quotes(shown(*named)) + ", and the path says " + in_quotes(shown(id)));
  simdjson::dom::element pricing;
  if (!object.at_key("pricing").get(pricing) && !pricing.is_null()) {
    simdjson::dom::object prices;
    if (pricing.get(prices)) return fail(error_code::bad_request, "'pricing' must be an object {prompt, completion}");
    const edit_reader of_prices(prices);
    for (auto read : {of_prices.price("prompt", out.prompt_price), of_prices.price("completion", out.completion_price)})
      if (!read) return tl::unexpected(read.error());
  }
  auto in_query = read_only_parameter(request, "gateway");
  if (!in_query) return tl::unexpected(in_query.error());
  std::set<std::string> providers;
  for (const auto& p : {whose.value_or(""), gateway.value_or(""), *in_query})
    if (!p.empty()) providers.insert(p);
  if (providers.size() > 1)
    return fail(error_code::bad_request, "'provider' and 'gateway' are the same thing, and differ here");
  if (!providers.empty()) out.provider = *providers.begin();
  return out;
}

}  // namespace troupe::http
