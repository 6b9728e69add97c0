#include "cache/artifacts/transfer/transfers.hpp"

#include <algorithm>
#include <condition_variable>
#include <future>
#include <list>
#include <mutex>
#include <set>
#include <utility>

#include "cache/artifacts/transfer/exchange.hpp"
#include "cache/artifacts/transfer/file_download.hpp"
#include "cache/artifacts/transfer/hash_thread.hpp"
#include "cache/artifacts/transfer/loop.hpp"
#include "cache/artifacts/transfer/names.hpp"
#include "cache/artifacts/transfer/partial_state.hpp"
#include "cache/artifacts/transfer/small_request.hpp"

namespace troupe::cache {
namespace {

constexpr auto progress_every = std::chrono::milliseconds(125);  // with the one at the end: ten a second at most
constexpr unsigned open_files_per_connection = 4;

error called_off() { return {error_code::cancelled, "the transfer was cancelled", {}, {}}; }

transfer_options sane(transfer_options o) {
  o.connections_max = std::max(o.connections_max, 1U);
  o.range_bytes = std::max<std::uint64_t>(o.range_bytes, 1);
  return o;
}

}  // namespace

struct transfers::state {
  // A call of ask().
  struct question {
    std::unique_ptr<small_request> runs;
    const std::atomic<bool>* cancelled;
  };

  // A call of fetch(): its files are started one after another, as there are connections for them.
  struct errand {
    std::vector<file_transfer> files;
    const std::function<void(std::size_t, std::uint64_t)>& progress;
    const std::atomic<bool>* cancelled;
    std::promise<result<std::vector<transferred_file>>> answer;

    struct running {
      std::size_t index;
      std::unique_ptr<file_download> file;
      std::uint64_t told = 0;
      steady_time told_at{};
    };
    std::list<running> open;
    std::size_t started = 0;
    std::vector<transferred_file> done;
    std::optional<error> failed;  // the first one's
  };

  state(transfer_options o, resolver resolve)
      : options(sane(std::move(o))),
        lookup(resolve ? std::move(resolve) : system_resolver(), on.post()),
        net{options,
            proxy_settings::from_environment(),
            counts,
            on,
            lookup,
            rate_limit(options.rate_max_bytes_s, steady_clock::now()),
            std::minstd_rand(std::random_device{}())} {
    on.start([this] { return tick(); });
  }

  // The caller's thread, in ask() or fetch(): the destructor waits for it.
  class guest {
   public:
    explicit guest(state& s) : state_(s) {
      const std::lock_guard held(state_.guests_mutex);
      ++state_.guests;
    }
    ~guest() {
      const std::lock_guard held(state_.guests_mutex);
      if (--state_.guests == 0) state_.guests_gone.notify_all();
    }
    guest(const guest&) = delete;
    guest& operator=(const guest&) = delete;

   private:
    state& state_;
  };

  bool tick();  // nothing is under way
  bool called_off_by(const std::atomic<bool>* flag) const { return on.stopping() || inference::is_cancelled(flag); }
  void run_errand(errand& e, steady_time now);
  void share_connections(steady_time now);
  bool start_next(errand& e);
  void tell_progress(errand& e, steady_time now);
  std::size_t connections() const;
  std::size_t open_files() const;

  const transfer_options options;
  transfer_counts counts;
  loop on;
  names lookup;
  hash_thread hashes;
  network net;
  std::list<question> questions;
  std::list<std::unique_ptr<errand>> errands;

