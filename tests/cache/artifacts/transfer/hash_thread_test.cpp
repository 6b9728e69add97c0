#include "cache/artifacts/transfer/hash_thread.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>

namespace troupe::cache {
namespace {

std::string hash(const std::string& text) {
  sha256 sum;
  sum.add(std::string_view(text));
  return sum.hex();
}

class HashThread : public testing::Test {
 protected:
  HashThread() {
    auto name = (std::filesystem::temp_directory_path() / "hash_thread.XXXXXX").string();
    file = std::make_shared<const inference::file_descriptor>(::mkostemp(name.data(), O_CLOEXEC));
    ::unlink(name.c_str());
  }
  void append(const std::string& bytes) {
    ASSERT_EQ(::write(file->get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    text += bytes;
  }
  std::shared_ptr<hash_stream> begin(std::uint64_t kept = 0, const std::string& sum = {}) {
    told = {};
    return hashes.begin(file, "the file", kept, sum, [this] { told.set_value(); });
  }
  hash_stream::view at(hash_stream& s, std::uint64_t bytes) {
    if (hashes.tell_at(s, bytes)) told.get_future().wait();
    told = {};
    return s.look();
  }

  std::shared_ptr<const inference::file_descriptor> file;
  std::string text;
  std::promise<void> told;
  hash_thread hashes;  // ends before what it calls
};

TEST_F(HashThread, FollowsWhatIsThere) {
  const auto s = begin();
  EXPECT_EQ(at(*s, 0).sha256, hash("")) << "before anything";
  append(std::string(3'000'000, 'a'));
  hashes.extend(*s, 2'999'999);
  EXPECT_EQ(at(*s, 2'999'999).sha256, hash(text.substr(0, 2'999'999)));
  append("the end");
  hashes.extend(*s, text.size());
  const auto view = at(*s, text.size());
  EXPECT_EQ(view.bytes, text.size());
  EXPECT_EQ(view.sha256, hash(text));
  EXPECT_FALSE(view.kept_differ || view.why);
}

TEST_F(HashThread, KeptBytesMustBeWhatTheyWere) {
  append(std::string(2'500'000, 'b'));
  const auto good = begin(2'000'000, hash(text.substr(0, 2'000'000)));
  hashes.extend(*good, text.size());
  EXPECT_EQ(at(*good, text.size()).sha256, hash(text));
  const auto bad = begin(2'000'000, hash("another"));
  hashes.extend(*bad, text.size());
  const auto view = at(*bad, text.size());
  EXPECT_TRUE(view.kept_differ);
  EXPECT_FALSE(hashes.tell_at(*bad, text.size())) << "nothing more is hashed";
}

TEST_F(HashThread, AFileThatIsShorterIsAnError) {
  append("short");
  const auto s = begin();
  hashes.extend(*s, 100);
  const auto view = at(*s, 100);
  ASSERT_TRUE(view.why);
  EXPECT_EQ(view.why->code, error_code::unavailable);
  EXPECT_NE(view.why->message.find("the file"), std::string::npos);
}

TEST_F(HashThread, TwoFilesShareIt) {
  append(std::string(5'000'000, 'c'));
  const auto a = begin();
  std::promise<void> other;
  const auto b = hashes.begin(file, "the file", 0, {}, [&] { other.set_value(); });
  const bool wait = hashes.tell_at(*b, text.size());
  hashes.extend(*a, text.size());
  hashes.extend(*b, text.size());
  EXPECT_EQ(at(*a, text.size()).sha256, hash(text));
  if (wait) other.get_future().wait();
  EXPECT_EQ(b->look().sha256, hash(text));
}

TEST_F(HashThread, WhatIsDroppedIsLeftAlone) {
  append(std::string(5'000'000, 'd'));
  auto s = begin();
  hashes.drop(*s);
  hashes.extend(*s, text.size());
  const auto other = begin();
  hashes.extend(*other, text.size());
  EXPECT_EQ(at(*other, text.size()).sha256, hash(text));
  EXPECT_EQ(s->look().bytes, 0U);
}

}  // namespace
}  // namespace troupe::cache
