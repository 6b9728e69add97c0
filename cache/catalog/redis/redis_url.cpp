#include <sys/un.h>

#include <charconv>

#include "cache/catalog/redis/redis_client.hpp"

namespace troupe::cache {
namespace {

constexpr auto form = "redis[s]://[user[:password]@]host[:port][/database] or unix:///path[?db=N]";
constexpr std::uint32_t databases_max = 1u << 20;

// The URL may hold a password, so no message quotes it.
tl::unexpected<error> bad(std::string what) {
  return fail(error_code::bad_request, "the URL of Redis is not valid: " + std::move(what), form);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

result<std::string> decoded(std::string_view text, std::string_view part) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return bad("a % in the " + std::string(part) + " is not followed by two hex digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::optional<std::uint32_t> number(std::string_view text, std::uint32_t max) {
  std::uint32_t out = 0;
  const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (why != std::errc() || end != text.data() + text.size() || out > max) return std::nullopt;
  return out;
}

result<void> take_user(std::string_view text, redis_address& out) {
  const auto colon = text.find(':');
  auto user = decoded(text.substr(0, colon), "user");
  if (!user) return tl::unexpected(user.error());
  out.user = std::move(*user);
  if (colon == std::string_view::npos) return {};
  auto password = decoded(text.substr(colon + 1), "password");
  if (!password) return tl::unexpected(password.error());
  out.password = std::move(*password);
  return {};
}

result<void> take_host(std::string_view text, redis_address& out) {
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return bad("the host's ] is missing");
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (host.find(':') == std::string_view::npos) return bad("what is in brackets is no IPv6 address");
    if (!port.empty() && port.front() != ':') return bad("what follows ] is no port");
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  auto name = decoded(host, "host");
  if (!name) return tl::unexpected(name.error());
  if (name->find('\0') != std::string::npos) return bad("the host has a zero byte");
  if (!name->empty()) out.host = std::move(*name);
  if (port.empty()) return {};
  const auto value = number(port.substr(1), 65535);
  if (!value || *value == 0) return bad("the port is no number from 1 to 65535");
  out.port = std::to_string(*value);
  return {};
}

result<void> take_database(std::string_view text, redis_address& out) {
  const auto value = number(text, databases_max);
  if (!value) return bad("the database is no number from 0 on");
  out.database = *value;
  return {};
}

}  // namespace

result<redis_address> parse_redis_url(std::string_view url) {
  redis_address out;
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return bad("it does not begin with redis://, rediss:// or unix://");
  const auto scheme = url.substr(0, scheme_end);
  if (scheme != "redis" && scheme != "rediss" && scheme != "unix")
    return bad("it does not begin with redis://, rediss:// or unix://");
  out.tls = scheme == "rediss";
  auto rest = url.substr(scheme_end + 3);
  if (rest.find('#') != std::string_view::npos) return bad("a # must be written %23");

  std::string_view query;
  if (const auto mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  const auto slash = rest.find('/');
  auto authority = rest.substr(0, slash);
  const auto path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    if (auto ok = take_user(authority.substr(0, at), out); !ok) return tl::unexpected(ok.error());
    authority.remove_prefix(at + 1);
  }

  if (scheme == "unix") {
    if (!authority.empty() || path.size() < 2) return bad("unix:// is followed by an absolute path");
    auto file = decoded(path, "path");
    if (!file) return tl::unexpected(file.error());
    if (file->size() >= sizeof(sockaddr_un::sun_path) || file->find('\0') != std::string::npos)
      return bad("the path is no socket's: it has a zero byte, or more than 107");
    out.unix_path = std::move(*file);
  } else {
    if (auto ok = take_host(authority, out); !ok) return tl::unexpected(ok.error());
    if (path.size() > 1)
      if (auto ok = take_database(path.substr(1), out); !ok) return tl::unexpected(ok.error());
  }
  if (query.empty()) return out;
  if (!query.starts_with("db=")) return bad("after ? only db=N is known");
  if (auto ok = take_database(query.substr(3), out); !ok) return tl::unexpected(ok.error());
  return out;
}

std::string text_of(const redis_address& a) {
  const auto user = a.user.empty() ? std::string() : a.user + '@';
  const auto database = std::to_string(a.database);
  if (!a.unix_path.empty()) return "unix://" + user + a.unix_path + (a.database == 0 ? "" : "?db=" + database);
  const auto host = a.host.find(':') == std::string::npos ? a.host : '[' + a.host + ']';
  return (a.tls ? "rediss://" : "redis://") + user + host + ':' + a.port + (a.database == 0 ? "" : '/' + database);
}

}  // namespace troupe::cache
