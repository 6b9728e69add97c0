#include "cache/artifacts/pull.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "cache/artifacts/copy_in.hpp"
#include "cache/artifacts/sha256.hpp"
#include "cache/artifacts/store/rooms.hpp"

namespace troupe::cache {
namespace {

namespace fs = std::filesystem;

// Where a planned file lies while it is fetched: by what it is, so that a later try finds it, and another content does
// not.
std::string partial_name(const planned_file& f) {
  sha256 digest;
  digest.add(f.path);
  digest.add("\n" + f.identity + "\n" + f.sha256);
  return digest.hex().substr(0, 32);
}

std::uint64_t allocated_bytes(const fs::path& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 ? static_cast<std::uint64_t>(st.st_blocks) * 512 : 0;
}

// The model is what the plan would fetch, as far as the source tells before it is fetched.
bool same_content(const manifest& m, const pull_plan& plan) {
  if (m.source != plan.source || m.model_id != plan.model_id || m.files.size() != plan.files.size()) return false;
  const bool by_revision = !plan.revision.empty() && m.revision == plan.revision;
  return std::all_of(plan.files.begin(), plan.files.end(), [&](const planned_file& f) {
    const auto have =
        std::find_if(m.files.begin(), m.files.end(), [&](const stored_file& s) { return s.path == f.path; });
    if (have == m.files.end() || (f.size_bytes && *f.size_bytes != have->size_bytes)) return false;
    if (!f.sha256.empty()) return f.sha256 == have->sha256;
    return by_revision || (!f.sha256_begins.empty() && have->sha256.starts_with(f.sha256_begins));
  });
}

class pull_in_progress {
 public:
  pull_in_progress(const pull_request& request, const pull_tools& tools, pull_observer& observer,
                   const std::atomic<bool>* cancelled)
      : request_(request), tools_(tools), observer_(observer), cancelled_(cancelled) {}

  result<pulled> run() {
    auto plan = make_plan(request_, tools_.sources, tools_.net, cancelled_);
    if (!plan) return tl::unexpected(plan.error());
    plan_ = std::move(*plan);
    if (auto fits = check_size(); !fits) return tl::unexpected(fits.error());
    observer_.planned(plan_);
    auto folder = tools_.artifacts.lock_partial(request_.name, cancelled_);
    if (!folder) return tl::unexpected(folder.error());
    // Another process may have had the folder, and made the model meanwhile.
    if (auto have = tools_.artifacts.find(request_.name); have && !request_.afresh && same_content(*have, plan_)) {
      tools_.artifacts.discard(std::move(*folder));
      return pulled{std::move(*have), true};
    }
    at_ = folder->path();
    files_.resize(plan_.files.size());
    if (auto got = get_files(*folder); !got) {
      for (const auto& at : copies_) remove(at);
      return tl::unexpected(got.error());
    }
    observer_.publishing();
    auto made = tools_.artifacts.publish(describe(), files_, std::move(*folder));
    if (!made) return tl::unexpected(made.error());
    return pulled{std::move(*made), false};
  }

 private:
  result<void> check_size() const {
    std::uint64_t known = 0;
    for (const auto& f : plan_.files) known = saturated_sum(known, f.size_bytes.value_or(0));
    if (tools_.artifact_bytes_max == 0 || known <= tools_.artifact_bytes_max) return {};
    return fail(error_code::payload_too_large,
                plan_.model_id + " has " + std::to_string(known >> 20) + " MiB, more than is allowed",
                "max_artifact_mb is " + std::to_string(tools_.artifact_bytes_max >> 20));
  }

  result<void> get_files(const partial_folder& folder) {
    std::vector<std::size_t> from_here, from_afar;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      const auto& f = plan_.files[i];
      const auto kept = reuse(i, folder);
      if (!kept) return tl::unexpected(kept.error());
      if (*kept) continue;
      (f.local.empty() ? from_afar : from_here).push_back(i);
      const auto there = allocated_bytes(at_ / partial_name(f));
      bytes = saturated_sum(bytes, f.size_bytes.value_or(0) - std::min(f.size_bytes.value_or(0), there));
    }
    const auto room = tools_.artifacts.reserve(bytes, &folder);
    if (!room) return tl::unexpected(room.error());
    for (const auto i : from_here) {
      if (auto copied = copy(i); copied)
        continue;
      else if (copied.error().code == error_code::cancelled || plan_.files[i].url.empty())
        return copied;
      from_afar.push_back(i);
    }
    return fetch(from_afar);
  }

