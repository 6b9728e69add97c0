#pragma once
// What a store is made of, and what its functions share. The steps below change the disk in the order that A1 needs.

#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "cache/artifacts/store/disk.hpp"
#include "cache/artifacts/store/last_uses.hpp"
#include "cache/artifacts/store/layout.hpp"
#include "cache/artifacts/store/manifests.hpp"
#include "cache/artifacts/store/rooms.hpp"
#include "cache/artifacts/store/store.hpp"
#include "cache/artifacts/store/workspace.hpp"

namespace troupe::cache {

struct store_parts {
  store_parts(layout where, store_options with, workspace own)
      : at(std::move(where)), options(with), work(std::move(own)), known(at), uses(at) {}

  const layout at;
  const store_options options;
  workspace work;
  manifests known;
  last_uses uses;
  rooms promised;
};

struct store::state : store_parts {
  using store_parts::store_parts;
};

// The store's lock: of processes and of threads alike.
result<inference::file_descriptor> lock_store(const layout& at);

// All below REQUIRE it.

// -- a model appears (snapshot.cpp)
// Makes the model's snapshot what its files say, from blobs that are there; to the disk. True: there was none.
result<bool> complete_snapshot(store_parts& parts, const manifest& m, scratch& beside);
// Writes the manifest; from here on the model is what it says. Gives it as it can be read again.
result<manifest> commit(store_parts& parts, const manifest& m, scratch& beside);
// A model whose name may be new: both of these. What it has made goes if it fails.
result<manifest> install(store_parts& parts, const manifest& m, scratch& beside);

// -- and goes (removal.cpp)
// The manifest first; then the snapshots, into the trash, and the folders that are empty then.
result<void> take_apart(store_parts& parts, const std::string& name, scratch& trash);
// The model's folder and its namespace's, as far as nothing is in them.
void remove_empty_folders(const layout& at, const std::string& name);
// Partial folders that nobody has and that nothing was written to for so long.
void take_partials(const layout& at, std::chrono::seconds age_min, scratch& trash);
struct blob_bytes {
  std::uint64_t taken = 0, kept = 0;
};
// Takes blobs that nothing links to.
blob_bytes take_blobs(const layout& at, scratch& trash);

// -- partial.cpp
inline constexpr const char* partial_lock_name = "@lock";
// Content that is whole, by digest: what a publish that failed had, and what the store had already.
inline constexpr const char* partial_whole_name = "@whole";
std::uint64_t kept_in(const std::filesystem::path& partial_folder);

}  // namespace troupe::cache
