#include "app/local_store.hpp"

#include <future>
#include <mutex>

#include "actors/artifacts/downloader.hpp"
#include "actors/artifacts/downloads.hpp"
#include "actors/residency/registered_file.hpp"
#include "cache/artifacts/tools.hpp"
#include "config/names.hpp"
#include "config/registered_models.hpp"
#include "http/core/reserved_names.hpp"
#include "http/routes.hpp"
#include "inference/files/ready_copies.hpp"
#include "inference/loader.hpp"

namespace troupe::app {
namespace {

using namespace std::chrono_literals;

// Collects what the pull says, for the thread that shows it.
class watcher final : public cache::pull_observer {
 public:
  void planned(const cache::pull_plan& plan) override {
    const std::lock_guard hold(mutex_);
    now_.files.clear();
    for (const auto& f : plan.files) now_.files.push_back({f.path, 0, f.size_bytes});
    now_.message = "Downloading";
    notes_ = plan.notes;
  }
  void progress(std::size_t file, std::uint64_t bytes) override {
    const std::lock_guard hold(mutex_);
    now_.files.at(file).done = bytes;
    rate_.add(steady_clock::now(), bytes_done(now_));
  }
  void publishing() override {
    const std::lock_guard hold(mutex_);
    now_.message = "Putting it into the store";
  }
  progress_view view() {
    const std::lock_guard hold(mutex_);
    auto out = now_;
    out.bytes_per_s = rate_.bytes_per_s(steady_clock::now());
    const auto total = bytes_total(out);
    const auto done = bytes_done(out);
    if (total && *total > done && out.bytes_per_s >= 1)
      out.left_s = static_cast<double>(*total - done) / out.bytes_per_s;
    return out;
  }
  std::vector<std::string> notes() {
    const std::lock_guard hold(mutex_);
    return notes_;
  }

 private:
  std::mutex mutex_;
  progress_view now_{"Asking the source", {}, 0, {}};
  std::vector<std::string> notes_;
  actors::rate_meter rate_;
};

config::reserved_names all_reserved() { return http::reserved_names(http::make_routes()->routes()); }

outcome<void> change_registry(const config::settings& settings,
                              const std::function<bool(config::registered_models&)>& change) {
  actors::registered_file file(settings.registered_file(), all_reserved());
  file.read(actors::reading::at_start);
  auto done = file.update(change);
  if (!done.kept) return failed(std::move(done.kept.error()));
  return {};
}

}  // namespace

outcome<shared_store> open_store(const config::settings& settings) {
  auto opened = cache::store::open(settings.store_directory(), cache::store_options_of(settings));
  if (!opened) return failed(std::move(opened.error()));
  return shared_store(std::move(*opened));
}

model_facts look_at(const config::settings& settings, const cache::store& store, const cache::manifest& m) {
  const auto folder = store.folder_of(m);
  auto out = facts_of(m, folder);
  inference::load_options load;
  load.store = settings.ready_directory();
  load.device = settings.device;
  load.max_artifact_bytes = settings.max_artifact_mb << 20;
  const auto needed = inference::estimate_memory(inference::spec_of(actors::registration_of(m, folder)), load);
  out.servable = needed.has_value();
  if (!needed) {
    const auto& why = needed.error();
    out.reason = why.detail.empty() ? why.message : why.message + " (" + why.detail + ")";
  }
  return out;
}

outcome<cache::pulled> pull_here(const config::settings& settings, const shared_store& store,
                                 const cache::pull_request& request,
                                 const std::function<void(const progress_view&)>& show,
                                 const std::atomic<bool>* cancelled) {
  if (auto good = config::check_registered_name(request.name, all_reserved()); !good)
    return failed(std::move(good.error()));
  if (const auto have = store->find(request.name);
      have && (have->source != request.source || have->model_id != request.model_id))
    return failed({error_code::conflict,
                   request.name + " is another model here, from " + std::string(cache::to_string(have->source)) + " " +
                       have->model_id,
                   "--name gives this one another name; `troupe rm " + request.name + "` takes that one away",
                   {}});
  const auto kit = cache::make_tools(settings, store);
  watcher told;
  auto work = std::async(std::launch::async, [&] { return cache::pull(request, kit->for_pull(), told, cancelled); });
  do show(told.view());
  while (work.wait_for(100ms) != std::future_status::ready);
  show(told.view());
  auto got = work.get();
  if (!got) return failed(std::move(got.error()));
  for (const auto& note : told.notes()) say(note);
  return std::move(*got);
}

outcome<void> enter_in_registry(const config::settings& settings, const config::registry& operators,
                                const std::filesystem::path& folder, const cache::manifest& m) {
  if (operators.models.contains(m.name))
    return failed({error_code::conflict,
                   m.name + " is another model here, of the models_file",
                   "--name gives this one another name",
                   {}});
  auto entry = config::check_registration(actors::registration_of(m, folder), operators.reserved);
  if (!entry) return failed(std::move(entry.error()));
  std::optional<error> why;
  auto kept = change_registry(settings, [&](config::registered_models& models) {
    const auto put = config::put_registered(models, operators, *entry, settings.max_registered_models);
    if (!put) why = put.error();
    return put && *put != config::registration_outcome::unchanged;
  });
  if (why) return failed(std::move(*why));
  return kept;
}

outcome<void> take_out_of_registry(const config::settings& settings, const std::string& name) {
  if (!inference::file_exists(settings.registered_file())) return {};
  return change_registry(settings, [&](config::registered_models& models) { return models.erase(name) > 0; });
}

}  // namespace troupe::app