  std::mutex guests_mutex;
  std::condition_variable guests_gone;
  int guests = 0;
};

// -- the loop's thread -------------------------------------------------------------------------------------------

std::size_t transfers::state::connections() const {
  std::size_t n = 0;
  for (const auto& e : errands)
    for (const auto& r : e->open) n += r.file->connections();
  return n;
}

std::size_t transfers::state::open_files() const {
  std::size_t n = 0;
  for (const auto& e : errands) n += e->open.size();
  return n;
}

bool transfers::state::tick() {
  const auto now = steady_clock::now();
  for (auto& q : questions)
    if (!q.runs->has_ended() && called_off_by(q.cancelled)) q.runs->stop(called_off());
  std::erase_if(questions, [](const question& q) { return q.runs->has_ended(); });
  for (auto& e : errands) run_errand(*e, now);
  share_connections(now);
  for (auto& e : errands) run_errand(*e, now);  // what ended at once
  std::erase_if(errands, [](const auto& e) {
    if (!e->open.empty() || (!e->failed && e->started < e->files.size())) return false;
    if (e->failed)
      e->answer.set_value(tl::unexpected(*e->failed));
    else
      e->answer.set_value(std::move(e->done));
    return true;
  });
  counts.active = static_cast<std::uint32_t>(connections());
  return questions.empty() && errands.empty();
}

void transfers::state::run_errand(errand& e, steady_time now) {
  if (!e.failed && called_off_by(e.cancelled)) e.failed = called_off();
  for (auto& r : e.open) {
    if (e.failed && !r.file->has_ended()) r.file->stop(called_off());
    r.file->tick(now);
  }
  tell_progress(e, now);
  std::erase_if(e.open, [](const auto& r) { return r.file->has_ended(); });
}

void transfers::state::tell_progress(errand& e, steady_time now) {
  if (!e.progress) return;
  for (auto& r : e.open) {
    const auto bytes = r.file->done_bytes();
    if (bytes == r.told || (now < r.told_at + progress_every && !r.file->has_ended())) continue;
    r.told = bytes;
    r.told_at = now;
    e.progress(r.index, bytes);
  }
}

bool transfers::state::start_next(errand& e) {
  if (e.failed || e.started == e.files.size() ||
      open_files() >= std::size_t{open_files_per_connection} * options.connections_max) {
    return false;
  }
  const auto index = e.started++;
  auto& r = e.open.emplace_back();
  r.index = index;
  r.file = std::make_unique<file_download>(net, hashes, e.files[index], [&e, index](result<transferred_file> got) {
    if (got)
      e.done[index] = std::move(*got);
    else if (!e.failed)
      e.failed = std::move(got.error());
  });
  r.file->start();
  return true;
}

// First each file one, in the order asked and in turn for each errand; what is left, to large files' ranges.
void transfers::state::share_connections(steady_time now) {
  if (errands.empty()) return;
  const auto used = connections();
  std::size_t free = options.connections_max > used ? options.connections_max - used : 0;
  errands.splice(errands.end(), errands, errands.begin());
  const auto give = [&](auto&& wants) {
    const auto before = free;
    for (auto& e : errands) {
      for (auto& r : e->open) {
        if (free == 0) return true;
        if (!r.file->wants_connection(now) || !wants(*r.file)) continue;
        r.file->connect();
        --free;
      }
    }
    return free < before;
  };
  const auto first = [](const file_download& f) { return f.connections() == 0; };
  give(first);
  for (bool started = true; started && free > 0;) {
    started = false;
    for (auto& e : errands) {
      if (free == 0 || !start_next(*e)) continue;
      started = true;
      give(first);
    }
  }
  const auto more = [](const file_download&) { return true; };
  while (free > 0 && give(more)) {
  }
}

// -- any thread --------------------------------------------------------------------------------------------------

transfers::transfers(transfer_options options, resolver resolve)
    : state_(std::make_unique<state>(std::move(options), std::move(resolve))) {}

transfers::~transfers() {
  state_->on.stop();
  std::unique_lock held(state_->guests_mutex);
  state_->guests_gone.wait(held, [this] { return state_->guests == 0; });
}

result<http_answer> transfers::ask(const http_request& request, const std::atomic<bool>* cancelled) {
  const state::guest here(*state_);
  if (inference::is_cancelled(cancelled)) return tl::unexpected(called_off());
  auto answer = std::make_shared<std::promise<result<http_answer>>>();
  auto waiting = answer->get_future();
  const bool asked = state_->on.post()([s = state_.get(), request, cancelled, answer] {
    auto runs = std::make_unique<small_request>(
        s->net, request, [answer](result<http_answer> got) { answer->set_value(std::move(got)); });
    runs->start();
    s->questions.push_back({std::move(runs), cancelled});
  });
  return asked ? waiting.get() : tl::unexpected(called_off());
}

result<std::vector<transferred_file>> transfers::fetch(const std::vector<file_transfer>& files,
                                                       const std::function<void(std::size_t, std::uint64_t)>& progress,
                                                       const std::atomic<bool>* cancelled) {
  const state::guest here(*state_);
  if (inference::is_cancelled(cancelled)) return tl::unexpected(called_off());
  std::set<std::filesystem::path> places;  // an artifact may have a file that is named as another one's state
  for (const auto& f : files)
    for (const auto& place : {f.to, state_path(f.to)})
      if (!places.insert(place.lexically_normal()).second)
        return fail(error_code::internal, place.string() + " is to be written by two files at once");
  auto e = std::make_shared<std::unique_ptr<state::errand>>(
      new state::errand{files, progress, cancelled, {}, {}, 0, std::vector<transferred_file>(files.size()), {}});
  auto waiting = (*e)->answer.get_future();
  const bool asked = state_->on.post()([s = state_.get(), e] { s->errands.push_back(std::move(*e)); });
  return asked ? waiting.get() : tl::unexpected(called_off());
}

const transfer_counts& transfers::counts() const noexcept { return state_->counts; }

}  // namespace troupe::cache
