#include "http/core/content_encoding.hpp"

#include <zlib.h>
#include <zstd.h>

#include <charconv>

#include "http/json/comma_list.hpp"
#include "http/json/text.hpp"

namespace troupe::http {
namespace {

constexpr int gzip_level = 5, zstd_level = 3;
constexpr int gzip_window = 15 + 16;  // zlib's way to say gzip's own header

// "0.5"; 0 where it is none.
double quality_of(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto end = parameters.find(';');
    const auto one = trim(parameters.substr(0, end));
    if (one.size() > 2 && (one[0] == 'q' || one[0] == 'Q') && one[1] == '=') {
      double q = 0;
      const auto* last = one.data() + one.size();
      return std::from_chars(one.data() + 2, last, q).ptr == last && q >= 0 && q <= 1 ? q : 0;
    }
    if (end == std::string_view::npos) break;
    parameters.remove_prefix(end + 1);
  }
  return 1;
}

std::optional<std::string> gzip(std::string_view body) {
  z_stream z{};
  if (deflateInit2(&z, gzip_level, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK) return std::nullopt;
  std::string out(deflateBound(&z, body.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  z.avail_in = static_cast<uInt>(body.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const bool done = deflate(&z, Z_FINISH) == Z_STREAM_END;
  out.resize(z.total_out);
  deflateEnd(&z);
  return done ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<std::string> zstd(std::string_view body) {
  std::string out(ZSTD_compressBound(body.size()), '\0');
  const auto size = ZSTD_compress(out.data(), out.size(), body.data(), body.size(), zstd_level);
  if (ZSTD_isError(size) != 0) return std::nullopt;
  out.resize(size);
  return out;
}

}  // namespace

std::string_view to_string(content_encoding e) noexcept {
  return e == content_encoding::gzip ? "gzip" : e == content_encoding::zstd ? "zstd" : "identity";
}

content_encoding choose_encoding(std::optional<std::string_view> accept_encoding) {
  if (!accept_encoding) return content_encoding::identity;
  double gzip_q = -1, zstd_q = -1, any_q = -1, plain_q = -1;
  any_of_list(*accept_encoding, [&](std::string_view one) {
    const auto name = trim(one.substr(0, one.find(';')));
    const auto q = one.find(';') == std::string_view::npos ? 1 : quality_of(one.substr(one.find(';') + 1));
    if (equal_ignoring_case(name, "gzip") || equal_ignoring_case(name, "x-gzip")) gzip_q = q;
    if (equal_ignoring_case(name, "zstd")) zstd_q = q;
    if (equal_ignoring_case(name, "identity")) plain_q = q;
    if (name == "*") any_q = q;
    return false;
  });
  if (gzip_q < 0) gzip_q = any_q;
  if (zstd_q < 0) zstd_q = any_q;
  if (zstd_q > 0 && zstd_q >= gzip_q && zstd_q >= plain_q) return content_encoding::zstd;
  if (gzip_q > 0 && gzip_q >= plain_q) return content_encoding::gzip;
  return content_encoding::identity;
}

std::optional<std::string> encode(content_encoding e, std::string_view body) {
  if (e == content_encoding::gzip) return gzip(body);
  if (e == content_encoding::zstd) return zstd(body);
  return std::nullopt;
}

}  // namespace troupe::http
