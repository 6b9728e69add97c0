// A listing over HTTP, page by page.

#include <unordered_set>
#include <utility>

#include "cache/artifacts/transfer/web_url.hpp"
#include "cache/catalog/providers/next_page.hpp"
#include "cache/catalog/providers/row_collector.hpp"
#include "cache/catalog/providers/source_kinds.hpp"

namespace troupe::cache {
namespace {

class paged_listing final : public provider_source {
 public:
  paged_listing(std::string provider, result<paged_form> form, http_client& net, const provider_limits& limits)
      : provider_(std::move(provider)), form_(std::move(form)), net_(net), limits_(limits) {
    if (form_) form_->access.page_bytes_max = limits_.page_bytes_max;
  }

  result<provider_reading> read(const take_rows& take, const std::atomic<bool>* cancelled) override {
    if (!form_) return tl::unexpected(form_.error());
    const auto what = shown_url(form_->first_url);
    row_collector rows(provider_, take, limits_, cancelled);
    std::unordered_set<std::string> asked;
    for (auto url = form_->first_url; !url.empty();) {
      if (auto ok = rows.go_on(what); !ok) return tl::unexpected(ok.error());
      if (!asked.insert(url).second)
        return fail(error_code::unprocessable,
                    what + " pages in a circle: page " + std::to_string(rows.pages() + 1) + " is one that was read");
      if (asked.size() > limits_.pages_max)
        return fail(error_code::payload_too_large,
                    what + " has more than " + std::to_string(limits_.pages_max) + " pages");
      auto answer = ask_for_page(net_, form_->access, url, cancelled);
      if (!answer) return tl::unexpected(answer.error());
      auto page = rows.add_page(answer->body, what);
      if (!page) return tl::unexpected(page.error());
      auto next = next_page(url, *answer, *page);
      if (!next) return tl::unexpected(next.error());
      url = std::move(*next);
    }
    return rows.finish(what);
  }

 private:
  const std::string provider_;
  result<paged_form> form_;
  http_client& net_;
  const provider_limits limits_;
};

}  // namespace

std::unique_ptr<provider_source> make_paged_listing(std::string provider, result<paged_form> form, http_client& net,
                                                    const provider_limits& limits) {
  return std::make_unique<paged_listing>(std::move(provider), std::move(form), net, limits);
}

}  // namespace troupe::cache
