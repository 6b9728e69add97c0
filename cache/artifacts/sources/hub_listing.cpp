#include "cache/artifacts/sources/hub_listing.hpp"

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/sources/hub_names.hpp"
#include "cache/artifacts/sources/selection.hpp"
#include "cache/artifacts/sources/urls.hpp"
#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

namespace dom = simdjson::dom;
constexpr std::size_t tags_max = 64;
constexpr std::size_t tag_bytes_max = 120;

// Absent and null are the same to the hub.
std::optional<dom::element> member(dom::element object, std::string_view key) {
  dom::element found;
  if (object[key].get(found) || found.is_null()) return std::nullopt;
  return found;
}

class reader {
 public:
  explicit reader(const std::string& what) : what_(what) {}

  result<hub_listing> read(dom::element root) {
    hub_listing out;
    dom::array siblings;
    const auto listed = member(root, "siblings");
    if (!listed || listed->get(siblings)) return problem("siblings", "must be a list");
    if (siblings.size() > listed_files_max)
      return problem("siblings", "has more than " + std::to_string(listed_files_max) + " files");
    if (auto ok = text(root, "sha", "sha", out.commit); !ok) return tl::unexpected(ok.error());
    if (!out.commit.empty() && !is_commit(out.commit))
      return problem("sha", "is no commit: '" + shown(out.commit) + "'");
    if (auto ok = text(root, "pipeline_tag", "pipeline_tag", out.task); !ok) return tl::unexpected(ok.error());
    out.task = shown(out.task);
    bool flag = false;
    if (const auto gated = member(root, "gated")) {  // false, true, "auto" or "manual"
      if (!gated->is_string() && gated->get(flag)) return problem("gated", "must be true, false or a text");
      out.gated = gated->is_string() || flag;
    }
    if (const auto disabled = member(root, "disabled"); disabled && disabled->get(out.disabled))
      return problem("disabled", "must be true or false");
    if (auto ok = tags(root, out.tags); !ok) return tl::unexpected(ok.error());
    out.files.reserve(siblings.size());
    for (const auto sibling : siblings) {
      auto file = read_file(sibling, "siblings[" + std::to_string(out.files.size()) + ']');
      if (!file) return tl::unexpected(file.error());
      out.files.push_back(std::move(*file));
    }
    return out;
  }

 private:
  tl::unexpected<error> problem(const std::string& field, const std::string& why) const {
    return fail(error_code::unprocessable, what_ + ": the hub's answer is not usable: '" + field + "' " + why);
  }

  result<void> text(dom::element object, std::string_view key, const std::string& field, std::string& out) const {
    const auto found = member(object, key);
    std::string_view value;
    if (!found) return {};
    if (found->get(value)) return problem(field, "must be a text");
    out = value;
    return {};
  }

  result<void> size(dom::element object, const std::string& field, std::optional<std::uint64_t>& out) const {
    const auto found = member(object, "size");
    std::uint64_t value = 0;
    if (!found) return {};
    if (found->get(value)) return problem(field, "must be a whole number");
    out = value;
    return {};
  }

  result<void> tags(dom::element root, std::vector<std::string>& out) const {
    const auto found = member(root, "tags");
    if (!found) return {};
    dom::array tags;
    if (found->get(tags)) return problem("tags", "must be a list");
    for (const auto tag : tags) {
      std::string_view value;
      if (tag.get(value)) return problem("tags", "must be a list of texts");
      if (out.size() < tags_max && !value.empty() && value.size() <= tag_bytes_max) out.push_back(shown(value));
    }
    return {};
  }

  result<hub_file> read_file(dom::element sibling, const std::string& field) const {
    hub_file out;
    if (!sibling.is_object()) return problem(field, "must be an object");
    if (auto ok = text(sibling, "rfilename", field + ".rfilename", out.path); !ok) return tl::unexpected(ok.error());
    if (out.path.empty()) return problem(field + ".rfilename", "is missing");
    if (auto ok = size(sibling, field + ".size", out.size_bytes); !ok) return tl::unexpected(ok.error());
    if (auto ok = text(sibling, "blobId", field + ".blobId", out.blob_id); !ok) return tl::unexpected(ok.error());
    if (!out.blob_id.empty() && !is_commit(out.blob_id) && !is_sha256_hex(out.blob_id))
      return problem(field + ".blobId", "is no digest");
    if (const auto lfs = member(sibling, "lfs")) {
      if (!lfs->is_object()) return problem(field + ".lfs", "must be an object");
      if (auto ok = size(*lfs, field + ".lfs.size", out.size_bytes); !ok) return tl::unexpected(ok.error());
      if (auto ok = text(*lfs, "sha256", field + ".lfs.sha256", out.sha256); !ok) return tl::unexpected(ok.error());
      if (!out.sha256.empty() && !is_sha256_hex(out.sha256))
        return problem(field + ".lfs.sha256", "must be 64 lower-case hex digits");
    }
    out.chunks_only = out.sha256.empty() && (member(sibling, "xetHash") || member(sibling, "xet"));
    return out;
  }

  const std::string& what_;
};

}  // namespace

result<hub_listing> parse_hub_listing(std::string_view json, const std::string& what) {
  inference::json_document document;
  if (auto ok = inference::parse_json_object(json, what + ": the hub's answer", document); !ok)
    return tl::unexpected(ok.error());
  return reader(what).read(document.root);
}

}  // namespace troupe::cache
