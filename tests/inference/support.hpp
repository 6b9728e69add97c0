#pragma once
// What the inference room's tests share: folders that vanish, fixtures, small files.

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "inference/loader.hpp"

namespace troupe::inference::tests {

namespace fs = std::filesystem;

inline fs::path fixtures() {
  const char* root = std::getenv("TROUPE_SOURCE");  // set by ctest; else from the repository root
  return fs::path(root != nullptr ? root : ".") / "tests" / "fixtures";
}

class scratch_folder {
 public:
  scratch_folder() {
    auto name = (fs::temp_directory_path() / "troupe-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
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
inline void copy_folder(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

inline artifact_spec spec_of(const fs::path& path, precision wanted = precision::fp32) {
  artifact_spec spec;
  spec.name = "test";
  spec.path = path;
  spec.wanted = wanted;
  return spec;
}

}  // namespace troupe::inference::tests
