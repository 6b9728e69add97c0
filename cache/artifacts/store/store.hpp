#pragma once
// The artifact store: models on disk, each file's content once (docs/artifacts.md says how it lies there). Shared by
// all processes that open the same folder: whatever changes it is done under a lock of the whole store, for moments.
// Thread-safe. Blocks: for detached actors and the command line, never on an event-based actor.
//
// What always holds, whenever a process ends:
//   A1  a manifest's snapshot is there whole: each of its files is a link to the blob of its digest, and on the disk
//   A2  a blob has the content that its name says, or was damaged by others afterwards (verify() finds that)
//   A3  what no manifest names is garbage, and goes with the next collect(); what is locked as partial is not

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cache/artifacts/manifest.hpp"
#include "config/error.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {

// A folder for what is being fetched, this process' alone while it lives (flock). What lies in it stays for a resume,
// unless it was published or discarded.
class partial_folder {
 public:
  partial_folder(partial_folder&&) noexcept = default;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  friend class store;
  partial_folder(std::filesystem::path path, inference::file_descriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  inference::file_descriptor lock_;
};

// A file that is whole, in a partial folder, with the digest of its content. Synced by publish().
struct fetched_file {
  std::filesystem::path at;
  stored_file as;
};

struct store_options {
  std::uint64_t limit_bytes = 0;  // store_limit_gb; 0: none
  std::chrono::seconds keep_partial{86400};
};

struct collection {
  std::uint64_t freed_bytes = 0;
  std::vector<std::string> evicted;  // models that store_limit_gb took, least recently used first
};

struct store_fault {
  std::string name;  // the model; empty: a blob that no model names
  std::string file;
  std::string what;
};

class store {
 public:
  // Makes the folder where it is missing, and collects what a crash has left, but for snapshots: another process may
  // serve one. Errors (unavailable): it cannot be used, with the reason and what to do.
  static result<std::unique_ptr<store>> open(const std::filesystem::path& root, store_options options);
  ~store();

  const std::filesystem::path& root() const noexcept;  // absolute, without symbolic links

  // -- what is there. By name; a manifest that cannot be read is left out, and told in the log and by verify().
  std::vector<manifest> list() const;
  // Errors: model_not_found, bad_request (no name of a model), or what is wrong with its manifest.
  result<manifest> find(const std::string& name) const;
  // Absolute; where the loader finds the model.
  std::filesystem::path folder_of(const manifest& m) const;
  // Of blobs, each once; of what is kept in partial/; of the disk that can still be written.
  std::uint64_t size_bytes() const;
  std::uint64_t partial_bytes() const;
  result<std::uint64_t> free_bytes() const;

  // -- what is fetched
  // The folder of `key` (any text: it is hashed). Waits for another process that has it, until `cancelled`.
  result<partial_folder> lock_partial(const std::string& key, const std::atomic<bool>* cancelled);
  void discard(partial_folder folder);
  // Content that the store has already, or that a publish which failed has left here: to be published as any fetched
  // file, without being fetched. Null: it has to be fetched. `as` needs its digest and size.
  result<std::optional<fetched_file>> reuse(const stored_file& as, const partial_folder& folder);
  // Of a model that is not being fetched: bytes kept under that key, which go.
  std::uint64_t discard_partial(const std::string& key);
  // Reserves room for `bytes` more in this process' view: fails (unavailable, saying how much is missing) when the
  // disk, less what was reserved before, or store_limit_gb after all that may be evicted (neither pinned nor in
  // `in_use`, as for collect()), has not as much. Given back with the returned object. What is written into `growing`
  // from now on fills the room: the disk has less then, and it is not counted twice.
  result<std::shared_ptr<void>> reserve(std::uint64_t bytes, const partial_folder* growing = nullptr,
                                        const std::set<std::filesystem::path>& in_use = {});

  // Makes `m` of files that are whole, in place of what had the name: files and snapshot are filled in, downloaded_at
  // where it is not set, and `pinned` stays where it was. The old snapshot stays on the disk until collect() is told
  // that nobody uses it. Files lie in `folder`, which goes if it succeeds. Where the store's own content was damaged,
  // it is mended in all models. Errors: bad_request (name, file names), unavailable (the disk), unprocessable (content
  // that went meanwhile), internal (files that are not as told).
  result<manifest> publish(manifest m, const std::vector<fetched_file>& files, partial_folder folder);
  // A second name for the same content. Errors: as find() and publish(); conflict: the name is taken.
  result<manifest> copy(const std::string& from, const std::string& to);
  result<void> pin(const std::string& name, bool pinned);
  // The name is gone at once; its bytes, as far as no other model has them, too. Also where its manifest cannot be
  // read. Error: model_not_found.
  result<std::uint64_t> remove(const std::string& name);

  // Last use, for store_limit_gb: kept in memory and, at most once a minute a model, on the disk.
  void used(const std::string& name);

  // -- upkeep
  // Takes what no manifest names, but for snapshots in `in_use` (folders, as folder_of gives them), and partial folders
  // that are too old; then, over the limit, whole models that are neither pinned nor in use.
  result<collection> collect(const std::set<std::filesystem::path>& in_use);
  // Reads everything again. `progress` is told bytes done and in all, and says whether to go on. Content that is
  // damaged loses its name in blobs/, so that a new download brings it anew.
  std::vector<store_fault> verify(const std::function<bool(std::uint64_t, std::uint64_t)>& progress);

 private:
  struct state;
  explicit store(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

}  // namespace troupe::cache
