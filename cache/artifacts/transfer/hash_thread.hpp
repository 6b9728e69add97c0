#pragma once
// SHA-256 of files while they come in: one thread reads each file's contiguous prefix back, hashes it, and starts its
// write-back, so that neither the digest nor the disk is waited for long at the end.

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cache/artifacts/sha256.hpp"
#include "config/error.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {

class hash_thread;

// One file's. Thread-safe; shared by who fetches it and by the thread.
class hash_stream {
 public:
  struct view {
    std::uint64_t bytes = 0;   // of the file are hashed ..
    std::string sha256;        // .. to this
    bool kept_differ = false;  // what was kept is not what was written then; nothing more is hashed
    std::optional<error> why;  // it cannot be read; nothing more is hashed
  };
  view look() const;

 private:
  friend class hash_thread;
  // The thread's alone.
  std::shared_ptr<const inference::file_descriptor> file;
  std::filesystem::path path;
  std::uint64_t kept_bytes = 0;
  std::string kept_sha256;
  std::function<void()> changed;
  sha256 sum;
  std::uint64_t written_back = 0;

  mutable std::mutex mutex_;
  view now_;
  std::uint64_t wanted_ = 0;            // bytes that are there
  std::uint64_t tell_at_ = UINT64_MAX;  // `changed` is called once so many are hashed
  bool dropped_ = false;
};

class hash_thread {
 public:
  hash_thread();
  ~hash_thread();
  hash_thread(const hash_thread&) = delete;
  hash_thread& operator=(const hash_thread&) = delete;

  // From the file's begin. The first `kept_bytes`, if any, must have the digest `kept_sha256`. `changed` is called on
  // the thread when there is something to look at: trouble, or what tell_at() asked for.
  std::shared_ptr<hash_stream> begin(std::shared_ptr<const inference::file_descriptor> file, std::filesystem::path path,
                                     std::uint64_t kept_bytes, std::string kept_sha256, std::function<void()> changed);
  // The first `bytes` of the file are there.
  void extend(hash_stream& stream, std::uint64_t bytes);
  // False: so many are hashed already, or never will be: look().
  bool tell_at(hash_stream& stream, std::uint64_t bytes);
  // Nobody waits for it; `changed` is not called any more, but for a call that is under way.
  void drop(hash_stream& stream);

 private:
  void run();
  void step(hash_stream& s, std::uint64_t upto, std::span<std::byte> buffer);

  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<std::shared_ptr<hash_stream>> streams_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace troupe::cache
