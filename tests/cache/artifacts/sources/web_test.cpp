#include <gmock/gmock.h>

#include "tests/cache/artifacts/sources/fake_client.hpp"

namespace troupe::cache {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Web : ::testing::Test {
  error fault(const std::string& url) {
    const auto made = plan_of(source_kind::url, url, settings, client);
    EXPECT_FALSE(made) << url;
    return made ? error{} : made.error();
  }
  source_settings settings;
  fake_client client;
};

TEST_F(Web, OneFileNamedByTheLastSegment) {
  const auto made =
      plan_of(source_kind::url, "https://h.example/a/My%20Model.SafeTensors?sig=x%2Fy#top", settings, client);
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_EQ(made->files.size(), 1u);
  EXPECT_EQ(made->files[0].path, "My Model.SafeTensors");
  EXPECT_EQ(made->files[0].url, "https://h.example/a/My%20Model.SafeTensors?sig=x%2Fy");
  EXPECT_EQ(made->files[0].sha256_begins, "");
  EXPECT_EQ(made->may_reach, reach::outside);
  EXPECT_FALSE(made->authorize);
  EXPECT_TRUE(client.seen.empty());
  for (const auto* name : {"m.pt", "m.pth", "m.bin", "m.pt2"})
    EXPECT_TRUE(plan_of(source_kind::url, std::string("http://h/") + name, settings, client)) << name;
  settings.allow_private = true;
  EXPECT_EQ(plan_of(source_kind::url, "http://h/m.pt", settings, client)->may_reach, reach::anywhere);
}

TEST_F(Web, ArchivesAreRefusedByName) {
  for (const auto* name : {"m.zip", "m.tar", "m.tgz", "m.tar.gz", "m.pt.gz", "m.7z", "m.RAR", "m.tar.zst"}) {
    const auto why = fault(std::string("https://h/") + name);
    EXPECT_EQ(why.code, error_code::bad_request);
    EXPECT_THAT(why.message, HasSubstr(std::string("'") + name + "' is an archive"));
  }
}

TEST_F(Web, WhatIsNoFileOfWeights) {
  EXPECT_THAT(fault("https://h/model").message, HasSubstr("'model' is no file of weights"));
  EXPECT_THAT(fault("https://h/").message, HasSubstr("no file of weights"));
  EXPECT_THAT(fault("https://h/x.html?f=m.pt").message, HasSubstr("'x.html'"));
  EXPECT_THAT(fault("https://h/x#m.pt").message, HasSubstr("'x'"));
  EXPECT_THAT(fault("https://h/%2e%2e%2fm.pt").message, HasSubstr("m.pt"));
  EXPECT_THAT(fault("https://h/a%2fm.pt").message, HasSubstr("'a/m.pt' is no file name"));
  EXPECT_THAT(fault("https://h/a%00.pt").message, HasSubstr("control character"));
  EXPECT_THAT(fault("https://h/a%ff.pt").message, HasSubstr("UTF-8"));
  EXPECT_THAT(fault("https://h/a%zz.pt").message, HasSubstr("percent-encoded"));
  EXPECT_THAT(fault("https://h/" + std::string(300, 'a') + ".pt").message, HasSubstr("longer"));
}

TEST_F(Web, OtherSchemesAndCredentials) {
  for (const auto* url : {"ftp://h/m.pt", "file:///m.pt", "h/m.pt", "s3://b/m.pt"})
    EXPECT_THAT(fault(url).message, HasSubstr("no http or https URL")) << url;
  const auto why = fault("https://user:secret@h/m.pt");
  EXPECT_THAT(why.message, HasSubstr("user name or password"));
  EXPECT_THAT(why.message + why.detail, Not(HasSubstr("secret")));
  const auto made = plan_of(source_kind::url, "https://h/m.pt", settings, client, "main");
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("no revision"));
}

}  // namespace
}  // namespace troupe::cache
