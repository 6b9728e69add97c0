// Source `huggingface`: the hub, or a mirror of it (HF_ENDPOINT), and the cache folder of the hub's own clients.

#include <algorithm>
#include <charconv>

#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/sources/hub_cache.hpp"
#include "cache/artifacts/sources/hub_listing.hpp"
#include "cache/artifacts/sources/hub_names.hpp"
#include "cache/artifacts/sources/selection.hpp"
#include "cache/artifacts/sources/source_kinds.hpp"
#include "cache/artifacts/sources/urls.hpp"

namespace troupe::cache {
namespace {

constexpr int relative_redirects_max = 5;
constexpr std::size_t etag_bytes_max = 200;

// Of a strong ETag what is between the quotes; else empty.
std::string strong_etag(const std::string* header) {
  if (header == nullptr || header->size() > etag_bytes_max || header->starts_with("W/")) return {};
  std::string out = *header;
  std::erase(out, '"');
  return shown(out);
}

std::optional<std::uint64_t> number_of(const std::string* header) {
  std::uint64_t value = 0;
  if (header == nullptr) return std::nullopt;
  const auto [end, why] = std::from_chars(header->data(), header->data() + header->size(), value);
  return why == std::errc() && end == header->data() + header->size() ? std::optional(value) : std::nullopt;
}

class hub {
 public:
  hub(const source_context& in, std::string endpoint)
      : in_(in),
        endpoint_(std::move(endpoint)),
        id_(in.request.model_id),
        revision_(in.request.revision),
        what_("'" + id_ + "'") {
    if (endpoint_ != source_settings{}.hf_endpoint) reach_ = reach::anywhere;
    if (!in.settings.hf_token.empty())
      authorize_ = [token = in.settings.hf_token, ours = endpoint_](std::string_view, const std::string& url) {
        return same_origin(url, ours) ? header_lines{{"Authorization", "Bearer " + token}} : header_lines{};
      };
  }

  result<pull_plan> plan() {
    if (in_.settings.hf_hub_offline) {
      auto cached = find_in_hub_cache(in_.settings.hf_cache, id_, revision_);
      if (!cached)
        return fail(error_code::model_not_found,
                    what_ + at_revision() + " is not in the hub's cache folder, and HF_HUB_OFFLINE is set",
                    in_.settings.hf_cache.empty() ? "no cache folder is configured"
                                                  : "looked for in " + shown(in_.settings.hf_cache.string()));
      return from_cache(*cached, "HF_HUB_OFFLINE is set");
    }
    auto listing = ask_for_listing();
    if (!listing) {
      if (listing.error().code != error_code::unavailable) return tl::unexpected(listing.error());
      const auto cached = find_in_hub_cache(in_.settings.hf_cache, id_, revision_);
      auto plan = cached ? from_cache(*cached, listing.error().message) : tl::unexpected(listing.error());
      return plan ? std::move(plan) : tl::unexpected(listing.error());
    }
    return from_listing(*listing);
  }

 private:
  std::string at_revision() const { return revision_.empty() ? "" : " at revision '" + revision_ + "'"; }

  http_request request(std::string url, const char* method) const {
    http_request out;
    out.url = std::move(url);
    out.method = method;
    out.authorize = authorize_;
    out.may_reach = reach_;
    return out;
  }

  std::string resolve_url(const std::string& commit, const std::string& path) const {
    const auto& at = commit.empty() ? (revision_.empty() ? "main" : revision_) : commit;
    return endpoint_ + '/' + id_ + "/resolve/" + encode_component(at) + '/' + encode_path(path);
  }

  tl::unexpected<error> may_not_read(bool gated) const {
    const auto page = endpoint_ + '/' + id_;
    if (gated)
      return fail(error_code::forbidden, what_ + " is gated: its publisher gives access to whom they accept",
                  "ask for access at " + page + ", then set HF_TOKEN to a token of that account");
    return fail(error_code::forbidden, what_ + " is private, gated, or not there",
                in_.settings.hf_token.empty()
                    ? "set HF_TOKEN to a token that may read it, or look whether it is at " + page
                    : "the token in HF_TOKEN may not read it; access is asked for at " + page);
  }