  // Content that the store has already. False: it has not.
  result<bool> reuse(std::size_t i, const partial_folder& folder) {
    const auto& f = plan_.files[i];
    if (request_.afresh || f.sha256.empty() || !f.size_bytes) return false;
    auto found = tools_.artifacts.reuse({f.path, *f.size_bytes, f.sha256, {}}, folder);
    if (!found) return tl::unexpected(found.error());
    if (!*found) return false;
    files_[i] = std::move(**found);
    observer_.progress(i, *f.size_bytes);
    return true;
  }

  // A copy that no later try goes on with.
  static void remove(const fs::path& at) {
    std::error_code ignored;
    fs::remove(at, ignored);
  }

  result<void> copy(std::size_t i) {
    const auto& f = plan_.files[i];
    const auto at = at_ / partial_name(f);
    auto copied = copy_in(
        f.local, at, [&](std::uint64_t done) { observer_.progress(i, done); }, cancelled_);
    if (copied &&
        ((f.size_bytes && *f.size_bytes != copied->size_bytes) || (!f.sha256.empty() && f.sha256 != copied->sha256)))
      copied = fail(error_code::unprocessable, f.local.string() + " is not what its name says: it is damaged");
    if (!copied) {
      remove(at);
      return tl::unexpected(copied.error());
    }
    copies_.push_back(at);
    files_[i] = {at, {f.path, copied->size_bytes, std::move(copied->sha256), {}}};
    return {};
  }

  result<void> fetch(const std::vector<std::size_t>& which) {
    if (which.empty()) return {};
    std::vector<file_transfer> transfers;
    transfers.reserve(which.size());
    for (const auto i : which) {
      const auto& f = plan_.files[i];
      file_transfer t;
      t.url = f.url;
      t.authorize = plan_.authorize;
      t.may_reach = plan_.may_reach;
      t.to = at_ / partial_name(f);
      t.size_bytes = f.size_bytes;
      t.sha256 = f.sha256;
      t.sha256_begins = f.sha256_begins;
      t.identity = f.identity;
      t.size_bytes_max = tools_.artifact_bytes_max;
      transfers.push_back(std::move(t));
    }
    auto got = tools_.net.fetch(
        transfers, [&](std::size_t at, std::uint64_t done) { observer_.progress(which[at], done); }, cancelled_);
    if (!got) return tl::unexpected(got.error());
    for (std::size_t k = 0; k < which.size(); ++k) {
      auto& t = (*got)[k];
      files_[which[k]] = {transfers[k].to,
                          {plan_.files[which[k]].path, t.size_bytes, std::move(t.sha256), std::move(t.etag)}};
    }
    return {};
  }

  manifest describe() const {
    manifest m;
    m.name = request_.name;
    m.source = plan_.source;
    m.model_id = plan_.model_id;
    m.revision = plan_.revision;
    m.requested_revision = plan_.requested_revision;
    m.task = plan_.task;
    m.asked_task = request_.task;
    m.description = plan_.description;
    m.tags = plan_.tags;
    m.convert_to_tts = request_.convert_to_tts;
    m.downloaded_at = std::chrono::system_clock::now();
    return m;
  }

  const pull_request& request_;
  const pull_tools& tools_;
  pull_observer& observer_;
  const std::atomic<bool>* cancelled_;
  pull_plan plan_;
  fs::path at_;
  std::vector<fetched_file> files_;  // of the plan's
  std::vector<fs::path> copies_;
};

}  // namespace

result<pulled> pull(const pull_request& request, const pull_tools& tools, pull_observer& observer,
                    const std::atomic<bool>* cancelled) {
  return pull_in_progress(request, tools, observer, cancelled).run();
}

}  // namespace troupe::cache
