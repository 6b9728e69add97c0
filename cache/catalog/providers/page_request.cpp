#include "cache/catalog/providers/page_request.hpp"

#include <string_view>

#include "cache/artifacts/transfer/redirect.hpp"
#include "cache/artifacts/transfer/web_url.hpp"

namespace troupe::cache {
namespace {

http_request request_for(const provider_access& access, const web_url& base, const web_url& url, bool proves) {
  http_request out;
  out.url = url.text;
  out.headers = access.headers;
  out.may_reach = url.host == base.host ? reach::anywhere : reach::outside;
  out.follow = false;
  out.body_bytes_max = access.page_bytes_max;
  if (proves && !access.key.empty())
    out.authorize = [key = access.key](std::string_view, const std::string&) { return key; };
  return out;
}

tl::unexpected<error> wrong_status(const provider_access& access, const http_answer& answer, bool proved) {
  const auto says = shown_url(answer.url) + " answers " + std::to_string(answer.status);
  if (answer.status != 401 && answer.status != 403) return fail(error_code::unavailable, says + ", not 200");
  if (access.key.empty()) return fail(error_code::unavailable, says + ": it wants a key, and none is configured");
  return fail(
      error_code::unavailable,
      says + (proved ? ": the key is refused, or may not list models" : ": redirected there, it was not given the key"),
      proved ? "the key is that of " + access.key_is_set_by : "the address that it redirects to as base_url");
}

}  // namespace

result<http_answer> ask_for_page(http_client& net, const provider_access& access, const std::string& url,
                                 const std::atomic<bool>* cancelled) {
  const auto base = parse_web_url(access.base_url);
  auto at = parse_web_url(url);
  if (!base) return tl::unexpected(base.error());
  if (!at) return tl::unexpected(at.error());
  bool proves = true;
  for (unsigned hop = 1;; ++hop) {
    proves = keeps_authorization(proves, same_origin(*base, *at));
    auto answer = net.ask(request_for(access, *base, *at, proves), cancelled);
    if (!answer && at->host != base->host && answer.error().code == error_code::forbidden)
      return fail(error_code::forbidden, answer.error().message + "; " + shown_url(url) + " redirects there",
                  "the address that it redirects to as base_url, if that is meant");
    if (!answer) return answer;
    if (answer->status == 200) {
      const auto* encoding = answer->header("content-encoding");
      if (encoding == nullptr || *encoding == "identity") return answer;
      return fail(error_code::unavailable,
                  shown_url(answer->url) + " answers in '" + printable(*encoding, 40) + "', which was not asked for");
    }
    if (!is_redirect(answer->status)) return wrong_status(access, *answer, proves);
    const auto* location = answer->header("location");
    at = next_hop(*at, location == nullptr ? std::string_view() : *location, hop);
    if (!at) return tl::unexpected(at.error());
  }
}

}  // namespace troupe::cache
