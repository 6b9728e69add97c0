#pragma once
// The folder in which the hub's own clients keep what they fetched: models--org--name/{refs,snapshots,blobs}. Only
// read.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cache/artifacts/sources/folder_listing.hpp"

namespace troupe::cache {

struct cached_snapshot {
  std::filesystem::path folder;
  std::string commit;
  std::vector<folder_file> files;  // by path; links lead into the model's own folder, or are faults
};

// `id` and `revision` are checked (hub_names.hpp); an empty revision is "main". Null: it is not there.
std::optional<cached_snapshot> find_in_hub_cache(const std::filesystem::path& cache, const std::string& id,
                                                 const std::string& revision);

// What the blob behind a file is called, where it is a digest: a SHA-256, or git's id. Empty: the file is no link.
std::string blob_digest(const folder_file& file);

}  // namespace troupe::cache
