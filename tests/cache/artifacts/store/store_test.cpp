// What is published is there, once; what is removed is gone; names do not get in each other's way.

#include "cache/artifacts/store/store.hpp"

#include <chrono>
#include <cstdlib>
#include <iostream>

#include "tests/cache/artifacts/support.hpp"

namespace troupe::cache::tests {
namespace {

class Store : public testing::Test {
 protected:
  fs::path root() const { return scratch_.path() / "models"; }
  fs::path blob(const std::string& content) const { return root() / ".store" / "blobs" / digest_of(content); }
  void expect_sound(std::size_t stores = 1) {
    EXPECT_EQ(broken_in(root()), std::vector<std::string>());
    EXPECT_EQ(leaked_in(root(), stores), std::vector<std::string>());
  }
  scratch_folder scratch_;
  std::unique_ptr<store> store_ = open_store(root());
};

std::vector<std::string> names_of(const store& s) {
  std::vector<std::string> out;
  for (const auto& m : s.list()) out.push_back(m.name);
  return out;
}
using names = std::vector<std::string>;

TEST_F(Store, WhatIsPublishedIsThere) {
  ::umask(077);
  const contents files{{"config.json", "{}"}, {"w/model.bin", "weights"}, {"empty", ""}};
  const auto made = put(*store_, "bert", files);
  ::umask(022);
  ASSERT_TRUE(made) << text(made.error());
  EXPECT_EQ(made->files.size(), 3u);
  EXPECT_EQ(made->files[0].path, "config.json");
  EXPECT_GT(made->downloaded_at.time_since_epoch().count(), 0);
  EXPECT_EQ(store_->find("bert"), *made);
  EXPECT_EQ(store_->list(), std::vector<manifest>{*made});
  const auto folder = store_->folder_of(*made);
  EXPECT_EQ(folder, root() / "bert" / ("@" + snapshot_id(made->files)));
  for (const auto& [path, content] : files) EXPECT_EQ(read_file(folder / path), content);
  for (const auto& path : {folder, folder / "w", root() / "bert", root() / ".store" / "blobs"})
    EXPECT_EQ(fs::status(path).permissions(), fs::perms(0755)) << path;
  EXPECT_EQ(fs::status(root() / "bert" / "manifest.json").permissions(), fs::perms(0644));
  EXPECT_EQ(store_->size_bytes(), 9u);
  EXPECT_EQ(store_->partial_bytes(), 0u);
  EXPECT_EQ(open_store(root())->list(), std::vector<manifest>{*made});
  expect_sound();
}

TEST_F(Store, TheSameContentIsThereOnce) {
  ASSERT_TRUE(put(*store_, "a", {{"x", "shared"}, {"y", "shared"}, {"z", "a's"}}));
  ASSERT_TRUE(put(*store_, "b", {{"other", "shared"}}));
  EXPECT_EQ(inode_of(blob("shared")).second, 4u);
  EXPECT_EQ(store_->size_bytes(), 6u + 3u);
  EXPECT_EQ(*store_->remove("a"), 3u);
  EXPECT_EQ(inode_of(blob("shared")).second, 2u);
  EXPECT_EQ(store_->size_bytes(), 6u);
  expect_sound();
  EXPECT_EQ(*store_->remove("b"), 6u);
  EXPECT_EQ(store_->size_bytes(), 0u);
  expect_sound();
}

TEST_F(Store, AnUpdateLeavesTheOldSnapshotUntilNobodyUsesIt) {
  const auto old = put(*store_, "m", {{"x", "old"}, {"same", "same"}});
  ASSERT_TRUE(store_->pin("m", true));
  const auto updated = put(*store_, "m", {{"x", "new"}, {"same", "same"}});
  ASSERT_TRUE(updated) << text(updated.error());
  EXPECT_TRUE(updated->pinned) << "stays pinned";
  EXPECT_EQ(store_->find("m"), *updated);
  ASSERT_TRUE(store_->collect({store_->folder_of(*old)}));
  EXPECT_EQ(read_file(store_->folder_of(*old) / "x"), "old");
  const auto other = open_store(root());
  EXPECT_EQ(read_file(store_->folder_of(*old) / "x"), "old") << "whoever opens it does not know who uses what";
  EXPECT_EQ(store_->collect({store_->folder_of(*updated)})->freed_bytes, 3u);
  EXPECT_FALSE(fs::exists(store_->folder_of(*old)));
  EXPECT_EQ(read_file(store_->folder_of(*updated) / "x"), "new");
  expect_sound(2);
}

TEST_F(Store, TheSameOnceMoreIsTheSameSnapshot) {
  const auto first = put(*store_, "m", {{"x", "content"}});
  const auto inode = inode_of(store_->folder_of(*first) / "x");
  const auto second = put(*store_, "m", {{"x", "content"}});
  ASSERT_TRUE(second) << text(second.error());
  EXPECT_EQ(second->snapshot, first->snapshot);
  EXPECT_EQ(inode_of(store_->folder_of(*second) / "x"), inode);
  expect_sound();
}

TEST_F(Store, AModelAndANamespaceOfOneName) {
  ASSERT_TRUE(put(*store_, "org/name", {{"x", "1"}}));
  ASSERT_TRUE(put(*store_, "org", {{"name", "2"}}));
  ASSERT_TRUE(put(*store_, "org/other", {{"x", "3"}}));
  EXPECT_EQ(names_of(*store_), (names{"org", "org/name", "org/other"}));
  ASSERT_TRUE(store_->remove("org"));
  EXPECT_EQ(names_of(*store_), (names{"org/name", "org/other"}));
  EXPECT_FALSE(store_->find("org"));
  ASSERT_TRUE(store_->remove("org/name"));
  EXPECT_TRUE(fs::exists(root() / "org"));
  ASSERT_TRUE(put(*store_, "org", {{"x", "4"}}));
  ASSERT_TRUE(store_->remove("org/other"));
  EXPECT_EQ(names_of(*store_), names{"org"});
  expect_sound();
  ASSERT_TRUE(store_->remove("org"));
  EXPECT_FALSE(fs::exists(root() / "org"));
}

TEST_F(Store, NamesThatCannotBe) {
  ASSERT_TRUE(put(*store_, "org", {{"x", "1"}}));
  for (const char* name : {"", "..", "../x", "/etc", "a/b/c", "a//b", ".store", "@x", "org/manifest.json", "a b"}) {
    EXPECT_EQ(put(*store_, name, {{"x", "1"}}).error().code, error_code::bad_request) << name;
    EXPECT_EQ(store_->copy("org", name).error().code, error_code::bad_request) << name;
    EXPECT_EQ(store_->find(name).error().code, error_code::bad_request) << name;
    EXPECT_EQ(store_->remove(name).error().code, error_code::bad_request) << name;
    store_->used(name);
  }
  EXPECT_EQ(store_->find("nobody").error().code, error_code::model_not_found);
  EXPECT_EQ(store_->remove("org/nobody").error().code, error_code::model_not_found);
  EXPECT_EQ(store_->pin("nobody", true).error().code, error_code::model_not_found);
  EXPECT_EQ(store_->copy("nobody", "x").error().code, error_code::model_not_found);
}

TEST_F(Store, ACopyIsASecondName) {
  const auto original = put(*store_, "m", {{"x", "content"}});
  ASSERT_TRUE(store_->pin("m", true));
  const auto copied = store_->copy("m", "org/m");
  ASSERT_TRUE(copied) << text(copied.error());
  EXPECT_EQ(copied->files, original->files);
  EXPECT_FALSE(copied->pinned);
  EXPECT_EQ(store_->size_bytes(), 7u);
  EXPECT_EQ(store_->copy("m", "org/m").error().code, error_code::conflict);
  EXPECT_EQ(*store_->remove("m"), 0u);
  EXPECT_EQ(read_file(store_->folder_of(*copied) / "x"), "content");
  expect_sound();
}

TEST_F(Store, WhatCannotBePublishedChangesNothing) {
  const auto try_with = [&](const std::function<void(const fs::path&, fetched_file&)>& change) {
    auto folder = store_->lock_partial("m", nullptr);
    fetched_file f{folder->path() / "0", described("x", "content")};
    write_file(f.at, "content");
    change(folder->path(), f);
    manifest m;
    m.name = "m";
    const auto made = store_->publish(m, {f}, std::move(*folder));
    EXPECT_FALSE(store_->find("m"));
    EXPECT_FALSE(fs::exists(root() / "m"));
    EXPECT_EQ(store_->size_bytes(), 0u);
    return made ? std::string() : text(made.error());
  };
  const auto has = [](const std::string& all, const std::string& part) {
    EXPECT_NE(all.find(part), std::string::npos) << all;
  };
  has(try_with([](auto&, auto& f) { f.as.path = "../x"; }), "'..'");
  has(try_with([](auto&, auto& f) { f.as.sha256 = "../../x"; }), "digest");
  has(try_with([](auto&, auto& f) { f.as.size_bytes = 8; }), "7 bytes instead of 8");
  has(try_with([](auto&, auto& f) { f.at = "/etc/passwd"; }), "does not lie in");
  has(try_with([](auto& in, auto& f) { f.at = in / ".." / ".." / "lock"; }), "does not lie in");
  has(try_with([](auto& in, auto& f) { f.at = in / "missing"; }), "No such file");
  has(try_with([](auto& in, auto& f) {
        f.at = in / "link";
        fs::create_symlink("/etc/passwd", f.at);
      }),
      "not a regular file");
  has(try_with([](auto& in, auto& f) { fs::create_hard_link(f.at, in / "another"); }), "other names");
}

TEST_F(Store, ContentThatIsThereIsNotFetchedAgain) {
  ASSERT_TRUE(put(*store_, "m", {{"x", "large"}, {"y", "old"}}));
  auto folder = store_->lock_partial("m", nullptr);
  const auto large = described("renamed", "large"), small = described("y", "new");
  const auto there = store_->reuse(large, *folder);
  ASSERT_TRUE(there && *there);
  EXPECT_FALSE(*store_->reuse(small, *folder));
  auto wrong = large;
  wrong.size_bytes = 4;
  EXPECT_FALSE(*store_->reuse(wrong, *folder));
  wrong.sha256 = "../../lock";
  EXPECT_FALSE(*store_->reuse(wrong, *folder));
  EXPECT_EQ(store_->partial_bytes(), 0u) << "what is a blob is not counted twice";
  // The model that had it may go meanwhile.
  EXPECT_EQ(*store_->remove("m"), 3u);
  ASSERT_TRUE(store_->collect({}));
  const auto at = folder->path() / "y";
  write_file(at, "new");
  manifest m;
  m.name = "m";
  const auto made = store_->publish(m, {**there, {at, small}}, std::move(*folder));
  ASSERT_TRUE(made) << text(made.error());
  EXPECT_EQ(read_file(store_->folder_of(*made) / "renamed"), "large");
  expect_sound();
}

TEST_F(Store, APartialFolderIsOneHoldersAndStays) {
  {
    auto folder = store_->lock_partial("https://example.org/../x", nullptr);
    ASSERT_TRUE(folder);
    EXPECT_EQ(folder->path().parent_path(), root() / ".store" / "partial");
    write_file(folder->path() / "0", "some bytes");
    EXPECT_EQ(store_->discard_partial("https://example.org/../x"), 0u) << "it is being fetched";
    const std::atomic<bool> cancelled{true};
    EXPECT_EQ(store_->lock_partial("https://example.org/../x", &cancelled).error().code, error_code::cancelled);
    EXPECT_TRUE(store_->lock_partial("another", &cancelled));
    EXPECT_EQ(
        in_child([&] { return open_store(root())->lock_partial("https://example.org/../x", &cancelled) ? 1 : 0; }), 0);
  }
  EXPECT_EQ(store_->partial_bytes(), 10u);
  {
    auto folder = store_->lock_partial("https://example.org/../x", nullptr);
    EXPECT_EQ(read_file(folder->path() / "0"), "some bytes");
  }
  EXPECT_EQ(store_->discard_partial("https://example.org/../x"), 10u);
  EXPECT_EQ(store_->discard_partial("https://example.org/../x"), 0u);
  EXPECT_EQ(store_->discard_partial("never heard of"), 0u);
  auto folder = store_->lock_partial("k", nullptr);
  write_file(folder->path() / "0", "some bytes");
  const auto path = folder->path();
  store_->discard(std::move(*folder));
  EXPECT_FALSE(fs::exists(path));
  EXPECT_EQ(store_->partial_bytes(), 0u);
}

TEST_F(Store, WhatOtherProcessesChangeIsSeen) {
  ASSERT_TRUE(put(*store_, "m", {{"x", "1"}}));
  EXPECT_EQ(names_of(*store_), names{"m"});
  ASSERT_EQ(in_child([&] {
              const auto s = open_store(root());
              return put(*s, "n", {{"x", "2"}}) && s->pin("m", true) ? 0 : 2;
            }),
            0);
  EXPECT_EQ(names_of(*store_), (names{"m", "n"}));
  EXPECT_TRUE(store_->find("m")->pinned);
  ASSERT_EQ(in_child([&] { return open_store(root())->remove("m") ? 0 : 2; }), 0);
  EXPECT_EQ(names_of(*store_), names{"n"});
}

// As /models asks for it. TROUPE_SHOW=1 prints what it costs.
TEST_F(Store, AThousandModels) {
  const auto write = [&](int i, const std::string& description) {
    manifest m;
    m.name = (i % 2 ? "org" + std::to_string(i % 10) + "/m" : "m") + std::to_string(i);
    m.description = description;
    for (int f = 0; f < 8; ++f) m.files.push_back(described("file" + std::to_string(f), m.name));
    m.snapshot = snapshot_id(m.files);
    write_file(root() / m.name / "new", manifest_json(m));
    fs::rename(root() / m.name / "new", root() / m.name / "manifest.json");
  };
  for (int i = 0; i < 1000; ++i) write(i, "as it was");
  const auto list = [&] {
    const auto begin = std::chrono::steady_clock::now();
    const auto all = store_->list();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    EXPECT_EQ(all.size(), 1000u);
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](auto& a, auto& b) { return a.name < b.name; }));
    if (std::getenv("TROUPE_SHOW")) std::cout << "list: " << took.count() << " ms\n";
    return all;
  };
  list();
  for (int i = 0; i < 1000; i += 100) {
    write(i, "changed");
    std::size_t changed = 0;
    for (const auto& m : list()) changed += m.description == "changed";
    EXPECT_EQ(changed, static_cast<std::size_t>(i) / 100 + 1);
  }
}

}  // namespace
}  // namespace troupe::cache::tests
