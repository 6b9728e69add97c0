#include "app/http_call.hpp"

#include <array>
#include <cstdlib>
#include <optional>

#include <curl/curl.h>

#include "http/json/text.hpp"

namespace troupe::app {
namespace {

constexpr long connect_limit_ms = 5000;
constexpr long quiet_stream_limit_s = 60;  // heartbeats come more often

struct url_deleter {
  void operator()(CURLU* u) const noexcept { curl_url_cleanup(u); }
};
struct list_deleter {
  void operator()(curl_slist* l) const noexcept { curl_slist_free_all(l); }
};
using header_list = std::unique_ptr<curl_slist, list_deleter>;

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK) return {};
  std::string out(text);
  curl_free(text);
  return out;
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "[::1]" || host.starts_with("127."); }

// What one request collects.
struct incoming {
  CURL* curl;
  const std::atomic<bool>* cancelled;
  const std::function<bool(const server_event&)>* tell = nullptr;  // null: the body is kept
  event_reader events{http_call::body_bytes_max};
  http_reply reply{};
  bool streams = false, enough = false;
  std::optional<error> why{};
};

std::size_t take(char* data, std::size_t, std::size_t size, void* into) {
  auto& in = *static_cast<incoming*>(into);
  const std::string_view bytes(data, size);
  if (in.reply.status == 0) {
    long status = 0;
    const char* type = nullptr;
    curl_easy_getinfo(in.curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(in.curl, CURLINFO_CONTENT_TYPE, &type);
    in.reply.status = static_cast<unsigned>(status);
    in.streams = in.tell != nullptr && status == 200 && type != nullptr &&
                 std::string_view(type).starts_with("text/event-stream");
  }
  if (in.streams) {
    const auto read = in.events.feed(bytes, [&](const server_event& e) {
      if (!in.enough && !(*in.tell)(e)) in.enough = true;
    });
    if (!read) in.why = read.error();
    return in.why || in.enough ? 0 : size;
  }
  if (in.reply.body.size() + size > http_call::body_bytes_max) {
    in.why = error{error_code::payload_too_large,
                   "the server's answer has more than " + std::to_string(http_call::body_bytes_max >> 20) + " MiB",
                   {},
                   {}};
    return 0;
  }
  in.reply.body += bytes;
  return size;
}

// Called about once a second at least.
int look(void* into, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& in = *static_cast<incoming*>(into);
  return in.cancelled != nullptr && in.cancelled->load(std::memory_order_relaxed) ? 1 : 0;
}

}  // namespace

struct http_call::handle {
  CURL* curl = nullptr;
  handle() {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
  }
  ~handle() {
    curl_easy_cleanup(curl);
    curl_global_cleanup();
  }
  handle(const handle&) = delete;
  handle& operator=(const handle&) = delete;

  result<http_reply> perform(const std::string& url, const std::string& key, const http_question& question,
                             const std::function<bool(const server_event&)>* tell);
};

result<http_call> http_call::to(std::string_view url, std::string key) {
  const std::unique_ptr<CURLU, url_deleter> parsed(curl_url());
  const auto refuse = [&](const std::string& what) {
    return fail(error_code::bad_request, "no address of a server: " + http::shown(url), what);
  };
  for (const unsigned char c : key)
    if (c < 0x20 || c == 0x7f) return fail(error_code::bad_request, "the API key has a control character");
  std::string text(url.find("://") == std::string_view::npos ? "http://" + std::string(url) : std::string(url));
  while (text.ends_with('/')) text.pop_back();
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK)
    return refuse("for instance http://127.0.0.1:8000");
  if (const auto scheme = part_of(parsed.get(), CURLUPART_SCHEME); scheme != "http" && scheme != "https")
    return refuse("http:// or https://");
  if (!part_of(parsed.get(), CURLUPART_USER).empty() || !part_of(parsed.get(), CURLUPART_PASSWORD).empty())
    return refuse("without a user; a key is given by --api-key or TROUPE_API_KEY");
  if (!part_of(parsed.get(), CURLUPART_QUERY).empty() || !part_of(parsed.get(), CURLUPART_FRAGMENT).empty())
    return refuse("without a query");
  return http_call(std::move(text), std::move(key));
}