  // Success is left to the caller.
  result<void> check_status(const http_answer& answer, const std::string& file) const {
    const auto* code = answer.header("x-error-code");
    const auto says = [&](const char* which) { return code != nullptr && *code == which; };
    if (says("GatedRepo")) return may_not_read(true);
    // The hub answers 401 for what is not there, too, where nobody has told who asks.
    if (says("RepoNotFound") && answer.status == 401)
      return fail(error_code::model_not_found, what_ + " was not found at " + endpoint_ + ", or is private",
                  "org/name as the hub has it; for a private one set HF_TOKEN to a token that may read it");
    if (answer.status == 401 || answer.status == 403) return may_not_read(false);
    if (answer.status == 404 || answer.status == 410) {
      if (!file.empty())
        return fail(error_code::unprocessable,
                    what_ + at_revision() + " lists '" + shown(file) + "', but does not have it");
      if (!revision_.empty() && !says("RepoNotFound"))
        return fail(error_code::model_not_found,
                    what_ + " has no revision '" + revision_ + "' at " + endpoint_ + ", or there is no such model");
      return fail(error_code::model_not_found, what_ + " was not found at " + endpoint_, "org/name as the hub has it");
    }
    if (answer.status >= 400)
      return fail(error_code::unavailable, endpoint_ + " answered " + std::to_string(answer.status) + " for " + what_);
    return {};
  }

  result<hub_listing> ask_for_listing() const {
    auto url = endpoint_ + "/api/models/" + id_;
    if (!revision_.empty()) url += "/revision/" + encode_component(revision_);
    auto answer = ask(in_, request(url + "?blobs=true", "GET"));
    if (!answer) return tl::unexpected(answer.error());
    if (auto ok = check_status(*answer, {}); !ok) return tl::unexpected(ok.error());
    return parse_hub_listing(answer->body, what_);
  }

  result<std::string> read_text(const std::string& commit, const std::string& path) const {
    auto wanted = request(resolve_url(commit, path), "GET");
    wanted.body_bytes_max = listed_text_bytes_max;
    auto answer = ask(in_, wanted);
    if (!answer) return tl::unexpected(answer.error());
    if (auto ok = check_status(*answer, path); !ok) return tl::unexpected(ok.error());
    return std::move(answer->body);
  }

  // What the listing does not tell of a file, and whether it may be read.
  result<void> look_at(hub_file& file, std::string& commit) const {
    auto wanted = request(resolve_url(commit, file.path), "HEAD");
    wanted.follow = false;
    for (int i = 0; i <= relative_redirects_max; ++i) {
      const auto answer = ask(in_, wanted);
      if (!answer) return tl::unexpected(answer.error());
      if (answer->status == 405) return {};  // a mirror that knows no HEAD
      if (auto ok = check_status(*answer, file.path); !ok) return ok;
      if (auto ok = take_headers(*answer, file, commit); !ok) return ok;
      const auto* next = answer->header("location");
      // The hub moves on within itself first; an address elsewhere is where the content is.
      if (answer->status < 300 || next == nullptr || !next->starts_with('/') || next->starts_with("//") ||
          answer->header("x-linked-etag") != nullptr)
        return {};
      wanted.url = endpoint_.substr(0, endpoint_.find('/', endpoint_.find("://") + 3)) + *next;
    }
    return fail(error_code::unavailable, endpoint_ + " redirects '" + shown(file.path) + "' without end");
  }

  result<void> take_headers(const http_answer& answer, hub_file& file, std::string& commit) const {
    if (const auto* told = answer.header("x-repo-commit"); told != nullptr && is_commit(*told)) {
      if (commit.empty()) commit = *told;
      if (commit != *told)
        return fail(error_code::unavailable, what_ + " has changed while it was looked at", "try again");
    }
    const auto linked = strong_etag(answer.header("x-linked-etag"));
    if (file.sha256.empty() && is_sha256_hex(linked)) file.sha256 = linked;
    if (file.sha256.empty() && answer.header("x-xet-hash") != nullptr) file.chunks_only = true;
    if (!file.size_bytes) file.size_bytes = number_of(answer.header("x-linked-size"));
    if (answer.status >= 300) return {};
    if (file.etag().empty()) file.blob_id = strong_etag(answer.header("etag"));
    if (!file.size_bytes && answer.header("content-encoding") == nullptr)
      file.size_bytes = number_of(answer.header("content-length"));
    return {};
  }

  // A file of the hub's cache that is the listed one.
  static const folder_file* find(const cached_snapshot& cached, const hub_file& file) {
    const auto at = std::lower_bound(cached.files.begin(), cached.files.end(), file.path,
                                     [](const auto& f, const auto& path) { return f.path < path; });
    if (at == cached.files.end() || at->path != file.path || !at->fault.empty()) return nullptr;
    if (file.size_bytes && *file.size_bytes != at->size_bytes) return nullptr;
    const auto digest = blob_digest(*at);
    if (!digest.empty() && !file.etag().empty() && digest != file.etag()) return nullptr;
    return &*at;
  }

