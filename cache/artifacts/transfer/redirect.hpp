#pragma once
// Where a redirect may lead. Pure.

#include <string_view>

#include "cache/artifacts/transfer/web_url.hpp"
#include "config/error.hpp"

namespace troupe::cache {

inline constexpr unsigned redirects_max = 10;

// 301, 302, 303, 307, 308: what has a Location to go to. Others of 3xx are answers.
constexpr bool is_redirect(unsigned status) noexcept {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The hop after `from`, the `hop`th (from 1). Errors (unavailable): a Location that is empty or no http(s) URL, from
// https to http, one too many. The address that it leads to is not judged here.
result<web_url> next_hop(const web_url& from, std::string_view location, unsigned hop);

// What proves who asks goes to the first origin, and not again once another one was in between.
constexpr bool keeps_authorization(bool kept, bool same_origin_as_first) noexcept {
  return kept && same_origin_as_first;
}

}  // namespace troupe::cache
