#include "http/core/content_encoding.hpp"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "http/core/conditional.hpp"

namespace troupe::http {
namespace {

using e = content_encoding;

TEST(content_encoding, is_the_clients_choice) {
  const std::pair<const char*, e> cases[] = {
      {"gzip", e::gzip},
      {"GZip", e::gzip},
      {"x-gzip", e::gzip},
      {"zstd", e::zstd},
      {"gzip, deflate, br, zstd", e::zstd},
      {"gzip;q=1.0, zstd;q=0.5", e::gzip},
      {"gzip;q=0", e::identity},
      {"*", e::zstd},
      {"*;q=0", e::identity},
      {"zstd;q=0, *", e::gzip},
      {"identity", e::identity},
      {"identity;q=1, gzip;q=0.5", e::identity},
      {"br", e::identity},
      {"", e::identity},
      {",,;q=,gzip;q=x", e::identity},
  };
  for (const auto& [header, wanted] : cases) EXPECT_EQ(choose_encoding(header), wanted) << header;
  EXPECT_EQ(choose_encoding(std::nullopt), e::identity);
}

TEST(content_encoding, comes_back) {
  std::string body;
  for (int i = 0; i < 1000; ++i) body += R"({"id":"vendor/model-)" + std::to_string(i) + "\"},";
  for (const auto& text : {body, std::string("x"), std::string()}) {
    const auto z = encode(e::zstd, text);
    ASSERT_TRUE(z);
    std::string back(text.size() + 1, '\0');
    EXPECT_EQ(ZSTD_decompress(back.data(), back.size(), z->data(), z->size()), text.size());
    EXPECT_EQ(back.substr(0, text.size()), text);
    const auto g = encode(e::gzip, text);
    ASSERT_TRUE(g);
    z_stream s{};
    ASSERT_EQ(inflateInit2(&s, 15 + 16), Z_OK);
    s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(g->data()));
    s.avail_in = static_cast<uInt>(g->size());
    s.next_out = reinterpret_cast<Bytef*>(back.data());
    s.avail_out = static_cast<uInt>(back.size());
    EXPECT_EQ(inflate(&s, Z_FINISH), Z_STREAM_END);
    EXPECT_EQ(back.substr(0, s.total_out), text);
    inflateEnd(&s);
  }
  EXPECT_LT(encode(e::zstd, body)->size(), body.size() / 5);
}

TEST(conditional, tags) {
  const std::string tag = "\"abc\"";
  for (const auto* yes : {"\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", " \"abc\" ", "*"})
    EXPECT_TRUE(names_etag(yes, tag)) << yes;
  for (const auto* no : {"", "abc", "\"abcd\"", "\"ab", "\"x\",", "W/"}) EXPECT_FALSE(names_etag(no, tag)) << no;
  EXPECT_FALSE(names_etag(std::nullopt, tag));
}

}  // namespace
}  // namespace troupe::http
