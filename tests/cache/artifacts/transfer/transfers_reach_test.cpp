// Where transfers go, and what they carry there: addresses, redirects, who asks, proxies; and small requests.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>

#include "cache/artifacts/transfer/transfers.hpp"
#include "tests/cache/artifacts/transfer/misbehaving.hpp"

namespace troupe::cache {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class Reach : public misbehaving {
 protected:
  Reach() {
    hosts["first.example"] = hosts["second.example"] = {"127.0.0.1"};
    hosts["mixed.example"] = {"10.0.0.1", "192.168.0.1", "fd00::1"};
  }
  result<http_answer> ask(http_request r, const std::function<void(transfer_options&)>& change = nullptr) {
    auto options = quick();
    if (change) change(options);
    const auto by = make(options);
    auto answer = by->ask(r, nullptr);
    refused = by->counts().refused_addresses;
    redirects = by->counts().redirects;
    tries = by->counts().retries;
    return answer;
  }
  void expect_error(const result<http_answer>& got, error_code code, const std::string& says) {
    ASSERT_FALSE(got);
    EXPECT_EQ(to_string(got.error().code), to_string(code)) << got.error().message;
    EXPECT_THAT(got.error().message, HasSubstr(says));
  }
  std::uint64_t refused = 0, redirects = 0, tries = 0;
};

// -- addresses ---------------------------------------------------------------------------------------------------

TEST_F(Reach, OutsideOnlyUnlessAllowed) {
  for (const std::string host : {"127.0.0.1", "2130706433", "0x7f.1", "first.example", "mixed.example", "10.1.2.3",
                                 "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0.0.0.0"}) {
    auto r = question(on(host, "/echo"));
    r.may_reach = reach::outside;
    const auto got = ask(r);
    ASSERT_FALSE(got) << host;
    EXPECT_EQ(got.error().code, error_code::forbidden) << host;
    EXPECT_THAT(got.error().message, HasSubstr("may not be reached")) << host;
    EXPECT_EQ(refused, 1U);
    EXPECT_EQ(tries, 0U);
  }
  EXPECT_THAT(asked(), SizeIs(0));
  auto r = question(on("first.example", "/echo"));
  r.may_reach = reach::outside;
  EXPECT_TRUE(ask(r, [](auto& o) { o.allow_private = true; }));
}

// 2000::1 is a public address that nobody has.

TEST_F(Reach, OnlyWhatIsPublicOfANameIsConnectedTo) {
  hosts["some.example"] = {"127.0.0.1", "2000::1"};
  auto r = question(on("some.example", "/echo"));
  r.may_reach = reach::outside;
  expect_error(ask(r,
                   [](auto& o) {
                     o.retries_max = 0;
                     o.connect_timeout = 200ms;
                   }),
               error_code::unavailable, "some.example");
  EXPECT_THAT(asked(), SizeIs(0));
  hosts["some.example"] = {"127.0.0.1", "0.0.0.0"};
  expect_error(ask(r), error_code::forbidden, "some.example (127.0.0.1) is a loopback address");
}

TEST_F(Reach, AConnectionOfAnotherIsNotUsedToGoWhereOneMayNot) {
  auto options = quick();
  options.retries_max = 0;
  options.connect_timeout = 200ms;
  hosts["some.example"] = {"127.0.0.1", "2000::1"};
  const auto by = make(options);
  auto r = question(on("some.example", "/echo"));
  ASSERT_TRUE(by->ask(r, nullptr)) << "which leaves its connection behind";
  r.may_reach = reach::outside;
  EXPECT_FALSE(by->ask(r, nullptr));
  EXPECT_THAT(asked(), ElementsAre("GET /echo"));
}

TEST_F(Reach, ARedirectIsJudgedAnew) {
  // Through a proxy the first hop is nobody's business; where it leads is.
  const auto self = at("");
  ::setenv("http_proxy", self.substr(0, self.find('?')).c_str(), 1);
  ::setenv("no_proxy", "first.example", 1);
  for (const std::string to :
       {"http://169.254.169.254/latest", "http://[::1]/", "http://first.example/", "http://2130706433/"}) {
    auto r = question("http://public.example/redirect/302?" + to);
    r.may_reach = reach::outside;
    const auto got = ask(r);
    expect_error(got, error_code::forbidden, "may not be reached");
    EXPECT_EQ(redirects, 1U);
    EXPECT_EQ(refused, 1U);
  }
  ::unsetenv("http_proxy");
  ::unsetenv("no_proxy");
}

TEST_F(Reach, ANameIsResolvedOnceWhateverItsNextAnswerIs) {
  std::atomic<int> times{0};
  transfers by(quick(), [&](const std::string&) -> result<std::vector<std::string>> {
    return std::vector<std::string>{times++ == 0 ? "127.0.0.1" : "192.0.2.1"};
  });
  auto f = wants("/good/5000003", 5'000'003);
  f.url = on("moves.example", "/good/5000003");
  const auto got = by.fetch({f}, nullptr, nullptr);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(times, 1);
}

// -- redirects ---------------------------------------------------------------------------------------------------

TEST_F(Reach, RedirectsAreFollowed) {
  for (const char* code : {"301", "302", "303", "307", "308"}) {
    auto r = question(on("first.example", std::string("/redirect/") + code));
    r.url = r.url.substr(0, r.url.find('?')) + "?" + "/echo";
    const auto got = ask(r);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->status, 200U);
    EXPECT_THAT(got->url, testing::EndsWith("/echo"));
    EXPECT_EQ(redirects, 1U);
  }
}

