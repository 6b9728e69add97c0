// Source `local`: a folder, or one file of weights, on a disk of this machine.

#include "cache/artifacts/sources/folder_listing.hpp"
#include "cache/artifacts/sources/selection.hpp"
#include "cache/artifacts/sources/source_kinds.hpp"
#include "cache/artifacts/sources/urls.hpp"
#include "cache/artifacts/store/file_names.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

result<std::vector<planned_file>> one_file(const fs::path& file, const std::string& name, const std::string& what) {
  std::error_code why;
  if (!fs::is_regular_file(file, why))
    return fail(error_code::unprocessable, what + " is neither a folder nor a regular file");
  if (!is_weights_name(name))
    return fail(error_code::unprocessable, what + " is no file of weights",
                "a folder, or " + std::string(weights_endings));
  if (auto ok = check_file_name(name); !ok) return tl::unexpected(ok.error());
  const auto size = fs::file_size(file, why);
  if (why) return fail(error_code::unprocessable, what + " cannot be looked at: " + why.message());
  planned_file out;
  out.path = name;
  out.local = file;
  out.size_bytes = size;
  return std::vector{std::move(out)};
}

}  // namespace

result<pull_plan> plan_local(const source_context& in) {
  const auto& id = in.request.model_id;
  const auto what = "'" + shown(id) + "'";
  if (!in.request.revision.empty()) return fail(error_code::bad_request, "a local path has no revision");
  if (id.find('\0') != id.npos || !fs::path(id).is_absolute())
    return fail(error_code::bad_request, what + " is no absolute path");
  std::error_code why;
  const auto root = fs::canonical(id, why);
  if (why == std::errc::no_such_file_or_directory) return fail(error_code::model_not_found, what + " is not there");
  if (why) return fail(error_code::unprocessable, what + " cannot be read: " + why.message());

  pull_plan plan;
  plan.source = source_kind::local;
  plan.model_id = id;
  if (!fs::is_directory(root, why)) {
    // The name that was asked for, not that of what a link leads to.
    auto files = one_file(root, fs::path(id).filename().string(), what);
    if (!files) return tl::unexpected(files.error());
    plan.files = std::move(*files);
    return plan;
  }
  const auto files = list_folder(root, root);
  if (!files) return tl::unexpected(files.error());
  auto chosen = select_from_folder(*files, what);
  if (!chosen) return tl::unexpected(chosen.error());
  for (const auto place : chosen->files) {
    planned_file out;
    out.path = (*files)[place].path;
    out.local = (*files)[place].real;
    out.size_bytes = (*files)[place].size_bytes;
    plan.files.push_back(std::move(out));
  }
  plan.notes = std::move(chosen->notes);
  return plan;
}

}  // namespace troupe::cache
