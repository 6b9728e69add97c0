#include "cache/catalog/tiers/cached_value.hpp"

#include <charconv>

#include <fmt/format.h>
#include <simdjson.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace troupe::cache {
namespace {

constexpr std::string_view magic = "troupe-page-1 ";
constexpr std::size_t digest_digits = 32;

std::string digest_of(std::string_view body) {
  const auto digest = XXH3_128bits(body.data(), body.size());
  return fmt::format("{:016x}{:016x}", digest.high64, digest.low64);
}

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

std::string with_head(const cached_value& value, std::int64_t expires_unix_ms) {
  const auto digest = std::string_view(value.etag).substr(1, digest_digits);
  return fmt::format("{}{} {}\n{}", magic, digest, expires_unix_ms, value.body);
}

namespace {

struct head {
  std::string_view digest;
  std::int64_t expires_unix_ms = 0;
  std::size_t size_bytes = 0;  // the line's end included
};

std::optional<head> parse_head(std::string_view stored) {
  if (!stored.starts_with(magic)) return std::nullopt;
  const auto line_end = stored.find('\n');
  if (line_end == std::string_view::npos || line_end < magic.size() + digest_digits + 2) return std::nullopt;
  if (stored[magic.size() + digest_digits] != ' ') return std::nullopt;
  head out{stored.substr(magic.size(), digest_digits), 0, line_end + 1};
  const auto* number = stored.data() + magic.size() + digest_digits + 1;
  const auto read = std::from_chars(number, stored.data() + line_end, out.expires_unix_ms);
  if (read.ec != std::errc{} || read.ptr != stored.data() + line_end) return std::nullopt;
  return out;
}

bool is_digest_of(const head& h, const cached_value& value) {
  return std::string_view(value.etag).substr(1, digest_digits) == h.digest;
}

}  // namespace

std::optional<headed_value> read_headed(std::string_view stored) {
  const auto h = parse_head(stored);
  if (!h) return std::nullopt;
  headed_value out{std::make_shared<const cached_value>(std::string(stored.substr(h->size_bytes))), h->expires_unix_ms};
  if (!is_digest_of(*h, *out.value)) return std::nullopt;
  return out;
}

std::optional<headed_value> read_head(std::string_view begins, const cached_value_ptr& as_known) {
  const auto h = parse_head(begins);
  if (!h || !is_digest_of(*h, *as_known)) return std::nullopt;
  return headed_value{as_known, h->expires_unix_ms};
}

cached_value_ptr read_plain(std::string_view stored) {
  thread_local simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(stored.data(), stored.size()).get(root) || !(root.is_object() || root.is_array())) return nullptr;
  return std::make_shared<const cached_value>(std::string(stored));
}

}  // namespace troupe::cache
