// The framer by itself: whole requests come out, whichever way the bytes are cut.

#include <gtest/gtest.h>

#include <random>

#include "http/edge/framer.hpp"

namespace troupe::http::edge {
namespace {

struct framed {
  std::string out, rest;
  unsigned refused = 0;
  std::uint64_t ordinal = 0;
  std::int64_t charged = 0;
};

framed run(const std::string& in, const std::vector<std::size_t>& cuts, std::uint64_t limit = 1000,
           std::uint64_t budget_bytes = 1 << 20) {
  body_budget budget(budget_bytes);
  framer_limits limits;
  limits.max_url_bytes = 200;
  limits.max_header_count = 10;
  limits.max_header_bytes = 500;
  limits.body_limit = [&](std::string_view, std::string_view) { return limit; };
  limits.budget = &budget;
  framed r;
  {
    framer f(limits);
    std::size_t at = 0, cut = 0;
    const auto take = [&] {
      char piece[7];
      while (f.has_output()) r.out.append(piece, f.take(piece, sizeof piece));
    };
    while (at < in.size()) {
      const auto n = std::min(in.size() - at, cuts.empty() ? in.size() : cuts[cut++ % cuts.size()]);
      const std::string part = in.substr(at, n);  // exact size: the sanitizer sees reads past it
      r.out.append(part, 0, f.feed(part.data(), n));
      take();
      at += n;
    }
    r.rest = f.take_rest();
    r.refused = f.refused_status();
    r.ordinal = f.refused_ordinal();
    r.charged = budget.used_bytes();
  }
  EXPECT_EQ(budget.used_bytes(), 0);
  return r;
}

const std::string a_get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const std::string a_post = "POST /b?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789";
const std::string a_chunked =
    "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nT: "
    "u\r\n\r\n";
const std::string a_dechunked = "POST /c HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 7\r\n\r\nabcdefg";

TEST(framer, passes_whole_requests_however_they_are_cut) {
  const auto in = a_get + a_post + a_chunked + a_get + a_chunked + a_post;
  const auto out = a_get + a_post + a_dechunked + a_get + a_dechunked + a_post;
  for (std::size_t n = 1; n < in.size() + 1; ++n) {
    const auto r = run(in, {n});
    ASSERT_EQ(r.out, out) << "pieces of " << n;
    ASSERT_EQ(r.refused, 0u);
    ASSERT_EQ(r.charged, 0);
  }
  std::mt19937 random(20240607);
  for (int i = 0; i < 500; ++i) {
    std::vector<std::size_t> cuts;
    for (int k = 0; k < 20; ++k) cuts.push_back(1 + random() % 40);
    ASSERT_EQ(run(in, cuts).out, out) << "round " << i;
  }
}

TEST(framer, withholds_incomplete_requests) {
  for (std::size_t n = 1; n < a_post.size(); ++n) {
    const auto r = run(a_get + a_post.substr(0, n), {});
    EXPECT_EQ(r.out, a_get) << n;
  }
  EXPECT_EQ(run("\r\n\r\n\r\n", {1}).out, "");
}

TEST(framer, replaces_a_refused_request_and_ends_there) {
  const auto r =
      run(a_get + "POST /big/thing HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc\r\nContent-Length: 1001\r\n\r\n" +
              std::string(1001, 'x') + a_get,
          {13});
  EXPECT_EQ(r.out, a_get + "POST /big/thing HTTP/1.1\r\nHost: -\r\nConnection: close\r\nX-Request-Id: abc\r\n\r\n");
  EXPECT_EQ(r.refused, 413u);
  EXPECT_EQ(r.ordinal, 1u);
}

TEST(framer, refuses) {
  const auto with = [](const std::string& headers, const std::string& rest = "") {
    return "POST /p HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + rest;
  };
  std::string many, folded = "A: b\r\n c\r\n";
  for (int i = 0; i < 12; ++i) many += "A: b\r\n";
  const std::pair<std::string, unsigned> table[] = {
      {"GET /" + std::string(300, 'u') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
      {"GET /" + std::string(300, 'u'), 414},  // its end need not come
      {with(many), 431},
      {with("A: " + std::string(600, 'v') + "\r\n"), 431},
      {with(std::string(600, 'n') + ": b\r\n"), 431},
      {with("Content-Length: 1001\r\n"), 413},
      {with("Content-Length: 99999999999999999999999\r\n"), 400},
      {with("Content-Length: -1\r\n"), 400},
      {with("Content-Length: 1\r\nContent-Length: 2\r\n"), 400},
      {with("Content-Length: 1, 1\r\n"), 400},
      {with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
      {with("Transfer-Encoding: gzip, chunked\r\n"), 400},
      {with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
      {with("Transfer-Encoding: xchunked\r\n"), 400},
      {with("Transfer-Encoding: identity\r\n"), 400},
      {with("Transfer-Encoding : chunked\r\n"), 400},
      {with("Transfer-Encoding:\vchunked\r\n"), 400},
      {with("Transfer-Encoding: chunked\r\n", "400\r\n"), 413},
      {with("Transfer-Encoding: chunked\r\n", "7fffffffffffff\r\n"), 413},
      {with("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n"), 400},
      {with("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"), 400},
      {with("Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n"), 400},
      {with("Transfer-Encoding: chunked\r\n", "g\r\n"), 400},
      {with("Transfer-Encoding: chunked\r\n", "0\r\n" + many + "\r\n"), 431},
      {with("Expect: the unexpected\r\n"), 417},
      {with("Host: y\r\n"), 400},
      {with(folded), 400},
      {with("No colon\r\n"), 400},
      {with("A: b\x01\r\n"), 400},
      {with(": empty\r\n"), 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"GET / HTTP/x\r\n\r\n", 400},
      {"NONSENSE / HTTP/1.1\r\n\r\n", 501},
      {"get / HTTP/1.1\r\n\r\n", 501},
      {"\r\nGETS / HTTP/1.1\r\n\r\n", 501},
      {"N\xffSENSE / HTTP/1.1\r\n\r\n", 400},
      {"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {std::string("\x16\x03\x01\x02\x00\x01\x00", 7), 400},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {std::string(1, '\0'), 400},
  };
  for (const auto& [in, status] : table) {
    for (const std::size_t cut : {std::size_t{1}, std::size_t{11}, in.size()}) {
      const auto r = run(in, {cut});
      EXPECT_EQ(r.refused, status) << in.substr(0, 120) << " in pieces of " << cut;
      EXPECT_NE(r.out.find("Connection: close\r\n"), std::string::npos);
    }
  }
}

TEST(framer, chunk_framing_must_not_outweigh_the_data) {
  const std::string head = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string in = head;
  for (int i = 0; i < 3000; ++i) in += "1;" + std::string(50, 'e') + "\r\nx\r\n";
  EXPECT_EQ(run(in, {500}, 5000).refused, 400u);
  in = head;
  for (int i = 0; i < 20000; ++i) in += "1\r\nx\r\n";
  in += "0\r\n\r\n";
  const auto r = run(in, {500}, 20000);
  EXPECT_EQ(r.refused, 0u);
  EXPECT_NE(r.out.find("Content-Length: 20000\r\n"), std::string::npos);
}

TEST(framer, the_budget_counts_what_has_come) {
  const auto head = "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n";
  const auto partly = run(head + std::string(300, 'x'), {50});
  EXPECT_EQ(partly.charged, 300);
  EXPECT_EQ(run(head + std::string(300, 'x'), {50}, 1000, 800).refused, 503u);  // known from its head
  const auto chunked = "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(run(chunked + std::string("384\r\n") + std::string(900, 'x'), {50}, 1000, 800).refused, 503u);
}

TEST(framer, large_bodies_are_kept_aside) {
  std::string body(700 * 1000, 'x');
  std::mt19937 random(3);
  for (auto& c : body) c = static_cast<char>(random());
  std::string chunks;
  for (std::size_t at = 0; at < body.size();) {
    const auto n = std::min<std::size_t>(1 + random() % 99999, body.size() - at);
    char size[16];
    std::snprintf(size, sizeof size, "%zx\r\n", n);
    chunks += size + body.substr(at, n) + "\r\n";
    at += n;
  }
  const auto plain =
      "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\nA: b\r\n\r\n";
  const auto in = a_post + plain + body + a_get +
                  "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n" + chunks + "0\r\n\r\n" +
                  a_post;
  const std::string bare = "POST /p HTTP/1.1\r\nHost: x\r\nA: b\r\nContent-Length: 0\r\n\r\n";
  for (const std::size_t most : {in.size(), std::size_t{100000}, std::size_t{4096}}) {
    body_budget budget(4 << 20);
    framer_limits limits;
    limits.body_limit = [](std::string_view, std::string_view) { return std::uint64_t{1} << 20; };
    limits.budget = &budget;
    std::string out;
    {
      framer f(limits);
      for (std::size_t at = 0; at < in.size();) {
        const auto n = std::min(in.size() - at, most == in.size() ? most : 1 + random() % most);
        const std::string part = in.substr(at, n);
        out.append(part, 0, f.feed(part.data(), n));
        char piece[999];
        while (f.has_output()) out.append(piece, f.take(piece, sizeof piece));
        at += n;
      }
      ASSERT_EQ(f.refused_status(), 0u) << f.refused_reason();
      EXPECT_EQ(out, a_post + bare + a_get + bare + a_post);
      EXPECT_TRUE(f.take_body(0).empty()) << "a small one";
      EXPECT_EQ(f.take_body(1), body);
      EXPECT_TRUE(f.take_body(1).empty()) << "once";
    }
    EXPECT_EQ(budget.used_bytes(), 0) << "what nobody took is given back";
  }
}

TEST(framer, an_upgrade_other_than_websocket_is_ignored) {
  const auto r = run("GET /u HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + a_get, {9});
  EXPECT_EQ(r.out, "GET /u HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\r\n" + a_get);
  EXPECT_EQ(r.refused, 0u);
  const std::string websocket = "GET /w HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  EXPECT_EQ(run(websocket, {9}).out, websocket);
}

TEST(framer, what_follows_an_upgrade_is_kept_apart) {
  const std::string websocket = "GET /w HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  const std::string with_body =
      "POST /w HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc";
  for (const auto& upgrade : {websocket, with_body, a_get + websocket, a_chunked + websocket}) {
    const auto whole = run(upgrade, {}).out;
    for (const std::size_t cut : {1, 9, 1000}) {
      const auto r = run(upgrade + "\x81\x05hello" + a_get, {cut});
      EXPECT_EQ(r.out, whole);
      EXPECT_EQ(r.rest, "\x81\x05hello" + a_get);
      EXPECT_EQ(r.refused, 0u);
    }
  }
  body_budget budget(1 << 20);
  framer_limits limits;
  limits.body_limit = [](std::string_view, std::string_view) { return std::uint64_t{1000}; };
  limits.budget = &budget;
  framer f(limits);
  const auto in = a_get + websocket + "rest";
  EXPECT_EQ(f.feed(in.data(), in.size(), 1), a_get.size());
  EXPECT_FALSE(f.upgraded());
  f.resume(1);
  EXPECT_TRUE(f.upgraded());
  EXPECT_FALSE(f.has_backlog());
  EXPECT_EQ(f.take_rest(), "rest");
}

TEST(framer, passes_on_no_more_requests_than_it_may) {
  body_budget budget(1 << 20);
  framer_limits limits;
  limits.body_limit = [](std::string_view, std::string_view) { return std::uint64_t{1000}; };
  limits.budget = &budget;
  framer f(limits);
  const auto in = a_get + a_post + a_chunked + a_get + a_post.substr(0, 30);
  char piece[1000];
  EXPECT_EQ(f.feed(in.data(), in.size(), 1), a_get.size());
  EXPECT_FALSE(f.has_output());
  EXPECT_TRUE(f.has_backlog());
  f.resume(2);
  EXPECT_EQ(std::string(piece, f.take(piece, sizeof piece)), a_post + a_dechunked);
  EXPECT_EQ(f.feed(a_post.data() + 30, a_post.size() - 30, 5), 0u);
  f.resume(1);
  EXPECT_EQ(std::string(piece, f.take(piece, sizeof piece)), a_get);
  f.resume(1);
  EXPECT_EQ(std::string(piece, f.take(piece, sizeof piece)), a_post);
  EXPECT_FALSE(f.has_backlog());
}

// Whatever comes, nothing is read out of bounds, and what comes out does not depend on the cuts.
TEST(framer, noise_is_harmless) {
  std::mt19937 random(7);
  const std::string seeds[] = {a_get, a_post, a_chunked};
  for (int i = 0; i < 3000; ++i) {
    std::string in = seeds[random() % 3] + seeds[random() % 3];
    for (unsigned k = random() % 6; k > 0; --k) {
      const auto at = random() % in.size();
      switch (random() % 3) {
        case 0: in[at] = static_cast<char>(random()); break;
        case 1: in.erase(at, random() % 5); break;
        default: in.insert(at, 1 + random() % 3, "\r\n :;0\x80"[random() % 7]); break;
      }
      if (in.empty()) in = "x";
    }
    const auto whole = run(in, {});
    const auto cut = run(in, {1 + random() % 9});
    ASSERT_EQ(whole.refused == 0, cut.refused == 0) << in;
    // (Blank lines between requests may go or stay.)
    const auto squeezed = [](std::string text) {
      std::erase_if(text, [](char c) { return c == '\r' || c == '\n'; });
      return text;
    };
    if (whole.refused == 0) {
      ASSERT_EQ(squeezed(whole.out), squeezed(cut.out)) << in;
    }
  }
}

}  // namespace
}  // namespace troupe::http::edge
