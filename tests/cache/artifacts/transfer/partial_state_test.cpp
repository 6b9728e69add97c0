#include "cache/artifacts/transfer/partial_state.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

class PartialState : public testing::Test {
 protected:
  PartialState() : path(fs::temp_directory_path() / ("partial_state." + std::to_string(::getpid()))) {}
  ~PartialState() override { fs::remove(path); }
  void put(const std::string& text) { std::ofstream(path) << text; }
  const fs::path path;
  const partial_state some{"commit \"e\" 9", 100, 40, std::string(64, 'a'), "\"etag\""};
};

TEST_F(PartialState, IsReadAsItWasWritten) {
  for (const auto& state : {some, partial_state{"i\n\xc3\xa4", std::nullopt, 5, std::string(64, '0'), ""}}) {
    ASSERT_TRUE(write_partial_state(path, state));
    const auto read = read_partial_state(path);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, state);
    EXPECT_FALSE(fs::exists(path.string() + ".new"));
  }
}

TEST_F(PartialState, WhatIsNoStateIsAnError) {
  const auto good = to_json(some);
  for (const auto& text :
       {std::string(), std::string("[]"), std::string("{}"), good.substr(0, good.size() / 2),
        std::string(R"({"identity":"i","whole":-1,"sha256":")" + some.sha256 + R"(","etag":""})"),
        std::string(R"({"identity":"i","whole":1,"sha256":"abc","etag":""})"),
        std::string(R"({"identity":"i","whole":9,"size":8,"sha256":")" + some.sha256 + R"(","etag":""})"),
        std::string(R"({"identity":"i","whole":9,"size":"x","sha256":")" + some.sha256 + R"(","etag":""})"),
        std::string(R"({"identity":1,"whole":9,"sha256":")" + some.sha256 + R"(","etag":""})")}) {
    put(text);
    EXPECT_FALSE(read_partial_state(path)) << text;
  }
  fs::remove(path);
  EXPECT_FALSE(read_partial_state(path)) << "not there";
}

TEST_F(PartialState, ThatCannotBeWrittenSaysWhere) {
  const auto no = write_partial_state("/nowhere/at.state", some);
  ASSERT_FALSE(no);
  EXPECT_EQ(no.error().code, error_code::unavailable);
  EXPECT_NE(no.error().message.find("/nowhere/at.state"), std::string::npos);
}

TEST_F(PartialState, OnlyTheSameContentIsGoneOnWith) {
  EXPECT_EQ(usable(some, some.identity, 100, 40), some);
  EXPECT_EQ(usable(some, some.identity, std::nullopt, 1000), some);
  EXPECT_FALSE(usable(some, "another", 100, 40));
  EXPECT_FALSE(usable(some, some.identity, 101, 40)) << "another size";
  EXPECT_FALSE(usable(some, some.identity, 100, 39)) << "the file is shorter than it says";
  auto nameless = some;
  nameless.identity.clear();
  EXPECT_FALSE(usable(nameless, "", 100, 40)) << "content without identity";
  auto sizeless = some;
  sizeless.size.reset();
  EXPECT_FALSE(usable(sizeless, some.identity, 39, 40));
}

}  // namespace
}  // namespace troupe::cache
