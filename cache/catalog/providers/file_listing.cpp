// Type `file`: the JSON of /v1/models on the disk.

#include <sys/stat.h>

#include <utility>

#include "cache/catalog/providers/row_collector.hpp"
#include "cache/catalog/providers/source_kinds.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

class file_listing final : public provider_source {
 public:
  file_listing(const config::catalog_provider& from, const provider_limits& limits)
      : provider_(from.name), path_(from.path), limits_(limits) {}

  result<provider_reading> read(const take_rows& take, const std::atomic<bool>* cancelled) override {
    row_collector rows(provider_, take, limits_, cancelled);
    if (auto ok = rows.go_on(path_.string()); !ok) return tl::unexpected(ok.error());
    auto json = read_file();
    if (!json) return tl::unexpected(json.error());
    auto page = rows.add_page(*json, path_.string());
    if (!page) return tl::unexpected(page.error());
    return rows.finish(path_.string());
  }

 private:
  // By its descriptor: a file that another one has taken the place of stays what it was. Written in place, it may be
  // half of two.
  result<std::string> read_file() const {
    auto file = inference::open_for_reading(path_);
    if (!file) return fail(error_code::unavailable, file.error().message, file.error().detail);
    if (file->size_bytes > limits_.page_bytes_max)
      return fail(error_code::payload_too_large, path_.string() + " has " + std::to_string(file->size_bytes) +
                                                     " bytes, more than " + std::to_string(limits_.page_bytes_max));
    std::string json;
    json.reserve(file->size_bytes + simdjson::SIMDJSON_PADDING);
    json.resize(file->size_bytes);
    const auto read = inference::read_exactly(file->fd.get(), 0, std::as_writable_bytes(std::span(json)), path_);
    if (!read) return fail(error_code::unavailable, read.error().message);
    struct stat now {};
    if (::fstat(file->fd.get(), &now) != 0 || static_cast<std::uint64_t>(now.st_size) != file->size_bytes ||
        now.st_mtim.tv_sec * 1'000'000'000LL + now.st_mtim.tv_nsec != file->modified_ns)
      return fail(error_code::unavailable, path_.string() + " changed while it was read",
                  "a file that is written beside it and renamed");
    return json;
  }

  const std::string provider_;
  const std::filesystem::path path_;
  const provider_limits limits_;
};

}  // namespace

std::unique_ptr<provider_source> make_file_listing(const config::catalog_provider& from,
                                                   const provider_limits& limits) {
  return std::make_unique<file_listing>(from, limits);
}

}  // namespace troupe::cache
