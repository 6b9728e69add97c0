#pragma once
// A file that is being fetched: its bytes on the disk, the digest of its prefix, and what of both is recorded for a
// resume. One thread (the loop's); the digest is made on the hash thread.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cache/artifacts/transfer/hash_thread.hpp"
#include "cache/artifacts/transfer/partial_file.hpp"
#include "config/error.hpp"

namespace troupe::cache {

class growing_file {
 public:
  // `changed` is called on the hash thread when there is something to look at.
  growing_file(partial_file file, std::string identity, hash_thread& hashes, std::function<void()> changed);
  ~growing_file();
  growing_file(const growing_file&) = delete;
  growing_file& operator=(const growing_file&) = delete;

  const partial_state& kept() const noexcept { return file_.kept(); }  // what was there at first
  bool can_be_kept() const noexcept { return !identity_.empty(); }
  result<void> write(std::uint64_t offset, std::span<const std::byte> bytes) { return file_.write(offset, bytes); }

  // The first `prefix` bytes are there. The hash thread is told of each MiB; with `all`, of every byte.
  void grown_to(std::uint64_t prefix, bool all);
  // False: so many are hashed already, or never will be: look(). True: `changed` is called then.
  bool tell_at(std::uint64_t bytes) { return hashes_.tell_at(*hash_, bytes); }
  hash_stream::view look() const { return hash_->look(); }

  // What is hashed is recorded, of content of that size and ETag; the second once a second of those it is called in.
  void record(std::optional<std::uint64_t> size, const std::string& etag);
  void record_sometimes(steady_time now, std::uint64_t prefix, std::optional<std::uint64_t> size,
                        const std::string& etag);

  // What is there is nothing any more. Error: unavailable.
  result<void> restart();
  // What is recorded stays, and nothing else: without any, the file goes.
  void keep_recorded(std::optional<std::uint64_t> size, const std::string& etag);
  void remove() { file_.remove(); }

 private:
  void begin_hash(std::uint64_t kept_bytes, const std::string& kept_sha256);

  partial_file file_;
  const std::string identity_;
  hash_thread& hashes_;
  const std::function<void()> changed_;
  std::shared_ptr<hash_stream> hash_;
  std::uint64_t told_ = 0;      // bytes that the hash thread knows of
  std::uint64_t recorded_ = 0;  // bytes that the state file knows of
  steady_time recorded_at_;
};

}  // namespace troupe::cache
