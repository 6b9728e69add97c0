// What cannot be read is told by its path and its reason, and what lies in a file's place by what it is.

#include "inference/files/files.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include "inference/files/temporary_file.hpp"
#include "tests/inference/support.hpp"

namespace troupe::inference::tests {
namespace {

void copy_model(const fs::path& to) { copy_folder(fixtures() / "inference" / "bert" / "gelu", to); }

// Fails with an error that holds all of `parts`, whether it is loaded or only looked at.
void expect_told(const fs::path& artifact, std::initializer_list<std::string> parts) {
  for (const auto& e : {load(spec_of(artifact), {}).error(), estimate_memory(spec_of(artifact), {}).error()}) {
    const auto text = e.message + " / " + e.detail;
    for (const auto& part : parts) EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_EQ(text.find("no artifact at"), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

class unreadable : public testing::Test {
 protected:
  void SetUp() override { copy_model(folder()); }
  fs::path folder() const { return scratch_.path() / "model"; }
  scratch_folder scratch_;
};

TEST_F(unreadable, links_in_a_circle) {
  fs::create_symlink(scratch_.path() / "b", scratch_.path() / "a");
  fs::create_symlink(scratch_.path() / "a", scratch_.path() / "b");
  expect_told(scratch_.path() / "a", {(scratch_.path() / "a").string(), "Too many levels of symbolic links"});
  fs::remove(folder() / "config.json");
  fs::create_symlink("config.json", folder() / "config.json");
  expect_told(folder(), {(folder() / "config.json").string(), "Too many levels of symbolic links"});
}

TEST_F(unreadable, links_to_nothing) {
  fs::create_symlink("/nowhere/at/all", scratch_.path() / "gone");
  expect_told(scratch_.path() / "gone", {"gone", "symbolic link to /nowhere/at/all"});
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
    fs::rename(folder() / file, scratch_.path() / "kept");
    fs::create_symlink("../blobs/abc", folder() / file);
    expect_told(folder(), {(folder() / file).string(), "symbolic link to ../blobs/abc"});
    fs::remove(folder() / file);
    fs::rename(scratch_.path() / "kept", folder() / file);
  }
}

TEST_F(unreadable, a_file_where_a_folder_should_be) {
  expect_told(folder() / "config.json" / "model", {"config.json/model", "Not a directory"});
}

TEST_F(unreadable, a_name_that_is_too_long) {
  expect_told(scratch_.path() / std::string(300, 'x'), {"File name too long"});
}

// In a process of its own that is nobody in particular: root may read all.
TEST_F(unreadable, without_permission) {
  fs::permissions(scratch_.path(), fs::perms::all);
  const auto weights = folder() / "model.safetensors";
  for (const auto& closed : {weights, folder() / "config.json", folder()}) {
    const auto before = fs::status(closed).permissions();
    fs::permissions(closed, fs::perms::none);
    const auto child = ::fork();
    if (child == 0) {
      if (::geteuid() == 0 && (::setegid(65534) != 0 || ::seteuid(65534) != 0)) ::_exit(2);
      expect_told(folder(), {closed.string(), "Permission denied", "uid " + std::to_string(::geteuid())});
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << closed << ' ' << status;
    fs::permissions(closed, before);
  }
}

TEST_F(unreadable, a_pointer_of_git_lfs) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\n"
      "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
  for (const char* file : {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}) {
    fs::remove_all(folder());
    copy_model(folder());
    write_file(folder() / file, pointer);
    expect_told(folder(), {(folder() / file).string(), "Git LFS pointer", "git lfs pull"});
  }
  fs::remove_all(folder());
  copy_model(folder());
  fs::remove(folder() / "tokenizer.json");
  write_file(folder() / "vocab.txt", pointer);
  expect_told(folder(), {(folder() / "vocab.txt").string(), "Git LFS pointer", "git lfs pull"});
  write_file(scratch_.path() / "x.pt", pointer);
  expect_told(scratch_.path() / "x.pt", {"x.pt", "Git LFS pointer", "git lfs pull"});
  copy_folder(fixtures() / "inference" / "bert" / "legacy_shards", scratch_.path() / "shards");
  write_file(scratch_.path() / "shards" / "model-00002-of-00002.safetensors", pointer);
  expect_told(scratch_.path() / "shards", {"model-00002-of-00002.safetensors", "Git LFS pointer"});
}

TEST_F(unreadable, a_web_page) {
  for (const char* page : {"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>",
                           "\n <html lang=\"en\"><head></head></html>", "\xef\xbb\xbf<!doctype HTML><p>"}) {
    write_file(folder() / "model.safetensors", page);
    expect_told(folder(), {"model.safetensors", "HTML page"});
    write_file(scratch_.path() / "x.pt", page);
    expect_told(scratch_.path() / "x.pt", {"x.pt", "HTML page"});
  }
}

TEST(temporary_file, appears_whole_or_not_at_all) {
  scratch_folder scratch;
  const auto target = scratch.path() / "deep" / "er" / "file";
  const std::string text = "what was written";
  {
    auto file = temporary_file::create(target);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE(file->write(0, std::as_bytes(std::span(text))));
    EXPECT_FALSE(fs::exists(target));
  }
  EXPECT_TRUE(fs::is_empty(target.parent_path())) << "what was not published is gone";
  auto file = temporary_file::create(target);
  ASSERT_TRUE(file->write(0, std::as_bytes(std::span(text))));
  ASSERT_TRUE(file->publish(target));
  EXPECT_EQ(read_file(target), text);
}

TEST(temporary_file, tells_where_it_cannot_be) {
  scratch_folder scratch;
  write_file(scratch.path() / "file", "x");
  const auto file = temporary_file::create(scratch.path() / "file" / "below");
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("cannot write " + (scratch.path() / "file").string()), std::string::npos)
      << file.error().message;
}

}  // namespace
}  // namespace troupe::inference::tests
