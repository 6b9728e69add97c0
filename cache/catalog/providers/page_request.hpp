#pragma once
// How a provider is asked for a page. Redirects are followed here, since whom they lead to decides what may be reached:
// - the host of the configured address, under any port: anywhere, it was named by the operator, who may run it inside
// - another host: public addresses only, and without the key, which goes to the configured origin (scheme, host, port)
//   only, and not again once another origin was in between

#include <atomic>
#include <string>

#include "cache/artifacts/http_client.hpp"
#include "config/error.hpp"

namespace troupe::cache {

struct provider_access {
  std::string base_url;       // checked
  header_lines headers;       // with every request
  header_lines key;           // proves who asks; empty: nobody
  std::string key_is_set_by;  // for people: "the variable OPENROUTER_API_KEY"
  std::uint64_t page_bytes_max = 0;
};

// The body of a 200. Errors: those of http_client; unavailable for any other status and a redirect that is not
// followed.
result<http_answer> ask_for_page(http_client& net, const provider_access& access, const std::string& url,
                                 const std::atomic<bool>* cancelled);

}  // namespace troupe::cache
