// Disks that are full, folders that cannot be written, files that others have put there: an error that names the path,
// nothing half done, and nothing outside the store touched.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/cache/artifacts/support.hpp"

namespace troupe::cache::tests {
namespace {

using names = std::vector<std::string>;

class StoreFaults : public testing::Test {
 protected:
  fs::path root() const { return scratch_.path() / "models"; }
  static void expect_told(const error& e, std::initializer_list<std::string> parts) {
    EXPECT_EQ(e.code, error_code::unavailable) << text(e);
    for (const auto& part : parts) EXPECT_NE(text(e).find(part), std::string::npos) << text(e);
  }
  scratch_folder scratch_;
};

// As somebody in particular: root may write everywhere.
int as_nobody(const std::function<void()>& run) {
  return in_child([&] {
    if (::geteuid() == 0 && (::setegid(65534) != 0 || ::seteuid(65534) != 0)) return 2;
    run();
    return 0;
  });
}

TEST_F(StoreFaults, AFolderThatCannotBeUsed) {
  write_file(scratch_.path() / "file", "");
  expect_told(store::open(scratch_.path() / "file", {}).error(), {"/file", "Not a directory"});
  expect_told(store::open(scratch_.path() / "file" / "x", {}).error(), {"/file", "Not a directory"});
  expect_told(store::open("", {}).error(), {"cache_directory"});
  fs::permissions(scratch_.path(), fs::perms(0755));
  EXPECT_EQ(as_nobody([&] {
              expect_told(store::open(root(), {}).error(), {root().string(), "Permission denied", "cache_directory"});
            }),
            0);
  { const auto made = open_store(root()); }
  EXPECT_EQ(as_nobody([&] {
              expect_told(store::open(root(), {}).error(), {root().string(), "Permission denied", "cache_directory"});
            }),
            0);
}

TEST_F(StoreFaults, AFolderThatCannotBeWrittenAnyMore) {
  fs::create_directories(root());
  fs::permissions(scratch_.path(), fs::perms(0777));
  fs::permissions(root(), fs::perms(0777));
  EXPECT_EQ(as_nobody([&] {
              const auto s = open_store(root());
              EXPECT_TRUE(put(*s, "m", {{"x", "1"}}));
              fs::permissions(root() / "m", fs::perms(0555));
              expect_told(put(*s, "m", {{"x", "2"}}).error(), {(root() / "m").string(), "Permission denied"});
              expect_told(s->remove("m").error(), {"m/manifest.json", "Permission denied"});
              expect_told(s->pin("m", true).error(), {"m/manifest.json", "Permission denied"});
              EXPECT_EQ(s->list().size(), 1u);
              EXPECT_FALSE(s->list()[0].pinned);
              fs::permissions(root() / "m", fs::perms(0755));
              EXPECT_TRUE(s->remove("m"));
            }),
            0);
}

// A small disk of its own, where that may be made. `options`: tmpfs'.
enum { no_disk = 77 };
int on_small_disk(const fs::path& at, const std::string& options, const std::function<void()>& run) {
  fs::create_directories(at);
  return in_child([&] {
    if (::unshare(::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", at.c_str(), "tmpfs", 0, options.c_str()) != 0)
      return static_cast<int>(no_disk);
    run();
    return 0;
  });
}

// Every name takes one from the disk, so that with each number of them another step is the first that fails.
TEST_F(StoreFaults, AFullDiskAtEachStep) {
  enum { not_opened = 10, not_published, published };
  std::set<int> seen;
  for (int inodes = 4; inodes < 60 && !seen.contains(published); ++inodes) {
    SCOPED_TRACE(inodes);
    const auto expect_full = [&](const error& e) { expect_told(e, {root().string(), "No space left on device"}); };
    const auto run = [&]() -> int {
      auto s = store::open(root(), {});
      if (!s) return expect_full(s.error()), not_opened;
      auto folder = (*s)->lock_partial("org/m", nullptr);
      if (!folder) return expect_full(folder.error()), not_opened;
      const contents files{{"config.json", "{}"}, {"a/b", "content"}, {"a/c/d", "other"}};
      std::vector<fetched_file> fetched;
      for (const auto& [path, content] : files) {
        fetched.push_back({folder->path() / std::to_string(fetched.size()), described(path, content)});
        write_file(fetched.back().at, content);
        if (read_file(fetched.back().at) != content) return not_opened;
      }
      manifest m;
      m.name = "org/m";
      const auto made = (*s)->publish(m, fetched, std::move(*folder));
      if (made) {
        EXPECT_EQ(*(*s)->find("org/m"), *made);
        EXPECT_EQ(broken_in(root()), names());
        return published;
      }
      expect_full(made.error());
      EXPECT_TRUE((*s)->list().empty());
      EXPECT_FALSE(fs::exists(root() / "org"));
      EXPECT_TRUE((*s)->verify(nullptr).empty());
      s->reset();
      s = store::open(root(), {0, std::chrono::seconds(0)});
      EXPECT_TRUE(s && (*s)->collect({}));
      EXPECT_EQ(leaked_in(root(), 1), names());
      return not_published;
    };
    int code = 0;
    const auto ran = on_small_disk(root(), "nr_inodes=" + std::to_string(inodes), [&] {
      code = run();
      if (!HasFailure()) ::_exit(code);
    });
    if (ran == no_disk) GTEST_SKIP() << "a small disk cannot be mounted here";
    ASSERT_TRUE(ran >= not_opened && ran <= published) << ran;
    seen.insert(ran);
  }
  EXPECT_EQ(seen, (std::set<int>{not_opened, not_published, published}));
}

// Whoever finds the disk full may open the store, remove models, and go on.
TEST_F(StoreFaults, RemovingWorksOnAFullDisk) {
  const int code = on_small_disk(root(), "size=1m,nr_inodes=60", [&] {
    const auto with_room = open_store(root());
    ASSERT_TRUE(put(*with_room, "a", {{"x", "1"}}));
    ASSERT_TRUE(put(*with_room, "b", {{"x", "2"}}));
    for (int i = 0; i < 60; ++i) std::ofstream(root() / ("filler" + std::to_string(i))) << "f";
    ASSERT_FALSE(put(*with_room, "c", {{"x", "3"}}));
    EXPECT_EQ(*with_room->remove("a"), 1u);
    for (int i = 0; i < 60; ++i) std::ofstream(root() / ("more" + std::to_string(i))) << "f";
    {
      const auto without = store::open(root(), {});
      ASSERT_TRUE(without) << text(without.error());
      EXPECT_EQ(*(*without)->remove("b"), 1u);
      EXPECT_TRUE((*without)->collect({}));
    }
    EXPECT_TRUE(with_room->list().empty());
    EXPECT_TRUE(fs::is_empty(root() / ".store" / "blobs"));
    for (const auto& e : fs::directory_iterator(root()))
      if (e.is_regular_file()) fs::remove(e);
    EXPECT_TRUE(put(*with_room, "c", {{"x", "3"}}));
  });
  if (code == no_disk) GTEST_SKIP() << "a small disk cannot be mounted here";
  EXPECT_EQ(code, 0);
}

TEST_F(StoreFaults, AnUpdateOnAFullDiskLeavesWhatWasThere) {
  const int code = on_small_disk(root(), "size=256k", [&] {
    const auto s = open_store(root());
    const auto old = put(*s, "m", {{"x", "old"}});
    ASSERT_TRUE(old);
    const auto room = s->reserve(1 << 20);
    ASSERT_FALSE(room);
    expect_told(room.error(), {root().string(), "more are needed"});
    auto folder = s->lock_partial("m", nullptr);
    std::vector<fetched_file> fetched{{folder->path() / "0", described("x", "new")}};
    write_file(fetched[0].at, "new");
    std::ofstream(root() / "filler") << std::string(300 << 10, 'f');  // as far as there is room
    manifest m;
    m.name = "m";
    m.description = std::string(8 << 10, 'd');
    const auto made = s->publish(m, fetched, std::move(*folder));
    ASSERT_FALSE(made);
    expect_told(made.error(), {root().string(), "No space left on device"});
    EXPECT_EQ(s->list(), std::vector<manifest>{*old});
    EXPECT_EQ(broken_in(root()), names());
    fs::remove(root() / "filler");
    // What was fetched is not lost.
    auto again = s->lock_partial("m", nullptr);
    const auto kept = s->reuse(described("x", "new"), *again);
    ASSERT_TRUE(kept && *kept);
    EXPECT_TRUE(s->publish(m, {**kept}, std::move(*again)));
    EXPECT_EQ(broken_in(root()), names());
    EXPECT_TRUE(s->collect({}));
    EXPECT_EQ(leaked_in(root(), 1), names());
  });
  if (code == no_disk) GTEST_SKIP() << "a small disk cannot be mounted here";
  EXPECT_EQ(code, 0);
}

TEST_F(StoreFaults, MoreLinksThanTheFileSystemAllows) {
  const auto s = open_store(root());
  ASSERT_TRUE(put(*s, "m", {{"x", "content"}}));
  const auto blob = root() / ".store" / "blobs" / digest_of("content");
  const auto links = scratch_.path() / "links";
  fs::create_directories(links);
  int made = 0;
  while (made < 70'000 && ::link(blob.c_str(), (links / std::to_string(made)).c_str()) == 0) ++made;
  if (made == 70'000) GTEST_SKIP() << "this file system allows more";
  const auto copied = s->copy("m", "org/n");
  ASSERT_FALSE(copied);
  expect_told(copied.error(), {blob.string(), "Too many links"});
  EXPECT_EQ(s->list().size(), 1u);
  EXPECT_FALSE(fs::exists(root() / "org"));
  EXPECT_FALSE(put(*s, "n", {{"x", "content"}, {"y", "more"}}));
  EXPECT_EQ(s->list().size(), 1u);
  EXPECT_EQ(broken_in(root()), names());
}

TEST_F(StoreFaults, ManifestsThatCannotBeUsed) {
  const auto s = open_store(root());
  const auto good = put(*s, "good", {{"x", "1"}});
  ASSERT_TRUE(put(*s, "bad", {{"x", "2"}, {"y", "1"}}));
  const auto path = root() / "bad" / "manifest.json";
  const auto json = read_file(path);
  write_file(scratch_.path() / "outside" / "x", "outside");
  auto hostile = json;
  hostile.replace(hostile.find("\"x\""), 3, "\"../../../outside/x\"");
  auto other_name = json;
  other_name.replace(other_name.find("\"bad\""), 5, "\"good\"");
  for (const auto& content : {std::string(), std::string("{"), hostile, other_name, std::string(100 << 20, ' ')}) {
    write_file(path, content);
    const auto found = s->find("bad");
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find(path.string()), std::string::npos) << text(found.error());
    EXPECT_EQ(s->list(), std::vector<manifest>{*good});
    const auto faults = s->verify(nullptr);
    ASSERT_EQ(faults.size(), 1u);
    EXPECT_EQ(faults[0].name + ":" + faults[0].file, "bad:manifest.json");
    EXPECT_FALSE(s->copy("bad", "n"));
    EXPECT_FALSE(s->pin("bad", true));
    ASSERT_TRUE(s->collect({}));
  }
  write_file(path, json);
  EXPECT_TRUE(s->find("bad")) << "what it names was kept";
  EXPECT_EQ(broken_in(root()), names());
  write_file(path, hostile);
  EXPECT_EQ(*s->remove("bad"), 1u);
  EXPECT_EQ(read_file(scratch_.path() / "outside" / "x"), "outside");
  EXPECT_EQ(leaked_in(root(), 1), names());
}

TEST_F(StoreFaults, LinksOutOfTheStoreAreNotFollowed) {
  const auto outside = scratch_.path() / "outside";
  auto s = open_store(root());
  const auto m = put(*s, "m", {{"sub/x", "1"}});
  write_file(outside / "manifest.json", read_file(root() / "m" / "manifest.json"));
  write_file(outside / "@0123456789abcdef" / "x", "theirs");
  write_file(outside / "x", "theirs");
  fs::create_directory_symlink(outside, root() / "linked");
  fs::create_directory_symlink(outside, root() / "m" / "name");
  fs::create_directory_symlink(outside, root() / "m" / "@0123456789abcdef");
  fs::create_directory_symlink(outside, root() / ".store" / "partial" / "x");
  fs::create_directory_symlink(outside, root() / ".store" / "tmp" / "x");
  fs::create_symlink(outside / "x", root() / ".store" / "blobs" / digest_of("linked"));
  fs::create_directories(root() / "n");
  fs::create_symlink(outside / "manifest.json", root() / "n" / "manifest.json");
  EXPECT_EQ(s->list().size(), 1u);
  EXPECT_EQ(s->find("linked").error().code, error_code::model_not_found);
  EXPECT_EQ(s->remove("linked").error().code, error_code::model_not_found);
  EXPECT_EQ(s->remove("m/name").error().code, error_code::model_not_found);
  EXPECT_NE(text(s->find("n").error()).find("not a regular file"), std::string::npos);
  EXPECT_FALSE(put(*s, "linked", {{"x", "1"}}));
  EXPECT_FALSE(put(*s, "m/name", {{"x", "1"}}));
  EXPECT_FALSE(put(*s, "linked/name", {{"x", "1"}}));
  ASSERT_TRUE(put(*s, "o", {{"x", "linked"}})) << "a link is no blob";
  // A snapshot in which a folder became a link is mended in the store or not at all.
  fs::remove_all(s->folder_of(*m) / "sub");
  fs::create_directory_symlink(outside, s->folder_of(*m) / "sub");
  const auto again = put(*s, "m", {{"sub/x", "1"}});
  EXPECT_FALSE(again);
  s->verify(nullptr);
  ASSERT_TRUE(s->collect({}));
  ASSERT_TRUE(s->remove("n"));
  ASSERT_TRUE(s->remove("m"));
  s.reset();
  s = open_store(root(), {1, std::chrono::seconds(0)});
  ASSERT_TRUE(s->collect({}));
  EXPECT_EQ(read_file(outside / "x"), "theirs");
  EXPECT_EQ(read_file(outside / "@0123456789abcdef" / "x"), "theirs");
  EXPECT_TRUE(fs::exists(outside / "manifest.json"));
  std::size_t files = 0;
  for (auto i = fs::recursive_directory_iterator(outside); i != fs::recursive_directory_iterator(); ++i) ++files;
  EXPECT_EQ(files, 4u) << "nothing was added";
}

TEST_F(StoreFaults, ARootThatIsALink) {
  fs::create_directories(scratch_.path() / "disk");
  fs::create_directory_symlink(scratch_.path() / "disk", root());
  const auto s = open_store(root());
  EXPECT_EQ(s->root(), scratch_.path() / "disk");
  const auto m = put(*s, "org/m", {{"x", "1"}});
  ASSERT_TRUE(m) << text(m.error());
  EXPECT_EQ(read_file(s->folder_of(*m) / "x"), "1");
  ASSERT_TRUE(s->remove("org/m"));
}

}  // namespace
}  // namespace troupe::cache::tests