http_call::http_call(std::string url, std::string key)
    : url_(std::move(url)), key_(std::move(key)), handle_(std::make_unique<handle>()) {}
http_call::~http_call() = default;
http_call::http_call(http_call&&) noexcept = default;
http_call& http_call::operator=(http_call&&) noexcept = default;

result<http_reply> http_call::ask(const http_question& question) {
  return handle_->perform(url_, key_, question, nullptr);
}

result<http_reply> http_call::follow(const http_question& question,
                                     const std::function<bool(const server_event&)>& tell) {
  return handle_->perform(url_, key_, question, &tell);
}

std::string http_call::encoded(std::string_view part) {
  char* text = curl_easy_escape(nullptr, part.data(), static_cast<int>(part.size()));
  std::string out(text != nullptr ? text : "");
  curl_free(text);
  return out;
}

result<http_reply> http_call::handle::perform(const std::string& base, const std::string& key,
                                              const http_question& question,
                                              const std::function<bool(const server_event&)>* tell) {
  if (curl == nullptr) return fail(error_code::internal, "libcurl cannot be used here");
  curl_easy_reset(curl);  // the connection stays
  incoming in{.curl = curl, .cancelled = question.cancelled, .tell = tell};
  const auto url = base + question.path;
  header_list headers;
  const auto add = [&](const std::string& line) {
    auto* had = headers.release();
    auto* more = curl_slist_append(had, line.c_str());
    headers.reset(more != nullptr ? more : had);
  };
  add(tell != nullptr ? "Accept: text/event-stream" : "Accept: application/json");
  if (!key.empty()) add("Authorization: Bearer " + key);
  if (!question.body.empty()) add("Content-Type: " + question.content_type);
  add("Expect:");  // it would be waited for
  std::array<char, CURL_ERROR_SIZE> details{};
  const auto set = [&](auto option, auto value) { curl_easy_setopt(curl, option, value); };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_ERRORBUFFER, details.data());
  set(CURLOPT_CONNECTTIMEOUT_MS, connect_limit_ms);
  if (question.limit.count() > 0) set(CURLOPT_TIMEOUT_MS, static_cast<long>(question.limit.count()));
  if (tell != nullptr) {
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, quiet_stream_limit_s);
  }
  set(CURLOPT_HTTPHEADER, headers.get());
  if (question.method == "POST") {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, question.body.c_str());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(question.body.size()));
  } else if (question.method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, question.method.c_str());
  }
  set(CURLOPT_WRITEFUNCTION, take);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&in));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, look);
  set(CURLOPT_XFERINFODATA, static_cast<void*>(&in));
  if (const char* authorities = std::getenv("SSL_CERT_FILE"); authorities != nullptr && *authorities != 0)
    set(CURLOPT_CAINFO, authorities);
  {
    const std::unique_ptr<CURLU, url_deleter> parsed(curl_url());
    if (parsed && curl_url_set(parsed.get(), CURLUPART_URL, base.c_str(), 0) == CURLUE_OK &&
        is_loopback(part_of(parsed.get(), CURLUPART_HOST)))
      set(CURLOPT_PROXY, "");  // a proxy would find itself
  }
  const auto code = curl_easy_perform(curl);
  if (in.why) return tl::unexpected(*in.why);
  if (code != CURLE_OK && !in.enough) {
    if (code == CURLE_ABORTED_BY_CALLBACK) return fail(error_code::cancelled, "interrupted");
    const std::string why = details.front() != 0 ? details.data() : curl_easy_strerror(code);
    double connected_s = 0;
    curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME, &connected_s);
    if (code == CURLE_OPERATION_TIMEDOUT && connected_s > 0)
      return fail(error_code::deadline_exceeded, "the server at " + base + " does not answer", why);
    return fail(error_code::unavailable, "the server at " + base + " cannot be reached", why);
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  in.reply.status = static_cast<unsigned>(status);
  return std::move(in.reply);
}

}  // namespace troupe::app