TEST_F(Reach, OrAreTheAnswerWhereThatIsAskedFor) {
  auto r = question(at("/redirect/302"));
  r.follow = false;
  const auto got = ask(r);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->status, 302U);
  ASSERT_NE(got->header("location"), nullptr);
  EXPECT_EQ(*got->header("location"), key_);
  EXPECT_EQ(got->body, "gone");
}

TEST_F(Reach, RedirectsThatAreNotFollowed) {
  expect_error(ask(question(at("/redirect-loop"))), error_code::unavailable, "redirects more than 10 times");
  EXPECT_EQ(redirects, 11U);
  EXPECT_THAT(asked(), SizeIs(11));
  expect_error(ask(question(at("/redirect-nowhere"))), error_code::unavailable, "redirects to nowhere");
  const auto leading = [&](const std::string& where) {
    auto url = at("/redirect/302");
    return question(url.substr(0, url.find('?') + 1) + where);
  };
  for (const char* where : {"file:///etc/passwd", "ftp://127.0.0.1/", "http://user:secret@127.0.0.1/"}) {
    const auto got = ask(leading(where));
    expect_error(got, error_code::unavailable, "to what is not followed");
    EXPECT_THAT(got.error().message, Not(HasSubstr("secret")));
  }
}

TEST_F(Reach, AFileThroughARedirect) {
  auto f = wants("/signs/300001/1", 300'001);
  const auto got = get(f);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->url, at("/signed/300001/1/1"));
  EXPECT_TRUE(is_whole(300'001));
}

TEST_F(Reach, WhereARedirectLedIsAskedUntilItExpires) {
  auto f = wants("/signs/5000003/3", 5'000'003);
  const auto got = get(f, [](auto& o) { o.connections_per_file_max = 1; });
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_TRUE(is_whole(5'000'003));
  EXPECT_THAT(asked(), ElementsAre(StartsWith("GET /signs/"), StartsWith("GET /signed/5000003/3/1"),
                                   StartsWith("GET /signed/5000003/3/1"), StartsWith("GET /signed/5000003/3/1"),
                                   StartsWith("GET /signed/5000003/3/1"), StartsWith("GET /signs/"),
                                   StartsWith("GET /signed/5000003/3/2"), StartsWith("GET /signed/5000003/3/2")));
}

// -- who asks ----------------------------------------------------------------------------------------------------

TEST_F(Reach, AuthorizationGoesToTheFirstOriginOnly) {
  std::vector<std::string> signed_for;
  auto r = question("");
  r.authorize = [&](std::string_view method, const std::string& url) {
    signed_for.push_back(std::string(method) + ' ' + url);
    return header_lines{{"Authorization", "Bearer secret"}};
  };
  r.headers = {{"X-Key", "kept"}, {"Cookie", "secret"}};
  // first -> first -> second: each says where next in its query, so that they need no key.
  const auto last = on("second.example", "/echo");
  const auto port = last.substr(last.rfind(':'), last.find("/echo") - last.rfind(':'));
  const auto second = "http://second.example" + port;
  const auto first = "http://first.example" + port;
  r.url = first + "/redirect/302?" + "/redirect/302%3F" + second + "/echo";
  const auto got = ask(r);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->url, second + "/echo");
  EXPECT_THAT(got->body, HasSubstr("x-key: kept"));
  EXPECT_THAT(got->body, Not(HasSubstr("secret")));
  EXPECT_THAT(signed_for, SizeIs(2)) << "once for each request to the first origin";

  r.url = first + "/redirect/302?/echo";
  const auto same = ask(r);
  ASSERT_TRUE(same);
  EXPECT_THAT(same->body, AllOf(HasSubstr("authorization: Bearer secret"), HasSubstr("cookie: secret")));

  r.url = first + "/redirect/302?" + second + "/redirect/302%3F" + first + "/echo";
  const auto back = ask(r);
  ASSERT_TRUE(back);
  EXPECT_THAT(back->body, Not(HasSubstr("Bearer"))) << "not again after another";
}

TEST_F(Reach, AFileIsAskedForWithIt) {
  auto f = wants("/good/5000003", 5'000'003);
  f.authorize = [](std::string_view, const std::string&) { return header_lines{{"Authorization", "Bearer secret"}}; };
  ASSERT_TRUE(get(f));
  const auto lines = asked();
  EXPECT_THAT(lines, SizeIs(5));
  for (const auto& line : lines) EXPECT_THAT(line, HasSubstr("authorization=Bearer secret"));
}

TEST_F(Reach, HeadersThatWouldBeTwoAreRefused) {
  auto r = question(at("/echo"));
  for (const auto& [name, value] : header_lines{{"X", "a\r\nY: b"}, {"X\nY", "a"}, {"", "a"}, {"X:", "a"}}) {
    r.headers = {{name, value}};
    expect_error(ask(r), error_code::bad_request, "is not one");
  }
  r.headers.clear();
  r.authorize = [](std::string_view, const std::string&) -> header_lines { throw std::runtime_error("secret"); };
  const auto got = ask(r);
  expect_error(got, error_code::internal, "cannot authorize");
  EXPECT_THAT(got.error().message, Not(HasSubstr("secret")));
  EXPECT_THAT(asked(), SizeIs(0));
}

TEST_F(Reach, WhatIsSentIsWhatWasAskedFor) {
  auto r = question(at("/echo"));
  r.headers = {{"Accept", "application/json"}, {"accept-encoding", "gzip"}, {"X-Empty", ""}};
  const auto got = ask(r, [](auto& o) { o.user_agent = "troupe/9"; });
  ASSERT_TRUE(got);
  const auto host = at("").substr(7, at("").find('?') - 7);
  EXPECT_EQ(got->body, "accept: application/json\naccept-encoding: identity\nhost: " + host +
                           "\nuser-agent: troupe/9\nx-empty: \n");
  ASSERT_NE(got->header("x-twice"), nullptr);
  EXPECT_EQ(*got->header("x-odd"), "b");
  EXPECT_EQ(got->header("x-none"), nullptr);
}

// -- small requests ----------------------------------------------------------------------------------------------

TEST_F(Reach, HeadHasHeadersOnly) {
  auto r = question(at("/good/300001"));
  r.method = "HEAD";
  r.body_bytes_max = 10;
  const auto got = ask(r);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(*got->header("content-length"), "300001");
  EXPECT_EQ(*got->header("etag"), "\"one\"");
  EXPECT_TRUE(got->body.empty());
  r.method = "POST";
  expect_error(ask(r), error_code::bad_request, "only GET and HEAD");
}

TEST_F(Reach, StatusesAreAnswersUnlessTheyMayPass) {
  for (const char* code : {"204", "304", "400", "401", "404", "416"}) {
    const auto got = ask(question(at(std::string("/status/1/") + code + "/99")));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(std::to_string(got->status), code);
    EXPECT_EQ(tries, 0U);
  }
  for (const char* code : {"408", "429", "500", "503"}) {
    const auto got = ask(question(at(std::string("/status/1/") + code + "/2")));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(tries, 2U);
  }
  expect_error(ask(question(at("/status/1/503/99"))), error_code::unavailable, "answers 503; given up after 4 tries");
  const auto later = ask(question(at("/status/1/429/99/7200")));
  expect_error(later, error_code::unavailable, "wants to be left alone");
  EXPECT_EQ(later.error().retry_after_s, 7200);
}

TEST_F(Reach, ABodyIsBounded) {
  auto r = question(at("/good/300001"));
  r.body_bytes_max = 300'001;
  EXPECT_EQ(ask(r)->body, content(300'001));
  r.body_bytes_max = 300'000;
  expect_error(ask(r), error_code::payload_too_large, "more than 300000 bytes");
  r.url = at("/chunked/300001");
  expect_error(ask(r), error_code::payload_too_large, "more than 300000 bytes");
}

TEST_F(Reach, PeersThatAreNoWebServers) {
  const auto once = [](auto& o) { o.retries_max = 0; };
  expect_error(ask(question(at("/headers-for-ever")), once), error_code::unavailable, "more headers than are read");
  expect_error(ask(question(at("/continues-for-ever")), once), error_code::unavailable, "more headers than are read");
  EXPECT_FALSE(ask(question(at("/one-long-header")), once));
  EXPECT_FALSE(ask(question(at("/garbage")), once));
  EXPECT_FALSE(ask(question(at("/closes")), once));
  auto f = wants("/headers-for-ever", 1);
  EXPECT_FALSE(get(f));
}

TEST_F(Reach, AnAnswerThatDoesNotComeIsNotWaitedFor) {
  expect_error(ask(question(at("/says-nothing")),
                   [](auto& o) {
                     o.retries_max = 1;
                     o.answer_timeout = 50ms;
                   }),
               error_code::unavailable, "does not answer within 50 ms; given up after 2 tries");
}

TEST_F(Reach, UrlsThatAreNone) {
  for (const char* url : {"", "nonsense", "ftp://a/", "http://u:secret@a/", "file:///etc/passwd"}) {
    const auto got = ask(question(url));
    expect_error(got, error_code::bad_request, "cannot fetch");
    EXPECT_THAT(got.error().message, Not(HasSubstr("secret")));
    EXPECT_EQ(tries, 0U);
  }
}

// -- proxies -----------------------------------------------------------------------------------------------------

TEST_F(Reach, AProxyIsAskedForNamesThatWeDoNotResolve) {
  const auto self = at("");
  ::setenv("http_proxy", self.substr(0, self.find('?')).c_str(), 1);
  auto r = question("http://unknown.example/echo");
  r.may_reach = reach::outside;
  const auto got = ask(r);
  r.url = "http://169.254.169.254/echo";
  const auto literal = ask(r);
  ::setenv("no_proxy", "unknown.example", 1);
  r.url = "http://unknown.example/echo";
  const auto direct = ask(r, [](auto& o) { o.retries_max = 0; });
  ::unsetenv("http_proxy");
  ::unsetenv("no_proxy");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_THAT(got->body, HasSubstr("host: unknown.example"));
  EXPECT_EQ(literal.error().code, error_code::forbidden) << "an address that is written out is judged even so";
  EXPECT_THAT(direct.error().message, HasSubstr("cannot resolve unknown.example"));
}

}  // namespace
}  // namespace troupe::cache
