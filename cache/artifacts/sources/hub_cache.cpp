#include "cache/artifacts/sources/hub_cache.hpp"

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/sources/hub_names.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t ref_bytes_max = 256;

}  // namespace

std::optional<cached_snapshot> find_in_hub_cache(const fs::path& cache, const std::string& id,
                                                 const std::string& revision) {
  if (cache.empty()) return std::nullopt;
  auto name = "models--" + id;
  if (const auto slash = name.find('/'); slash != name.npos) name.replace(slash, 1, "--");
  std::error_code why;
  const auto model = fs::canonical(cache / name, why);
  if (why) return std::nullopt;
  auto commit = revision.empty() ? std::string("main") : revision;
  if (!is_commit(commit)) {
    const auto ref = model / "refs" / commit;
    if (!inference::file_exists(ref)) return std::nullopt;
    auto text = inference::read_small_file(ref, ref_bytes_max);
    if (!text) return std::nullopt;
    commit = text->substr(0, text->find_last_not_of(" \n\r\t") + 1);
    if (!is_commit(commit)) return std::nullopt;
  }
  const auto folder = model / "snapshots" / commit;
  if (!fs::is_directory(folder, why)) return std::nullopt;
  auto files = list_folder(folder, model);
  if (!files) return std::nullopt;
  return cached_snapshot{folder, commit, std::move(*files)};
}

std::string blob_digest(const folder_file& file) {
  auto name = file.real.filename().string();
  return is_sha256_hex(name) || is_commit(name) ? name : std::string();
}

}  // namespace troupe::cache
