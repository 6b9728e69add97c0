#include "cache/catalog/providers/next_page.hpp"

#include <algorithm>

#include "cache/artifacts/sources/urls.hpp"
#include "cache/artifacts/transfer/web_url.hpp"

namespace troupe::cache {
namespace {

constexpr std::string_view blanks = " \t";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// Up to `stop` outside of quotes; takes it off the front.
std::string_view take_until(std::string_view& text, std::string_view stop) {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (quoted && text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (!quoted && stop.find(text[at]) != stop.npos) {
      break;
    }
  }
  at = std::min(at, text.size());
  const auto out = text.substr(0, at);
  text.remove_prefix(at);
  return out;
}

bool says_next(std::string_view parameter) {
  const auto equals = parameter.find('=');
  if (equals == parameter.npos || lower_case(trimmed(parameter.substr(0, equals))) != "rel") return false;
  auto words = trimmed(parameter.substr(equals + 1));
  if (words.size() >= 2 && words.front() == '"' && words.back() == '"') words = words.substr(1, words.size() - 2);
  while (!words.empty()) {
    const auto word = words.substr(0, words.find(' '));
    if (lower_case(word) == "next") return true;
    words.remove_prefix(std::min(words.size(), word.size() + 1));
  }
  return false;
}

std::string followed(const std::string& url, std::string_view link) {
  const auto here = parse_web_url(url);
  if (!here) return {};
  if (const auto there = resolve_location(*here, link); there && same_origin(*here, *there)) return there->text;
  const auto query = link.find('?');
  if (query == link.npos) return {};
  return without_query(url) + std::string(link.substr(query, link.find('#', query) - query));
}

}  // namespace

std::string_view next_link(std::string_view header) {
  while (!header.empty()) {
    const auto begin = header.find('<');
    if (begin == header.npos) return {};
    header.remove_prefix(begin + 1);
    const auto end = header.find('>');
    if (end == header.npos) return {};
    const auto target = header.substr(0, end);
    header.remove_prefix(end + 1);
    bool next = false;
    while (!header.empty() && header.front() != ',') {
      next |= says_next(trimmed(take_until(header, ",;")));
      if (!header.empty() && header.front() == ';') header.remove_prefix(1);
    }
    if (next) return target;
  }
  return {};
}

std::string with_parameter(std::string_view url, std::string_view name, std::string_view value) {
  url = url.substr(0, url.find('#'));
  const auto mark = url.find('?');
  std::string out(url.substr(0, mark));
  auto query = mark == url.npos ? std::string_view() : url.substr(mark + 1);
  char before = '?';
  while (!query.empty()) {
    const auto parameter = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), parameter.size() + 1));
    if (parameter.empty() || parameter.substr(0, parameter.find('=')) == name) continue;
    out += before;
    out += parameter;
    before = '&';
  }
  return out + before + std::string(name) + '=' + encode_component(value);
}

result<std::string> next_page(const std::string& url, const http_answer& answer, const page_facts& page) {
  for (const auto& [name, value] : answer.headers) {
    if (name != "link") continue;
    const auto link = next_link(value);
    if (link.empty()) continue;
    auto there = followed(url, link);
    if (there.empty())
      return fail(error_code::unprocessable,
                  shown_url(url) + " tells a next page that is no address of it: '" + shown(without_query(link)) + "'");
    return there;
  }
  if (!page.page_token.empty()) return with_parameter(url, "page_token", page.page_token);
  if (!page.camel_token.empty()) return with_parameter(url, "pageToken", page.camel_token);
  if (!page.has_more) return std::string();
  if (page.last_id.empty())
    return fail(error_code::unprocessable, shown_url(url) +
                                               " has more models, and does not tell where ('has_more' "
                                               "without 'last_id')");
  return with_parameter(url, "after_id", page.last_id);
}

}  // namespace troupe::cache
