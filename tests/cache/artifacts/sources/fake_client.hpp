#pragma once
// An http_client that answers from a table. What is not in the table fails the test; what was asked is kept.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "cache/artifacts/sources/sources.hpp"

namespace troupe::cache {

class fake_client final : public http_client {
 public:
  struct asked {
    std::string what;  // "GET https://.."
    header_lines proof;
    reach may_reach;
    bool follow;
    header_lines headers;
  };

  void answers(const std::string& what, unsigned status, std::string body = {}, header_lines headers = {}) {
    table_[what] = {status, std::move(headers), std::move(body), what.substr(what.find(' ') + 1)};
  }
  void is_down() { down_ = true; }

  result<http_answer> ask(const http_request& request, const std::atomic<bool>*) override {
    const auto what = request.method + ' ' + request.url;
    seen.push_back({what, request.authorize ? request.authorize(request.method, request.url) : header_lines{},
                    request.may_reach, request.follow, request.headers});
    if (down_) return fail(error_code::unavailable, "cannot be reached");
    const auto found = table_.find(what);
    if (found == table_.end()) {
      ADD_FAILURE() << "nobody expected " << what;
      return fail(error_code::internal, "not in the table: " + what);
    }
    return found->second;
  }

  std::vector<asked> seen;

 private:
  std::map<std::string, http_answer> table_;
  bool down_ = false;
};

// A folder that goes with the test.
class scratch_folder {
 public:
  scratch_folder() {
    auto name = (std::filesystem::temp_directory_path() / "sources-XXXXXX").string();
    path_ = std::filesystem::canonical(::mkdtemp(name.data()));
  }
  ~scratch_folder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }
  void link(const std::string& to, const std::string& file) const {
    std::filesystem::create_directories((path_ / file).parent_path());
    std::filesystem::create_symlink(to, path_ / file);
  }

 private:
  std::filesystem::path path_;
};

inline result<pull_plan> plan_of(source_kind source, const std::string& id, const source_settings& settings,
                                 fake_client& client, const std::string& revision = {}) {
  pull_request request;
  request.source = source;
  request.model_id = id;
  request.revision = revision;
  return make_plan(request, settings, client, nullptr);
}

inline std::vector<std::string> paths_of(const pull_plan& plan) {
  std::vector<std::string> out;
  for (const auto& file : plan.files) out.push_back(file.path);
  return out;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& line : lines) out += line + '\n';
  return out;
}

}  // namespace troupe::cache
