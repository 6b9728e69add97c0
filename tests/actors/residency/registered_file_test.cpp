// The file of what was registered at run time: faults of the disk, of people, and of other processes.

#include "actors/residency/registered_file.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <thread>

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;

config::registered_model model(const std::string& name) {
  config::registered_model m;
  m.name = name;
  m.path = "/models/" + name;
  return m;
}

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct RegisteredFile : ::testing::Test {
  fs::path folder, path;
  std::optional<error> disk;  // what the next writes meet

  void SetUp() override {
    auto name = (fs::temp_directory_path() / "troupe-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    path = folder / "data/registered.json";
  }
  void TearDown() override { fs::remove_all(folder); }

  registered_file open() {
    registered_file file(path, {}, [this](const fs::path& to, std::string_view text) -> result<void> {
      if (disk) return tl::unexpected(*disk);
      return registered_file::write_synced(to, text);
    });
    file.read(reading::at_start);
    return file;
  }
  static registered_file::updated put(registered_file& file, const std::string& name) {
    return file.update([&](auto& models) { return models.emplace(name, model(name)).second; });
  }
  static std::string names(const registered_file& file) {
    std::string all;
    for (const auto& [name, m] : file.models()) all += name;
    return all;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> all;
    for (const auto& e : fs::directory_iterator(path.parent_path())) all.push_back(e.path().filename().string());
    std::sort(all.begin(), all.end());
    return all;
  }
  using list = std::vector<std::string>;
};

TEST_F(RegisteredFile, ReadingLeavesNothingBehind) {
  const auto file = open();
  EXPECT_TRUE(file.models().empty());
  EXPECT_EQ(file.trouble(), "");
  EXPECT_FALSE(fs::exists(path.parent_path()));
}

TEST_F(RegisteredFile, WhatIsWrittenIsThereForTheNext) {
  auto file = open();
  EXPECT_TRUE(put(file, "a").kept);
  EXPECT_TRUE(put(file, "b").kept);
  EXPECT_EQ(names(open()), "ab");
  EXPECT_EQ(files(), (list{"registered.json", "registered.json.lock"}));
}

TEST_F(RegisteredFile, AChangeThatChangesNothingWritesNothing) {
  auto file = open();
  put(file, "a");
  disk = error{error_code::internal, "no space", {}, {}};
  EXPECT_TRUE(put(file, "a").kept);
}

TEST_F(RegisteredFile, AFullDiskLeavesAllAsItWas) {
  auto file = open();
  put(file, "a");
  const auto before = text_of(path);
  disk = error{error_code::internal, "no space", {}, {}};
  EXPECT_EQ(put(file, "b").kept.error().message, "no space");
  EXPECT_EQ(names(file), "a");
  EXPECT_EQ(text_of(path), before);
  disk.reset();
  EXPECT_TRUE(put(file, "b").kept);
  EXPECT_EQ(names(open()), "ab");
}

TEST_F(RegisteredFile, AFolderThatCannotBeMadeIsTold) {
  std::ofstream(folder / "data") << "a file";
  auto file = open();
  const auto kept = put(file, "a").kept;
  ASSERT_FALSE(kept);
  EXPECT_NE(kept.error().message.find("cannot write"), std::string::npos) << kept.error().message;
  EXPECT_TRUE(file.models().empty());
}

TEST_F(RegisteredFile, TwoProcessesDoNotUndoEachOther) {
  auto one = open(), other = open();
  EXPECT_FALSE(put(one, "a").others);
  EXPECT_TRUE(put(other, "b").others) << "it has learned of a";
  EXPECT_EQ(names(other), "ab");
  EXPECT_FALSE(put(other, "c").others);
  const auto removed = one.update([](auto& models) { return models.erase("a") > 0; });
  EXPECT_TRUE(removed.kept);
  EXPECT_TRUE(removed.others);
  EXPECT_EQ(names(one), "bc");
  other.read(reading::on_request);
  EXPECT_EQ(names(other), "bc");
}

TEST_F(RegisteredFile, ManyWritersAtOnceLoseNothing) {
  constexpr int writers = 4, each = 12;
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w)
    threads.emplace_back([&, w] {
      registered_file file(path, {});
      for (int i = 0; i < each; ++i) EXPECT_TRUE(put(file, std::to_string(w) + "-" + std::to_string(i)).kept);
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(open().models().size(), static_cast<std::size_t>(writers * each));
}

TEST_F(RegisteredFile, ALockThatIsHeldIsWaitedFor) {
  auto file = open();
  put(file, "a");
  const inference::file_descriptor held{::open((path.string() + ".lock").c_str(), O_RDWR | O_CLOEXEC)};
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  std::thread lets_go([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ::flock(held.get(), LOCK_UN);
  });
  EXPECT_TRUE(put(file, "b").kept);
  lets_go.join();
}

TEST_F(RegisteredFile, OneThatWasDeletedIsMadeAgainWithTheNextChange) {
  auto file = open();
  put(file, "a");
  fs::remove(path);
  EXPECT_TRUE(put(file, "b").kept);
  EXPECT_EQ(names(open()), "ab");
}

TEST_F(RegisteredFile, OneThatWasDeletedAndIsReadAgainRegistersNothing) {
  auto file = open();
  put(file, "a");
  fs::remove(path);
  file.read(reading::on_request);
  EXPECT_TRUE(file.models().empty());
  EXPECT_EQ(file.trouble(), "");
}

// -- broken ones ----------------------------------------------------------------------------------------------

const char* const half_good = R"({"models": {"a": {"path": "/models/a"}, "b": {"path": "/models/b", "later": 1}}})";

TEST_F(RegisteredFile, ABrokenOneIsPutAsideAtTheStartAndWhatCanBeUsedIs) {
  fs::create_directory(path.parent_path());
  std::ofstream(path) << half_good;
  auto file = open();
  EXPECT_EQ(names(file), "a");
  EXPECT_NE(file.trouble().find("unknown key \"later\""), std::string::npos) << file.trouble();
  EXPECT_NE(file.trouble().find("registered.json.broken-1"), std::string::npos) << file.trouble();
  EXPECT_EQ(text_of(path.string() + ".broken-1"), half_good);
  EXPECT_EQ(names(open()), "a") << "it was written anew";

  EXPECT_TRUE(put(file, "c").kept);
  EXPECT_NE(file.trouble(), "") << "b is still missing";
  file.read(reading::on_request);
  EXPECT_EQ(file.trouble(), "");
  EXPECT_EQ(names(file), "ac");

  std::ofstream(path) << "{";
  EXPECT_EQ(names(open()), "");
  EXPECT_EQ(files(), (list{"registered.json", "registered.json.broken-1", "registered.json.broken-2",
                           "registered.json.lock"}));
}

TEST_F(RegisteredFile, OneThatBreaksLaterLeavesInForceWhatWas) {
  auto file = open();
  put(file, "a");
  put(file, "b");
  for (const auto how : {reading::on_request, reading::before_a_change}) {
    std::ofstream(path) << half_good;
    if (how == reading::on_request)
      file.read(how);
    else
      EXPECT_TRUE(put(file, "c").kept);
    EXPECT_NE(file.trouble(), "");
    EXPECT_EQ(names(file), names(open())) << "it was written anew";
  }
  EXPECT_EQ(names(file), "abc");
  EXPECT_TRUE(fs::exists(path.string() + ".broken-2"));
}

TEST_F(RegisteredFile, ABrokenOneThatCannotBePutAsideIsNotWrittenOver) {
  fs::create_directory(path.parent_path());
  std::ofstream(path) << half_good;
  disk = error{error_code::internal, "no space", {}, {}};
  auto file = open();
  EXPECT_EQ(names(file), "a") << "it serves all the same";
  EXPECT_NE(file.trouble().find("no space"), std::string::npos) << file.trouble();
  EXPECT_FALSE(put(file, "c").kept);
  EXPECT_EQ(text_of(path), half_good);
  EXPECT_FALSE(fs::exists(path.string() + ".broken-1"));
  disk.reset();
  EXPECT_TRUE(put(file, "c").kept) << "there is room again";
  EXPECT_EQ(names(open()), "ac");
  EXPECT_EQ(text_of(path.string() + ".broken-1"), half_good);
}

TEST_F(RegisteredFile, OneThatCannotBeReadIsNotWrittenOver) {
  fs::create_directories(path);  // a folder: root, too, cannot read it as a file
  auto file = open();
  EXPECT_NE(file.trouble().find("is a folder"), std::string::npos) << file.trouble();
  EXPECT_FALSE(put(file, "a").kept);
  EXPECT_TRUE(fs::is_directory(path));
  fs::remove(path);
  std::ofstream(path) << R"({"models": {"b": {"path": "/models/b"}}})";
  const auto now = put(file, "a");
  EXPECT_TRUE(now.kept);
  EXPECT_TRUE(now.others);
  EXPECT_EQ(names(file), "ab");
  EXPECT_EQ(file.trouble(), "");
}

TEST_F(RegisteredFile, OneThatWasInTheWayAndIsGoneIsInNobodysWay) {
  fs::create_directories(path);
  auto file = open();
  EXPECT_FALSE(put(file, "a").kept);
  fs::remove(path);
  EXPECT_TRUE(put(file, "a").kept);
  EXPECT_EQ(names(open()), "a");
}

TEST_F(RegisteredFile, WhatAKilledWriterHasLeftGoes) {
  fs::create_directory(path.parent_path());
  std::ofstream(path.string() + ".abcdef.tmp") << "{\"mod";
  auto file = open();
  put(file, "a");
  EXPECT_EQ(files(), (list{"registered.json", "registered.json.lock"}));
}

}  // namespace
}  // namespace troupe::actors
