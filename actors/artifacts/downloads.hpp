#pragma once
// The table of downloads: who is under way, who waits, what each says of itself. Pure: no actor, no clock, no disk.
//
//   pending --turn()--> downloading --fetched--> (registered, loaded) --> completed
//      |                    | \--------------------------------------------> failed
//      \--------------------+-----------------------------------------------> cancelled
//
// What always holds:
//   D1  at most one download of a name is under way (has not ended)
//   D2  at most `running_max` are past their turn and not yet fetched
//   D3  there are `known_max` at most; ended ones are kept for `keep` at least, and then forgotten where there is no
//   room

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/protocol/artifacts.hpp"

namespace troupe::actors {

struct download_limits {
  std::uint32_t running_max = 2, waiting_max = 256, known_max = 10000;
  std::chrono::seconds keep{3600};
};

// Bytes of one file, or of all, over the last seconds.
class rate_meter {
 public:
  void add(steady_time now, std::uint64_t bytes_done);
  double bytes_per_s(steady_time now) const;

 private:
  std::deque<std::pair<steady_time, std::uint64_t>> seen_;
};

// What downloads that have come to their end ran at: the newest counts half.
class rate_of_downloads {
 public:
  void add(std::uint64_t bytes, std::chrono::duration<double> took) {
    if (bytes < (1U << 20U) || took.count() <= 0) return;  // too short to tell
    const auto rate = static_cast<double>(bytes) / took.count();
    bytes_per_s_ = bytes_per_s_ == 0 ? rate : (bytes_per_s_ + rate) / 2;
  }
  double bytes_per_s() const noexcept { return bytes_per_s_; }

 private:
  double bytes_per_s_ = 0;
};

struct download {
  download_report report;
  bool load = true;
  std::filesystem::path replaces;  // the folder that the registry named before; empty: none
  bool fetching = false;           // past its turn, not yet fetched
  steady_time fetching_since{}, ended_at{};
  rate_meter rate;
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
  std::vector<download_watcher> watchers;
};

class downloads {
 public:
  downloads(download_limits limits, std::function<std::uint32_t()> random)
      : limits_(limits), random_(std::move(random)) {}

  // Null: no such.
  download* find(const std::string& id);
  download* under_way(const std::string& model);  // D1
  download* last_of(const std::string& model);
  // Oldest first.
  std::vector<download_report> reports() const;
  std::uint32_t waiting() const noexcept { return static_cast<std::uint32_t>(waiting_.size()); }
  std::uint32_t running() const noexcept { return running_; }

  // A new one, pending. REQUIRES: none of that name is under way. Error: too_many_requests.
  result<download*> add(const download_request& request, wall_time at, steady_time now);
  // One that has nothing to do, and has completed: the last of that name, where that did. Error: too_many_requests.
  result<download*> add_completed(const cache::pull_request& what, std::string message, wall_time at, steady_time now);
  // The next one whose turn it is, now fetching; null: none.
  download* turn();
  // Its files are there, or it has given up: another may have its turn.
  void fetched(download& d);
  void end(download& d, download_state how, std::string message, wall_time at, steady_time now);

 private:
  result<void> make_room(steady_time now);
  download& insert(const cache::pull_request& what, wall_time at);

  const download_limits limits_;
  const std::function<std::uint32_t()> random_;
  std::map<std::string, std::unique_ptr<download>> by_id_;
  std::vector<std::string> order_;                       // ids, oldest first
  std::map<std::string, std::string> under_way_, last_;  // by model: ids
  std::deque<std::string> waiting_;                      // ids
  std::uint32_t running_ = 0;
};

}  // namespace troupe::actors
