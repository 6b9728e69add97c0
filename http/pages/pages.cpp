#include "http/pages/pages.hpp"

#include <string_view>

namespace troupe::http {
namespace {

struct page {
  const char* path;
  const char* content_type;
  const char* line;
  std::string_view content;
};

constexpr auto javascript = "text/javascript; charset=utf-8";

constexpr page pages[] = {
    {
        "/demo/speech",
        "text/html; charset=utf-8",
        "A page that transcribes the microphone of the browser, and files",
#include "http/pages/speech.html.inc"
    },
    {
        "/demo/speech.css",
        "text/css; charset=utf-8",
        "Its style",
#include "http/pages/speech.css.inc"
    },
    {
        "/demo/speech.js",
        javascript,
        "Its script",
#include "http/pages/speech.js.inc"
    },
    {
        "/demo/speech-worklet.js",
        javascript,
        "The part of its script that hears the microphone",
#include "http/pages/speech-worklet.js.inc"
    },
};

// Nothing from elsewhere runs in it, and nothing goes elsewhere.
constexpr auto policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

route_handler show(const page& shown) {
  return [&shown](const context&, const exchange_ptr& request, const route_parameters&) {
    response out;
    out.body = shown.content;
    out.content_type = shown.content_type;
    out.headers = {
        {"Content-Security-Policy", policy}, {"Cache-Control", "no-cache"}, {"X-Content-Type-Options", "nosniff"}};
    request->respond(std::move(out));
  };
}

std::string media_type(std::string_view content_type) {
  return std::string(content_type.substr(0, content_type.find(';')));
}

}  // namespace

// They need no key: what they send does, and they have a field for it.
std::vector<route> page_routes() {
  family_routes add({"pages", "Pages for people"});
  for (const auto& p : pages) {
    add.get(p.path, show(p)).open().says(p.line).answers(200, "It", {{media_type(p.content_type), schema::text()}});
  }
  return add.take();
}

}  // namespace troupe::http
