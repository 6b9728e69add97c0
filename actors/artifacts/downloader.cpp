#include "actors/artifacts/downloader.hpp"

#include <pthread.h>

#include <mutex>

#include "config/turns.hpp"

namespace troupe::actors {
namespace {

constexpr std::chrono::milliseconds between_reports{100};

// Collects what the pull says, and passes it on ten times a second at most.
class reporter final : public cache::pull_observer {
 public:
  reporter(std::string id, artifact_keeper_actor keeper) : id_(std::move(id)), keeper_(std::move(keeper)) {}

  void planned(const cache::pull_plan& plan) override {
    const std::lock_guard hold(mutex_);
    now_.files.reserve(plan.files.size());
    for (const auto& f : plan.files) now_.files.push_back({f.path, 0, f.size_bytes});
    send();
  }
  void progress(std::size_t file, std::uint64_t bytes_done) override {
    const std::lock_guard hold(mutex_);
    now_.files.at(file).bytes_done = bytes_done;
    if (steady_clock::now() - sent_ >= between_reports) send();
  }
  void publishing() override {
    const std::lock_guard hold(mutex_);
    now_.publishing = true;
    send();
  }

 private:
  void send() {
    sent_ = steady_clock::now();
    caf::anon_send(keeper_, progress_atom::value, id_, std::make_shared<const pull_progress>(now_));
  }

  const std::string id_;
  const artifact_keeper_actor keeper_;
  std::mutex mutex_;
  pull_progress now_;
  steady_time sent_{};
};

}  // namespace

config::registered_model registration_of(const cache::manifest& m, std::filesystem::path folder) {
  config::registered_model r;
  r.name = m.name;
  r.path = std::move(folder);
  r.source = cache::to_string(m.source);
  r.provider = cache::public_id(m.model_id);
  r.version = m.revision;
  r.description = m.description;
  r.tags = m.tags;
  r.task = m.asked_task;
  r.origin = config::origin::run_time;
  return r;
}

downloader_actor::behavior_type downloader(downloader_actor::pointer self, downloader_tools tools,
                                           artifact_keeper_actor keeper) {
  pthread_setname_np(pthread_self(), "downloader");
  config::take_background_turns();
  return {[self, tools = std::move(tools), keeper = std::move(keeper)](pull_atom,
                                                                       const std::shared_ptr<pull_order>& order) {
    auto outcome = std::make_shared<pull_outcome>();
    try {
      reporter observer(order->id, keeper);
      outcome->got = tools.pull(order->what, observer, order->cancelled.get());
      if (outcome->got) {
        const auto& m = outcome->got->model;
        outcome->probe = tools.probe(registration_of(m, tools.folder_of(m)));
      }
    } catch (const std::exception& e) {  // no memory, most likely
      outcome->got = fail(error_code::internal, "the download of " + order->what.name + " failed", e.what());
    }
    caf::anon_send(keeper, fetched_atom::value, order->id, outcome);
    self->quit();
  }};
}

}  // namespace troupe::actors
