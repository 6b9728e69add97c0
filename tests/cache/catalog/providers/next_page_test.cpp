#include "cache/catalog/providers/next_page.hpp"

#include "tests/cache/catalog/providers/support.hpp"

namespace troupe::cache {
namespace {

TEST(NextPage, LinkHeaders) {
  EXPECT_EQ(next_link(R"(<https://h/a?x=1>; rel="next")"), "https://h/a?x=1");
  EXPECT_EQ(next_link(R"(<https://h/p>; rel="prev", <https://h/n>; title="a, b; rel=next"; rel=next)"), "https://h/n");
  EXPECT_EQ(next_link(R"(</a,b;c?d>;REL="last Next")"), "/a,b;c?d");
  EXPECT_EQ(next_link(R"(<a>; rel=next; title="unclosed)"), "a");
  for (const char* none : {"", "x", "<a", "<a>", R"(<a>; rel="nextish")", R"(<a>; title="rel=next")",
                           "<a>; rel=", "<a>; rel", R"(<a>; title="\)", ",,;;", "<>;;,"})
    EXPECT_EQ(next_link(none), "") << none;
}

TEST(NextPage, Parameters) {
  EXPECT_EQ(with_parameter("http://h/v1/models", "after_id", "a b&c"), "http://h/v1/models?after_id=a%20b%26c");
  EXPECT_EQ(with_parameter("http://h/m?limit=9&after_id=x&y", "after_id", "z"), "http://h/m?limit=9&y&after_id=z");
  EXPECT_EQ(with_parameter("http://h/m?#f", "t", ""), "http://h/m?t=");
}

std::string next_of(const std::string& url, const std::string& link, const page_facts& page = {}) {
  http_answer answer;
  if (!link.empty()) answer.headers = {{"link", link}};
  const auto next = next_page(url, answer, page);
  return next ? *next : "error: " + next.error().message;
}

TEST(NextPage, WhereItIs) {
  const std::string url = "https://h/api/models?limit=2";
  EXPECT_EQ(next_of(url, ""), "");
  EXPECT_EQ(next_of(url, R"(<https://h/api/models?limit=2&cursor=c>; rel="next")"), url + "&cursor=c");
  EXPECT_EQ(next_of(url, R"(<?cursor=c>; rel="next")"), "https://h/api/models?cursor=c");
  EXPECT_EQ(next_of(url, R"(</other?p=2>; rel="next")"), "https://h/other?p=2");
  // Mirrors name the hub, servers behind a proxy themselves: never followed there.
  for (const char* elsewhere :
       {"https://huggingface.co/api/models?cursor=c", "http://h/api/models?cursor=c#f",
        "http://169.254.169.254/api/models?cursor=c", "//evil/?cursor=c", "https://u:p@h/x?cursor=c"})
    EXPECT_EQ(next_of(url, '<' + std::string(elsewhere) + R"(>; rel="next")"), "https://h/api/models?cursor=c")
        << elsewhere;
  EXPECT_EQ(next_of(url, R"(<https://other/page2>; rel="next")").rfind("error: ", 0), 0U);
  EXPECT_EQ(next_of(url, "", {"data", true, "z/9", "", ""}), url + "&after_id=z%2F9");
  EXPECT_EQ(next_of(url, "", {"data", false, "z", "", ""}), "");
  EXPECT_EQ(next_of(url, "", {"data", false, "", "t=", ""}), url + "&page_token=t%3D");
  EXPECT_EQ(next_of(url, "", {"data", false, "", "", "T"}), url + "&pageToken=T");
  EXPECT_EQ(next_of(url, "", {"data", true, "", "", ""}).rfind("error: ", 0), 0U);
}

}  // namespace
}  // namespace troupe::cache
