#pragma once
// Artifacts, as http/ and the command line ask for them: downloads, and what the store has. The front door of
// actors/artifacts/; calls and answers as in service.hpp.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/one_shot.hpp"
#include "actors/protocol/reports.hpp"
#include "cache/artifacts/available_models.hpp"
#include "cache/artifacts/manifest.hpp"
#include "cache/artifacts/pull_request.hpp"

namespace troupe::actors {

struct download_request {
  cache::pull_request pull;
  bool load = true;  // into memory, when it is there
};

enum class download_state : std::uint8_t { pending, downloading, completed, failed, cancelled };
std::string_view to_string(download_state s) noexcept;  // as document 002 writes them
inline bool has_ended(download_state s) noexcept { return s >= download_state::completed; }

struct file_progress {
  std::string path;
  std::uint64_t bytes_done = 0;
  std::optional<std::uint64_t> bytes_total;
};

// One download, at one moment.
struct download_report {
  std::string id;  // 8 hexadecimal digits
  cache::pull_request what;
  download_state state = download_state::pending;
  bool already_exists = false;       // nothing was to be done
  std::string message;               // for people
  std::optional<error> why;          // failed, cancelled
  std::string load_error;            // it is there, but could not be loaded; empty: it could, or was not to be
  std::vector<file_progress> files;  // once they are known
  std::uint64_t bytes_done = 0;
  std::optional<std::uint64_t> bytes_total;  // once all sizes are known
  double bytes_per_s = 0;                    // lately; 0 unless downloading
  double usual_bytes_per_s = 0;              // of downloads before it; 0: there were none
  wall_time started;
  std::optional<wall_time> ended;
};
// 0 to 100: true, never 100 before all is done.
double progress_percent(const download_report& d) noexcept;
// Seconds; null where it cannot be told.
std::optional<double> eta_s(const download_report& d) noexcept;

// Told of a download; says whether to go on telling.
using download_watcher = std::function<bool(const download_report&)>;

// A model in the store.
struct artifact_report {
  cache::manifest stored;
  std::filesystem::path folder;
  std::uint64_t ready_bytes = 0;  // its serving-ready copies
  std::optional<bool> servable;   // null: not looked at yet
  std::string reason;             // why not
};

struct store_report {
  std::filesystem::path root;
  std::vector<artifact_report> models;  // by name
  std::uint64_t size_bytes = 0;         // of contents, each once
  std::uint64_t ready_bytes = 0, partial_bytes = 0;
  std::uint64_t limit_bytes = 0;               // 0: none
  std::uint64_t answered = 0, downloaded = 0;  // requests for a model: the store had it; it had to be fetched
  std::vector<download_report> downloads;      // of this process, oldest first
};

// One name: what the store has of it, and its last download, if any. At least one of them is there.
struct artifact_status {
  std::optional<artifact_report> stored;
  std::optional<download_report> download;
};

struct removal_report {
  std::string model;
  bool cancelled = false;  // a download was under way
  std::uint64_t freed_bytes = 0;
};

class artifact_service {
 public:
  virtual ~artifact_service() = default;

  // Answers at once with the download: a new one, the one of that name that is under way, or, where the name is taken,
  // one that has completed (already_exists). Errors: bad_request (the name), too_many_requests.
  virtual void download(download_request request, one_shot<download_report> reply) = 0;
  // Error: model_not_found.
  virtual void download_status(std::string id, one_shot<download_report> reply) = 0;
  // `tell` is given the download now, with each change (at most ten times a second) and when it has ended, the last
  // time then; on an actor's thread. Error: as above.
  virtual void watch_download(std::string id, download_watcher tell, one_shot<download_report> reply) = 0;
  // The shipped list. At once, as it does not change.
  virtual const cache::available_models& available() const = 0;
  virtual void list(one_shot<store_report> reply) = 0;
  virtual void find(std::string model, one_shot<artifact_status> reply) = 0;  // model_not_found
  // Cancels its download, unloads it, takes it out of the registry and off the disk. Errors: model_not_found; conflict
  // where the operator's file has it; as unregister_model.
  virtual void remove(std::string model, one_shot<removal_report> reply) = 0;
  // A second name for what the store has of the first, registered as that. Nothing is copied, and nothing fetched.
  // Errors: model_not_found; conflict where the name is taken, or being removed; bad_request (the name).
  virtual void copy(std::string model, std::string to, one_shot<artifact_status> reply) = 0;
  // Fetches it again from where it came, and swaps it when it is there. model_not_found.
  virtual void update(std::string model, one_shot<download_report> reply) = 0;
  // The last download of that name, again. Errors: model_not_found; conflict where it did not fail, unless `force`.
  virtual void retry(std::string model, bool force, one_shot<download_report> reply) = 0;
};

}  // namespace troupe::actors
