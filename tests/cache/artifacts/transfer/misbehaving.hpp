#pragma once
// What the tests of transfers share: the server of misbehaving_server.py as a child, a folder, content.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cache/artifacts/transfer/transfers.hpp"

namespace troupe::cache {

// One server for the tests of a suite, a folder and a `key` for each test.
class misbehaving : public testing::Test {
 public:
  static void SetUpTestSuite();
  static void TearDownTestSuite();

 protected:
  misbehaving();
  ~misbehaving() override;

  // "/good/1000" on the server, for this test alone.
  std::string at(const std::string& path) const;
  std::string on(const std::string& host, const std::string& path) const;
  // What the server was asked for at(..): "GET /good/1000?key range=bytes=0-9", a line each.
  std::vector<std::string> asked();

  // Quick where waiting is no matter of the test. Names: what `hosts` says, nothing else.
  transfer_options quick() const;
  std::unique_ptr<transfers> make(transfer_options options);
  std::map<std::string, std::vector<std::string>> hosts;

  static http_request question(const std::string& url);                    // anywhere
  file_transfer wants(const std::string& path, std::uint64_t size) const;  // its content's size and hash told
  std::filesystem::path place() const { return folder_ / "file"; }
  std::filesystem::path place_of_state() const { return folder_ / "file.state"; }
  // One file by new transfers, options as quick() but for `change`.
  result<transferred_file> get(const file_transfer& what,
                               const std::function<void(transfer_options&)>& change = nullptr);
  std::uint64_t retries = 0;  // of the last get()
  std::uint64_t stalls = 0, hash_faults = 0;

  static std::string content(std::uint64_t size);  // the server's
  static std::string hash(const std::string& text);
  static std::string read(const std::filesystem::path& path);
  static void write(const std::filesystem::path& path, const std::string& text);
  bool is_whole(std::uint64_t size) const { return read(place()) == content(size); }

  std::filesystem::path folder_;
  std::string key_;
};

}  // namespace troupe::cache
