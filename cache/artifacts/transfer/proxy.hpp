#pragma once
// Which proxy a URL is fetched through, as curl reads the environment. Decided here and told to libcurl, because names
// are only resolved and judged where there is none. Pure, but for from_environment().

#include <string>

#include "cache/artifacts/transfer/web_url.hpp"

namespace troupe::cache {

struct proxy_settings {
  std::string http, https, all, none;  // http_proxy, https_proxy, all_proxy, no_proxy
  static proxy_settings from_environment();
};

// Empty: none.
std::string proxy_for(const proxy_settings& settings, const web_url& url);

}  // namespace troupe::cache
