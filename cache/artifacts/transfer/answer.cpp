#include "cache/artifacts/transfer/answer.hpp"

#include <utility>

#include "cache/artifacts/transfer/content_range.hpp"
#include "cache/artifacts/transfer/retry.hpp"
#include "cache/artifacts/transfer/web_url.hpp"

namespace troupe::cache {
namespace {

using enum answer_meaning::kind;

answer_meaning bad(answer_meaning::kind what, error_code code, std::string message, std::string detail = {}) {
  answer_meaning m;
  m.what = what;
  m.why = {code, std::move(message), std::move(detail), {}};
  return m;
}

std::string text_of(const http_answer& head, std::string_view name) {
  const auto* value = head.header(name);
  return value == nullptr ? std::string() : *value;
}

// Null with chunks: what the header says then does not count.
std::optional<std::uint64_t> body_length(const http_answer& head) {
  const auto* text = head.header("content-length");
  return text == nullptr || head.header("transfer-encoding") != nullptr ? std::nullopt : parse_byte_count(*text);
}

// The opaque part of two ETags is compared, as one server may call one of them weak.
bool same_content(std::string_view a, std::string_view b) {
  if (a.starts_with("W/")) a.remove_prefix(2);
  if (b.starts_with("W/")) b.remove_prefix(2);
  return a.empty() || b.empty() || a == b;
}

answer_meaning too_large(const std::string& at, std::uint64_t size, std::uint64_t most) {
  return bad(failed, error_code::unprocessable,
             at + " is " + std::to_string(size) + " bytes, more than the " + std::to_string(most) + " allowed");
}

answer_meaning judge_all(const http_answer& head, const known_content& known, const std::string& at) {
  const auto length = body_length(head);
  if (length && known.size && known.size_was_told && *length != *known.size) {
    return bad(failed, error_code::unprocessable,
               at + " is " + std::to_string(*length) + " bytes, not " + std::to_string(*known.size) + " as was told");
  }
  if (length && known.size_bytes_max > 0 && *length > known.size_bytes_max)
    return too_large(at, *length, known.size_bytes_max);
  answer_meaning m;
  m.what = all;
  m.size = length;
  m.body = {0, length.value_or(range_plan::unknown)};
  m.serves_ranges = text_of(head, "accept-ranges") == "bytes";
  return m;
}

answer_meaning judge_part(const http_answer& head, const asked_bytes& asked, const known_content& known,
                          const std::string& at) {
  const auto text = text_of(head, "content-range");
  const auto unfit = [&](const std::string& why) { return bad(start_over, error_code::unavailable, at + why); };
  if (!asked.as_range) return unfit(" answers with a part that nobody asked for");
  const auto got = parse_content_range(text);
  const auto length = body_length(head);
  if (!got || got->begin != asked.range.begin || got->end > asked.range.end ||
      (length && *length != got->end - got->begin)) {
    return unfit(" answers with another part than was asked for (\"" + printable(text, 80) + "\")");
  }
  if (known.size && got->total && *got->total != *known.size) return unfit(" has another size than it had");
  if (!same_content(known.etag, text_of(head, "etag"))) return unfit(" has changed while it was fetched");
  if (known.size_bytes_max > 0 && got->total.value_or(got->end) > known.size_bytes_max)
    return too_large(at, got->total.value_or(got->end), known.size_bytes_max);
  answer_meaning m;
  m.what = part;
  m.body = {got->begin, got->end};
  m.size = got->total;
  m.serves_ranges = true;
  return m;
}

answer_meaning judge_failure(const http_answer& head, const asked_bytes& asked, const std::string& at,
                             std::chrono::seconds wait_max, std::chrono::system_clock::time_point now) {
  const auto says = at + " answers " + std::to_string(head.status);
  if (may_pass(head.status)) {
    auto m = bad(again, error_code::unavailable, says);
    const auto wait = asked_wait(head, wait_max, now);
    if (!wait) {
      m.what = failed;
      m.why = wait.error();
    } else {
      m.wait = *wait;
    }
    return m;
  }
  switch (head.status) {
    case 416: return bad(asked.as_range ? start_over : failed, error_code::unavailable, says);
    case 401:
    case 403:
      return bad(asked.as_redirected ? from_origin : failed, error_code::forbidden, says,
                 "it wants to know who asks: set the token or keys of the source, and accept the terms of the model at "
                 "its publisher's where it has any");
    case 404:
    case 410: return bad(asked.as_redirected ? from_origin : failed, error_code::model_not_found, says);
    default: return bad(asked.as_redirected ? from_origin : failed, error_code::unavailable, says);
  }
}

}  // namespace

answer_meaning judge_answer(const http_answer& head, const asked_bytes& asked, const known_content& known,
                            std::chrono::seconds retry_after_max, std::chrono::system_clock::time_point now) {
  const auto at = shown_url(head.url);
  if (head.status != 200 && head.status != 206) return judge_failure(head, asked, at, retry_after_max, now);
  if (const auto coding = text_of(head, "content-encoding"); !coding.empty() && coding != "identity") {
    return bad(failed, error_code::unprocessable,
               at + " answers in another encoding than was asked for (" + printable(coding, 40) + ")");
  }
  return head.status == 200 ? judge_all(head, known, at) : judge_part(head, asked, known, at);
}

std::string strong_etag(const std::string& etag) {
  return etag.size() >= 2 && etag.front() == '"' && etag.back() == '"' ? etag : std::string();
}

result<std::optional<std::chrono::seconds>> asked_wait(const http_answer& head, std::chrono::seconds most,
                                                       std::chrono::system_clock::time_point now) {
  const auto* text = head.header("retry-after");
  const auto wait = text == nullptr ? std::nullopt : retry_after(*text, now);
  if (!wait || *wait <= most) return wait;
  return fail(error_code::unavailable,
              shown_url(head.url) + " answers " + std::to_string(head.status) + " and wants to be left alone for " +
                  std::to_string(wait->count()) + " s",
              {}, static_cast<int>(wait->count()));
}

}  // namespace troupe::cache
