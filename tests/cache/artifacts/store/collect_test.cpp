// What goes, and what stays: garbage, limits, room, damage.

#include <fcntl.h>

#include <chrono>

#include "tests/cache/artifacts/support.hpp"

namespace troupe::cache::tests {
namespace {

using std::chrono::hours;
using names = std::vector<std::string>;

class StoreUpkeep : public testing::Test {
 protected:
  fs::path root() const { return scratch_.path() / "models"; }
  fs::path own() const { return root() / ".store"; }
  fs::path blob(const std::string& content) const { return own() / "blobs" / digest_of(content); }
  void reopen(store_options options = {}) {
    store_.reset();
    store_ = open_store(root(), options);
  }
  static void set_age(const fs::path& path, hours age) {
    const auto then =
        std::chrono::duration_cast<std::chrono::seconds>((std::chrono::system_clock::now() - age).time_since_epoch());
    const timespec times[2] = {{then.count(), 0}, {then.count(), 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0) << path;
  }
  void used_before(const std::string& name, hours age) { set_age(root() / name / "@used", age); }
  names all() const {
    names out;
    for (const auto& m : store_->list()) out.push_back(m.name);
    return out;
  }
  scratch_folder scratch_;
  std::unique_ptr<store> store_ = open_store(root());
};

TEST_F(StoreUpkeep, WhatNoManifestNamesGoes) {
  const auto kept = put(*store_, "org/m", {{"x", "kept"}});
  write_file(blob("orphan"), "orphan");
  write_file(root() / "org" / "gone" / "@0123456789abcdef" / "x", "leftover of a crash");
  write_file(root() / "org" / "m" / "@fedcba9876543210" / "x", "another");
  write_file(own() / "tmp" / "0123456789abcdef" / "3" / "x", "of a dead process");
  write_file(own() / "tmp" / "file", "12345");
  fs::create_directories(root() / "empty");
  const auto done = store_->collect({});
  ASSERT_TRUE(done) << text(done.error());
  EXPECT_EQ(done->freed_bytes, 6u + 19u + 7u + 17u + 5u);
  EXPECT_TRUE(done->evicted.empty());
  EXPECT_EQ(leaked_in(root(), 1), names());
  EXPECT_EQ(broken_in(root()), names());
  EXPECT_EQ(store_->collect({})->freed_bytes, 0u);
}

TEST_F(StoreUpkeep, WhatIsNotOursStays) {
  ASSERT_TRUE(put(*store_, "m", {{"x", "kept"}}));
  const std::vector<fs::path> foreign{root() / "README",         root() / "m" / "notes.txt",
                                      root() / "mine" / "a.bin", own() / "blobs" / "README",
                                      root() / ".git" / "x",     root() / "m" / "@x" / "y"};
  for (const auto& path : foreign) write_file(path, "theirs");
  ASSERT_TRUE(store_->collect({}));
  ASSERT_TRUE(store_->remove("m"));
  for (const auto& path : foreign) EXPECT_EQ(read_file(path), "theirs") << path;
}

TEST_F(StoreUpkeep, OthersAtWorkAreLeftAlone) {
  const auto other = open_store(root());
  auto folder = other->lock_partial("theirs", nullptr);
  write_file(folder->path() / "0", "being fetched");
  reopen({0, std::chrono::seconds(0)});
  ASSERT_TRUE(store_->collect({}));
  EXPECT_EQ(read_file(folder->path() / "0"), "being fetched");
  manifest m;
  m.name = "m";
  const std::vector<fetched_file> fetched{{folder->path() / "0", described("x", "being fetched")}};
  const auto made = other->publish(m, fetched, std::move(*folder));
  EXPECT_TRUE(made) << text(made.error());
}

TEST_F(StoreUpkeep, PartialFoldersStayForADay) {
  const auto keep = [&](const std::string& key, hours age) {
    auto folder = store_->lock_partial(key, nullptr);
    write_file(folder->path() / "0", key);
    for (const auto& path : {folder->path() / "0", folder->path() / "@lock", folder->path()}) set_age(path, age);
    return folder->path();
  };
  const auto old = keep("old", hours(25)), young = keep("young", hours(23)), grown = keep("grown", hours(25));
  set_age(grown / "0", hours(1));
  EXPECT_EQ(store_->collect({})->freed_bytes, 3u);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_EQ(read_file(young / "0"), "young");
  EXPECT_EQ(read_file(grown / "0"), "grown") << "the download went on after it had begun";
}

TEST_F(StoreUpkeep, OverTheLimitTheLeastRecentlyUsedGo) {
  for (const char* name : {"a", "b", "org/c", "d", "e"}) {
    ASSERT_TRUE(put(*store_, name, {{"x", std::string(1000, name[0])}, {"shared", std::string(500, 's')}}));
    used_before(name, hours(10));
  }
  used_before("b", hours(30));
  used_before("org/c", hours(20));
  used_before("e", hours(40));
  used_before("a", hours(50));
  ASSERT_TRUE(store_->pin("a", true));
  reopen({3600, hours(24)});
  const auto in_use = store_->folder_of(*store_->find("e"));
  const auto done = store_->collect({in_use});
  ASSERT_TRUE(done) << text(done.error());
  EXPECT_EQ(done->evicted, (names{"b", "org/c"}));
  EXPECT_EQ(done->freed_bytes, 2000u);
  EXPECT_EQ(all(), (names{"a", "d", "e"}));
  EXPECT_EQ(leaked_in(root(), 1), names());
  // A use is known at once, and to the next process.
  store_->used("e");
  reopen({2600, hours(24)});
  EXPECT_EQ(store_->collect({})->evicted, names{"d"});
  reopen({1, hours(24)});
  EXPECT_EQ(store_->collect({in_use})->evicted, names()) << "pinned and in use";
  EXPECT_EQ(store_->collect({})->evicted, names{"e"});
  EXPECT_EQ(all(), names{"a"});
}

TEST_F(StoreUpkeep, AUseIsWrittenOnceAMinuteAndMakesNothing) {
  ASSERT_TRUE(put(*store_, "m", {{"x", "1"}}));
  used_before("m", hours(5));
  store_->used("m");
  const auto written = fs::last_write_time(root() / "m" / "@used");
  EXPECT_LT(fs::file_time_type::clock::now() - written, hours(1));
  used_before("m", hours(5));
  store_->used("m");
  EXPECT_GT(fs::file_time_type::clock::now() - fs::last_write_time(root() / "m" / "@used"), hours(1));
  store_->used("nobody");
  EXPECT_FALSE(fs::exists(root() / "nobody"));
}

TEST_F(StoreUpkeep, RoomIsPromisedOnce) {
  const auto free = *store_->free_bytes();
  ASSERT_GT(free, 0u);
  auto most = store_->reserve(free / 4 * 3);
  ASSERT_TRUE(most) << text(most.error());
  const auto more = store_->reserve(free / 2);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, error_code::unavailable);
  EXPECT_NE(more.error().message.find(root().string()), std::string::npos) << more.error().message;
  EXPECT_NE(more.error().message.find("more are needed"), std::string::npos);
  most->reset();
  EXPECT_TRUE(store_->reserve(free / 2));
  EXPECT_FALSE(store_->reserve(~0ull));
  EXPECT_TRUE(store_->reserve(0));
  auto outlives = store_->reserve(1);
  store_.reset();
}

TEST_F(StoreUpkeep, RoomThatIsFilledIsNotCountedTwice) {
  constexpr std::uint64_t whole = 1 << 20;
  reopen({whole + whole / 2, hours(24)});
  auto folder = store_->lock_partial("m", nullptr);
  const auto room = store_->reserve(whole, &*folder);
  ASSERT_TRUE(room) << text(room.error());
  EXPECT_FALSE(store_->reserve(whole));
  write_file(folder->path() / "0", std::string(whole / 2, 'x'));
  EXPECT_TRUE(store_->reserve(whole)) << "half of it is there";
  manifest m;
  m.name = "m";
  const std::vector<fetched_file> fetched{{folder->path() / "0", described("x", std::string(whole / 2, 'x'))}};
  ASSERT_TRUE(store_->publish(m, fetched, std::move(*folder)));
  EXPECT_TRUE(store_->reserve(whole + whole / 2)) << "all of it is published";
}

TEST_F(StoreUpkeep, TheLimitCountsWhatMayNotGo) {
  ASSERT_TRUE(put(*store_, "pinned", {{"x", std::string(4000, 'p')}}));
  ASSERT_TRUE(put(*store_, "busy", {{"x", std::string(3000, 'b')}, {"y", std::string(4000, 'p')}}));
  ASSERT_TRUE(put(*store_, "idle", {{"x", std::string(2000, 'i')}}));
  ASSERT_TRUE(store_->pin("pinned", true));
  reopen({10'000, hours(24)});
  const auto busy = store_->folder_of(*store_->find("busy"));
  EXPECT_TRUE(store_->reserve(6000));
  const auto refused = store_->reserve(6001);
  ASSERT_FALSE(refused);
  EXPECT_NE(text(refused.error()).find("1 bytes more are needed"), std::string::npos) << text(refused.error());
  EXPECT_NE(text(refused.error()).find("store_limit_gb"), std::string::npos);
  EXPECT_TRUE(store_->reserve(3000, nullptr, {busy}));
  EXPECT_FALSE(store_->reserve(3001, nullptr, {busy}));
}

TEST_F(StoreUpkeep, DamageIsFoundAndANewDownloadMendsIt) {
  const std::string good = "good content", bad = "bad  content";
  const auto m = put(*store_, "m", {{"x", good}, {"y", "fine"}});
  ASSERT_TRUE(put(*store_, "other", {{"z", good}}));
  EXPECT_TRUE(store_->verify(nullptr).empty());
  fs::permissions(blob(good), fs::perms(0644));
  std::ofstream(blob(good), std::ios::in | std::ios::out) << bad;
  fs::remove(store_->folder_of(*m) / "y");
  std::uint64_t done = 0;
  const auto faults = store_->verify([&](std::uint64_t now, std::uint64_t all) {
    EXPECT_GE(now, done);
    EXPECT_EQ(all, 16u);
    done = now;
    return true;
  });
  EXPECT_EQ(done, 16u);
  ASSERT_EQ(faults.size(), 3u);
  EXPECT_EQ(faults[0].name + ":" + faults[0].file, "m:x");
  EXPECT_NE(faults[0].what.find(digest_of(bad)), std::string::npos) << faults[0].what;
  EXPECT_EQ(faults[1].name + ":" + faults[1].file, "m:y");
  EXPECT_NE(faults[1].what.find("missing"), std::string::npos) << faults[1].what;
  EXPECT_EQ(faults[2].name + ":" + faults[2].file, "other:z");
  EXPECT_EQ(store_->copy("m", "n").error().code, error_code::unprocessable);
  EXPECT_FALSE(fs::exists(root() / "n"));
  // `other` is mended by the way; what is still good is not fetched again.
  ASSERT_TRUE(put(*store_, "m", {{"x", good}, {"y", "fine"}}, true));
  EXPECT_TRUE(store_->verify(nullptr).empty());
  ASSERT_TRUE(store_->collect({}));
  EXPECT_EQ(broken_in(root()), names());
  EXPECT_EQ(leaked_in(root(), 1), names());
}

TEST_F(StoreUpkeep, DamageThatNobodyLookedForIsMendedToo) {
  const std::string good = "good content";
  ASSERT_TRUE(put(*store_, "m", {{"x", good}}));
  for (const std::string damage : {"bad  content", "short"}) {
    fs::permissions(blob(good), fs::perms(0644));
    std::ofstream(blob(good)) << damage;
    ASSERT_TRUE(put(*store_, "n", {{"x", good}}));
    EXPECT_EQ(broken_in(root()), names());
  }
}

TEST_F(StoreUpkeep, AVerificationStopsWhenItIsTold) {
  ASSERT_TRUE(put(*store_, "m", {{"x", "1"}, {"y", "2"}}));
  int told = 0;
  EXPECT_TRUE(store_->verify([&](auto, auto) { return ++told < 1; }).empty());
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace troupe::cache::tests
