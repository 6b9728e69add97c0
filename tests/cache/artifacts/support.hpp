#pragma once
// What the tests of the artifact store share: small models, and a look at the disk that does not ask the store.

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "cache/artifacts/manifest.hpp"
#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/store.hpp"

namespace troupe::cache::tests {

namespace fs = std::filesystem;

class scratch_folder {
 public:
  scratch_folder() {
    auto name = (fs::temp_directory_path() / "troupe-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = fs::canonical(name);
  }
  ~scratch_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}
inline void write_file(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}
inline std::string digest_of(std::string_view content) {
  sha256 d;
  d.add(content);
  return d.hex();
}
inline std::pair<std::uint64_t, std::uint64_t> inode_of(const fs::path& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 ? std::pair<std::uint64_t, std::uint64_t>(st.st_ino, st.st_nlink)
                                         : std::pair<std::uint64_t, std::uint64_t>(0, 0);
}

using contents = std::map<std::string, std::string>;  // by path

inline stored_file described(const std::string& path, const std::string& content) {
  return {path, content.size(), digest_of(content), "\"etag\""};
}

// As a download does it: what the store has is not written again, if `by_digest`.
inline result<manifest> put(store& s, const std::string& name, const contents& files, bool by_digest = false) {
  auto folder = s.lock_partial(name, nullptr);
  if (!folder) return tl::unexpected(folder.error());
  std::vector<fetched_file> fetched;
  for (const auto& [path, content] : files) {
    const auto as = described(path, content);
    if (by_digest) {
      auto there = s.reuse(as, *folder);
      if (!there) return tl::unexpected(there.error());
      if (*there) {
        fetched.push_back(**there);
        continue;
      }
    }
    const auto at = folder->path() / std::to_string(fetched.size());
    write_file(at, content);
    fetched.push_back({at, as});
  }
  manifest m;
  m.name = name;
  m.model_id = "org/" + name;
  m.revision = "main";
  return s.publish(std::move(m), fetched, std::move(*folder));
}

inline std::unique_ptr<store> open_store(const fs::path& root, store_options options = {}) {
  auto s = store::open(root, options);
  if (!s) throw std::runtime_error(s.error().message);
  return std::move(*s);
}

inline std::string text(const error& e) { return e.message + " / " + e.detail; }

// -- the disk, without the store

inline std::vector<fs::path> manifests_in(const fs::path& root) {
  std::vector<fs::path> out;
  for (auto i = fs::recursive_directory_iterator(root); i != fs::recursive_directory_iterator(); ++i) {
    const auto name = i->path().filename().string();
    if (name.starts_with('.') || name.starts_with('@')) i.disable_recursion_pending();
    if (name == "manifest.json" && i->is_regular_file()) out.push_back(i->path());
  }
  return out;
}

// What breaks A1 or A2.
inline std::vector<std::string> broken_in(const fs::path& root) {
  std::vector<std::string> out;
  for (const auto& path : manifests_in(root)) {
    const auto m = parse_manifest(read_file(path), path);
    if (!m) {
      out.push_back(m.error().message);
      continue;
    }
    for (const auto& f : m->files) {
      const auto file = path.parent_path() / ("@" + m->snapshot) / f.path;
      const auto blob = root / ".store" / "blobs" / f.sha256;
      if (inode_of(file).first == 0) out.push_back(file.string() + " is missing");
      if (inode_of(file).first != inode_of(blob).first) out.push_back(file.string() + " is not the blob");
      if (digest_of(read_file(file)) != f.sha256) out.push_back(file.string() + " has another content");
      if (fs::status(file).permissions() != fs::perms(0444)) out.push_back(file.string() + " can be written");
    }
  }
  return out;
}

// What no manifest names, and is there after a collect() that was told of nothing in use. `stores`: open ones.
inline std::vector<std::string> leaked_in(const fs::path& root, std::size_t stores) {
  std::vector<std::string> out;
  std::set<fs::path> named, folders;
  for (const auto& path : manifests_in(root)) {
    const auto m = parse_manifest(read_file(path), path);
    if (!m) continue;
    const auto snapshot = path.parent_path() / ("@" + m->snapshot);
    named.insert({path, path.parent_path() / "@used"});
    for (auto f = path.parent_path(); f != root; f = f.parent_path()) folders.insert(f);
    folders.insert(snapshot);
    for (const auto& f : m->files) {
      named.insert(snapshot / f.path);
      named.insert(root / ".store" / "blobs" / f.sha256);
      for (auto in = (snapshot / f.path).parent_path(); in != snapshot; in = in.parent_path()) folders.insert(in);
    }
  }
  named.insert(root / ".store" / "lock");
  named.insert(root / ".store" / "tmp" / "spare" / "@lock");
  for (const char* own : {".store", ".store/blobs", ".store/partial", ".store/ready", ".store/tmp", ".store/tmp/spare"})
    folders.insert(root / own);
  std::size_t working = 0;
  for (auto i = fs::recursive_directory_iterator(root); i != fs::recursive_directory_iterator(); ++i) {
    if (i->path().parent_path() == root / ".store" / "tmp" && i->path().filename() != "spare" && ++working <= stores) {
      i.disable_recursion_pending();
      continue;
    }
    if (!(i->is_directory() ? folders : named).contains(i->path())) out.push_back(i->path().string());
  }
  return out;
}

// In a process of its own; what it returns is its exit code, and 1 is added where an expectation failed.
inline int in_child(const std::function<int()>& run) {
  const auto child = ::fork();
  if (child == 0) {
    const int code = run();
    ::_exit(testing::Test::HasFailure() ? 1 : code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace troupe::cache::tests
