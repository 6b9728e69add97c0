#include "actors/artifacts/downloads.hpp"

#include <algorithm>
#include <cassert>
#include <cstdio>

namespace troupe::actors {
namespace {

constexpr std::chrono::seconds rate_window{10};

}  // namespace

std::string_view to_string(download_state s) noexcept {
  switch (s) {
    case download_state::pending: return "pending";
    case download_state::downloading: return "downloading";
    case download_state::completed: return "completed";
    case download_state::failed: return "failed";
    case download_state::cancelled: return "cancelled";
  }
  return "failed";
}

double progress_percent(const download_report& d) noexcept {
  if (d.state == download_state::completed) return 100;
  if (!d.bytes_total || *d.bytes_total == 0) return 0;
  const auto share = static_cast<double>(d.bytes_done) / static_cast<double>(*d.bytes_total);
  return std::clamp(share * 100, 0.0, 99.9);
}

std::optional<double> eta_s(const download_report& d) noexcept {
  if (d.state != download_state::downloading || !d.bytes_total || d.bytes_per_s <= 0) return std::nullopt;
  return static_cast<double>(*d.bytes_total - std::min(d.bytes_done, *d.bytes_total)) / d.bytes_per_s;
}

void rate_meter::add(steady_time now, std::uint64_t bytes_done) {
  if (!seen_.empty() && bytes_done < seen_.back().second) seen_.clear();  // it has started over
  seen_.emplace_back(now, bytes_done);
  while (seen_.size() > 2 && now - seen_.front().first > rate_window) seen_.pop_front();
}

double rate_meter::bytes_per_s(steady_time now) const {
  if (seen_.size() < 2) return 0;
  const auto over = std::chrono::duration<double>(now - seen_.front().first).count();
  return over <= 0 ? 0 : static_cast<double>(seen_.back().second - seen_.front().second) / over;
}

download* downloads::find(const std::string& id) {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : at->second.get();
}

download* downloads::under_way(const std::string& model) {
  const auto at = under_way_.find(model);
  return at == under_way_.end() ? nullptr : find(at->second);
}

download* downloads::last_of(const std::string& model) {
  const auto at = last_.find(model);
  return at == last_.end() ? nullptr : find(at->second);
}

std::vector<download_report> downloads::reports() const {
  std::vector<download_report> all;
  all.reserve(order_.size());
  for (const auto& id : order_) all.push_back(by_id_.at(id)->report);
  return all;
}

download& downloads::insert(const cache::pull_request& what, wall_time at) {
  char id[9];
  do {
    std::snprintf(id, sizeof id, "%08x", random_());
  } while (by_id_.contains(id));
  auto made = std::make_unique<download>();
  made->report.id = id;
  made->report.what = what;
  made->report.started = at;
  order_.emplace_back(id);
  last_[what.name] = id;
  return *(by_id_[id] = std::move(made));
}

result<void> downloads::make_room(steady_time now) {
  if (order_.size() < limits_.known_max) return {};
  const auto oldest = std::find_if(order_.begin(), order_.end(), [&](const auto& id) {
    const auto& d = *by_id_.at(id);
    return has_ended(d.report.state) && now - d.ended_at >= limits_.keep;
  });
  if (oldest == order_.end())
    return fail(error_code::too_many_requests, std::to_string(order_.size()) + " downloads are remembered already",
                "each is for " + std::to_string(limits_.keep.count()) + " s after its end", 60);
  const auto& name = by_id_.at(*oldest)->report.what.name;
  if (const auto last = last_.find(name); last != last_.end() && last->second == *oldest) last_.erase(last);
  by_id_.erase(*oldest);
  order_.erase(oldest);
  return {};
}

result<download*> downloads::add(const download_request& request, wall_time at, steady_time now) {
  assert(under_way(request.pull.name) == nullptr);  // D1
  if (running_ >= limits_.running_max && waiting_.size() >= limits_.waiting_max) {
    return fail(error_code::too_many_requests, std::to_string(waiting_.size()) + " downloads wait already",
                "max_waiting_downloads is " + std::to_string(limits_.waiting_max), 10);
  }
  if (auto room = make_room(now); !room) return tl::unexpected(room.error());
  auto& d = insert(request.pull, at);
  d.load = request.load;
  d.report.message = "Waiting for its turn";
  under_way_[request.pull.name] = d.report.id;
  waiting_.push_back(d.report.id);
  return &d;
}

result<download*> downloads::add_completed(const cache::pull_request& what, std::string message, wall_time at,
                                           steady_time now) {
  auto* d = last_of(what.name);
  if (d == nullptr || d->report.state != download_state::completed) {
    if (auto room = make_room(now); !room) return tl::unexpected(room.error());
    d = &insert(what, at);
    end(*d, download_state::completed, {}, at, now);
  }
  d->report.message = std::move(message);
  return d;
}

download* downloads::turn() {
  if (waiting_.empty() || running_ >= limits_.running_max) return nullptr;
  auto* d = find(waiting_.front());
  waiting_.pop_front();
  ++running_;
  d->fetching = true;
  d->report.state = download_state::downloading;
  return d;
}

void downloads::fetched(download& d) {
  if (!d.fetching) return;
  d.fetching = false;
  --running_;
}

void downloads::end(download& d, download_state how, std::string message, wall_time at, steady_time now) {
  assert(has_ended(how) && !has_ended(d.report.state));
  fetched(d);
  std::erase(waiting_, d.report.id);
  d.report.state = how;
  d.report.message = std::move(message);
  d.report.ended = at;
  d.report.bytes_per_s = 0;
  d.ended_at = now;
  const auto mine = under_way_.find(d.report.what.name);
  if (mine != under_way_.end() && mine->second == d.report.id) under_way_.erase(mine);
}

}  // namespace troupe::actors
