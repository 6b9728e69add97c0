#include "cache/catalog/tiers/cached_value.hpp"

#include <fmt/format.h>
#include <simdjson.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace troupe::cache {
namespace {

constexpr std::string_view magic = "troupe-page-2 ";
constexpr std::size_t digest_digits = 32;
constexpr std::size_t head_bytes = magic.size() + digest_digits + 1;  // the line's end included
static_assert(head_bytes <= head_bytes_max);

std::string digest_of(std::string_view body) {
  const auto digest = XXH3_128bits(body.data(), body.size());
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

std::string_view digest_in(const cached_value& value) { return std::string_view(value.etag).substr(1, digest_digits); }

}  // namespace

cached_value::cached_value(std::string json) : body(std::move(json)), etag('"' + digest_of(body) + '"') {}

std::shared_ptr<const std::string> cached_value::encoded(
    std::size_t form, const std::function<std::optional<std::string>(const std::string&)>& make) const {
  const std::lock_guard lock(mutex_);
  if (forms_.at(form)) return forms_[form];
  auto made = make(body);
  if (!made) return nullptr;
  std::size_t kept = made->size();
  for (const auto& f : forms_) kept += f ? f->size() : 0;
  auto shared = std::make_shared<const std::string>(std::move(*made));
  if (kept <= body.size()) forms_[form] = shared;
  return shared;
}

std::string with_head(const cached_value& value) {
  return fmt::format("{}{}\n{}", magic, digest_in(value), value.body);
}

cached_value_ptr read_headed(std::string_view stored) {
  if (stored.size() < head_bytes) return nullptr;
  auto out = std::make_shared<const cached_value>(std::string(stored.substr(head_bytes)));
  return is_head_of(stored, *out) ? out : nullptr;
}

bool is_head_of(std::string_view begins, const cached_value& known) {
  return begins.size() >= head_bytes && begins.starts_with(magic) &&
         begins.substr(magic.size(), digest_digits) == digest_in(known) && begins[head_bytes - 1] == '\n';
}

cached_value_ptr read_plain(std::string_view stored) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(stored.data(), stored.size()).get(root) || !(root.is_object() || root.is_array())) return nullptr;
  return std::make_shared<const cached_value>(std::string(stored));
}

}  // namespace troupe::cache
