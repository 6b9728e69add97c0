#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "tests/cache/catalog/providers/support.hpp"

namespace troupe::cache {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FileListing : public testing::Test {
 protected:
  config::catalog_provider from(const std::string& name = "models.json") {
    config::catalog_provider out;
    out.name = "mine";
    out.type = "file";
    out.path = folder_.path() / name;
    return out;
  }
  scratch_folder folder_;
};

TEST_F(FileListing, IsReadAfreshEveryTime) {
  reading p(from());
  folder_.write("models.json", R"({"data":[{"id":"a","pricing":{"prompt":"0.1"}},{}]})");
  const auto got = p.read();
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_THAT(p.ids(), ElementsAre("a"));
  EXPECT_EQ(p.batches[0][0].provider, "mine");
  EXPECT_EQ(got->pages, 1U);
  EXPECT_THAT(got->examples, ElementsAre("data[1]: id is missing"));
  folder_.write("models.json", R"([{"id":"b"}])");
  ASSERT_TRUE(p.read());
  EXPECT_THAT(p.ids(), ElementsAre("b"));
  EXPECT_THAT(p.asked(), IsEmpty());
}

TEST_F(FileListing, WhatIsNoListing) {
  reading p(from());
  EXPECT_FAILS(p.read(), error_code::unavailable, "models.json");
  folder_.write("models.json", "");
  EXPECT_FAILS(p.read(), error_code::unprocessable, "empty");
  folder_.write("models.json", R"({"data":[{"id":"a"})");
  EXPECT_FAILS(p.read(), error_code::unprocessable, "no JSON");
  folder_.write("models.json", R"({"data":[]})");
  EXPECT_FAILS(p.read(), error_code::unprocessable, "lists no model");
  std::filesystem::remove(folder_.path() / "models.json");
  std::filesystem::create_directory(folder_.path() / "models.json");
  EXPECT_FAILS(p.read(), error_code::unavailable, "not a regular file");
  reading pipe(from("pipe"));
  ASSERT_EQ(::mkfifo((folder_.path() / "pipe").c_str(), 0600), 0);
  EXPECT_FAILS(pipe.read(), error_code::unavailable, "not a regular file");
}

TEST_F(FileListing, IsBounded) {
  provider_limits limits;
  limits.page_bytes_max = 14;
  reading p(from(), {}, limits);
  folder_.write("models.json", R"([{"id":"abc"}])");
  EXPECT_TRUE(p.read());
  folder_.write("models.json", R"([{"id":"abcd"}])");
  EXPECT_FAILS(p.read(), error_code::payload_too_large, "more than 14");
}

// Written in place while it is read: the old, the new, or an error; never rows of both.
TEST_F(FileListing, AFileThatChanges) {
  const auto content = [](char c, int rows) {
    std::string out = "[";
    for (int i = 0; i < rows; ++i)
      out += (i == 0 ? "" : ",") + std::string("{\"id\":\"") + c + std::to_string(i) + "\"}";
    return out + ']';
  };
  const std::string contents[] = {content('a', 3000), content('b', 5000)};
  folder_.write("models.json", contents[0]);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) folder_.write("models.json", contents[i % 2]);
  });
  reading p(from());
  int whole = 0, refused = 0;
  for (int i = 0; i < 200; ++i) {
    const auto got = p.read();
    if (!got) {
      ++refused;
      continue;
    }
    ++whole;
    const auto ids = p.ids();
    const char kind = ids[0][0];
    EXPECT_EQ(ids.size(), kind == 'a' ? 3000U : 5000U);
    for (const auto& id : ids) ASSERT_EQ(id[0], kind);
  }
  stop = true;
  writer.join();
  EXPECT_EQ(whole + refused, 200);
}

}  // namespace
}  // namespace troupe::cache