  planned_file plan_local(const folder_file& file, std::string sha256) const {
    planned_file out;
    out.path = file.path;
    out.local = file.real;
    out.size_bytes = file.size_bytes;
    out.sha256 = std::move(sha256);
    if (const auto digest = blob_digest(file); out.sha256.empty() && is_sha256_hex(digest)) out.sha256 = digest;
    return out;
  }

  planned_file plan_fetched(const hub_file& file, const std::string& commit) const {
    planned_file out;
    out.path = file.path;
    out.url = resolve_url(commit, file.path);
    out.size_bytes = file.size_bytes;
    out.sha256 = file.sha256;
    if (!commit.empty() || !file.etag().empty())
      out.identity = commit + ' ' + file.etag() + ' ' + (file.size_bytes ? std::to_string(*file.size_bytes) : "");
    return out;
  }

  pull_plan begin_plan() const {
    pull_plan plan;
    plan.source = source_kind::huggingface;
    plan.model_id = id_;
    plan.may_reach = reach_;
    plan.authorize = authorize_;
    return plan;
  }

  result<pull_plan> from_cache(const cached_snapshot& cached, const std::string& why) const {
    auto chosen = select_from_folder(cached.files, what_ + " in " + shown(cached.folder.string()));
    if (!chosen) return tl::unexpected(chosen.error());
    auto plan = begin_plan();
    plan.revision = cached.commit;
    plan.notes = std::move(chosen->notes);
    plan.notes.push_back("from the hub's cache folder, " + shown(cached.folder.string()) + ": " + why);
    for (const auto place : chosen->files) plan.files.push_back(plan_local(cached.files[place], {}));
    return plan;
  }

  result<pull_plan> from_listing(hub_listing& listing) const {
    if (listing.disabled) return fail(error_code::forbidden, what_ + " was disabled by the hub");
    if (listing.gated && in_.settings.hf_token.empty()) return may_not_read(true);
    std::vector<listed_file> files;
    files.reserve(listing.files.size());
    for (const auto& file : listing.files) files.push_back({file.path, file.size_bytes});
    auto chosen =
        select_files(files, what_, [&](std::size_t place) { return read_text(listing.commit, files[place].path); });
    if (!chosen) return tl::unexpected(chosen.error());

    auto plan = begin_plan();
    plan.task = listing.task;
    plan.tags = std::move(listing.tags);
    plan.notes = std::move(chosen->notes);
    std::optional<cached_snapshot> cached;
    if (!listing.commit.empty()) cached = find_in_hub_cache(in_.settings.hf_cache, id_, listing.commit);
    bool may_be_refused = listing.gated;
    for (const auto place : chosen->files) {
      auto& file = listing.files[place];
      if (const auto* here = cached ? find(*cached, file) : nullptr) {
        auto both = plan_fetched(file, listing.commit);  // should it be damaged
        auto local = plan_local(*here, file.sha256);
        both.local = std::move(local.local);
        both.size_bytes = local.size_bytes;
        both.sha256 = std::move(local.sha256);
        plan.files.push_back(std::move(both));
        continue;
      }
      if (may_be_refused || !file.size_bytes || file.etag().empty())
        if (auto ok = look_at(file, listing.commit); !ok) return tl::unexpected(ok.error());
      may_be_refused = false;
      if (file.chunks_only)
        return fail(
            error_code::unprocessable,
            what_ + ": '" + shown(file.path) + "' is only in the hub's chunked store (Xet), which is not supported",
            "a repository whose large files have a SHA-256");
      plan.files.push_back(plan_fetched(file, listing.commit));
    }
    plan.revision = listing.commit;
    const auto local =
        std::count_if(plan.files.begin(), plan.files.end(), [](const auto& f) { return !f.local.empty(); });
    if (local > 0)
      plan.notes.push_back(std::to_string(local) + " of " + std::to_string(plan.files.size()) +
                           " files are taken from the hub's cache folder, " + shown(cached->folder.string()));
    return plan;
  }

  const source_context& in_;
  const std::string endpoint_;
  const std::string& id_;
  const std::string& revision_;
  const std::string what_;
  reach reach_ = reach::outside;
  authorizer authorize_;
};

}  // namespace

result<pull_plan> plan_hugging_face(const source_context& in) {
  if (auto ok = check_hub_id(in.request.model_id); !ok) return tl::unexpected(ok.error());
  if (!in.request.revision.empty())
    if (auto ok = check_hub_revision(in.request.revision); !ok) return tl::unexpected(ok.error());
  auto endpoint = checked_base_url(in.settings.hf_endpoint, "HF_ENDPOINT");
  if (!endpoint) return tl::unexpected(endpoint.error());
  return hub(in, std::move(*endpoint)).plan();
}

}  // namespace troupe::cache
