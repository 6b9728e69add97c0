#include "actors/artifacts/artifact_wing.hpp"

#include <set>

#include <spdlog/spdlog.h>

#include "actors/artifacts/artifact_keeper.hpp"
#include "actors/artifacts/artifact_metrics.hpp"
#include "actors/protocol/share.hpp"
#include "cache/artifacts/pull.hpp"
#include "cache/artifacts/tools.hpp"
#include "config/shipped.hpp"
#include "inference/loader.hpp"

namespace troupe::actors {
namespace {

cache::available_models shipped_list() {
  const auto file = config::shipped_file("available.json");
  if (!file) return {};
  auto read = cache::available_models::load(*file);
  if (!read) spdlog::error("the list of available models: {}", read.error().message);
  return read ? std::move(*read) : cache::available_models{};
}

class closed_wing final : public artifact_wing, public artifact_service {
 public:
  explicit closed_wing(error why) : why_(std::move(why)) {}
  artifact_service& service() override { return *this; }

  void download(download_request, one_shot<download_report> reply) override { reply(tl::unexpected(why_)); }
  void download_status(std::string, one_shot<download_report> reply) override { reply(tl::unexpected(why_)); }
  void watch_download(std::string, download_watcher, one_shot<download_report> reply) override {
    reply(tl::unexpected(why_));
  }
  const cache::available_models& available() const override { return available_; }
  void list(one_shot<store_report> reply) override { reply(tl::unexpected(why_)); }
  void find(std::string, one_shot<artifact_status> reply) override { reply(tl::unexpected(why_)); }
  void remove(std::string, one_shot<removal_report> reply) override { reply(tl::unexpected(why_)); }
  void copy(std::string, std::string, one_shot<artifact_status> reply) override { reply(tl::unexpected(why_)); }
  void update(std::string, one_shot<download_report> reply) override { reply(tl::unexpected(why_)); }
  void retry(std::string, bool, one_shot<download_report> reply) override { reply(tl::unexpected(why_)); }

 private:
  const error why_;
  const cache::available_models available_ = shipped_list();
};

class open_wing final : public artifact_wing, public artifact_service {
 public:
  open_wing(caf::actor_system& system, const config::settings& settings, const config::reserved_names& reserved,
            artifact_neighbours beside, inference::load_options load, prometheus::Registry& metrics,
            std::unique_ptr<cache::store> store)
      : system_(system), tools_(cache::make_tools(settings, std::move(store))) {
    auto world = std::make_shared<artifact_world>();
    world->artifacts = tools_->artifacts;
    world->probe = [load = std::move(load)](const config::registered_model& m) -> probe_result {
      const auto estimate = inference::estimate_memory(inference::spec_of(m), load);
      if (estimate) return {true, {}};
      const auto& why = estimate.error();
      return {false, why.detail.empty() ? why.message : why.message + ": " + why.detail};
    };
    const downloader_tools work{[tools = tools_](const cache::pull_request& what, cache::pull_observer& observer,
                                                 const std::atomic<bool>* cancelled) {
                                  return cache::pull(what, tools->for_pull(), observer, cancelled);
                                },
                                world->probe,
                                [kept = tools_->artifacts](const cache::manifest& m) { return kept->folder_of(m); }};
    world->fetch = [&system, work](const std::shared_ptr<pull_order>& order, const artifact_keeper_actor& keeper) {
      caf::anon_send(system.spawn<caf::detached>(downloader, work, keeper), pull_atom::value, order);
    };
    world->ready_store = settings.ready_directory();
    world->limits.running_max = settings.max_downloads;
    world->limits.waiting_max = settings.max_waiting_downloads;
    world->store_limit_bytes = cache::store_limit_bytes(settings);
    world->load_timeout_ms = settings.load_timeout_ms;
    world->reserved = reserved;
    world->routes = std::move(beside.routes);
    world->registry = std::move(beside.registry);
    world->supervisor = std::move(beside.supervisor);
    world->meter = std::make_shared<artifact_metrics>(metrics);
    world->take_counts = [tools = tools_, meter = world->meter] { meter->take(tools->net->counts()); };
    keeper_ = system_.spawn<caf::detached>(artifact_keeper, std::move(world));
  }
  ~open_wing() override {
    caf::scoped_actor self{system_};
    self->send(keeper_, stop_atom::value);
    self->wait_for(keeper_);
  }
  artifact_service& service() override { return *this; }

  void download(download_request request, one_shot<download_report> reply) override {
    caf::anon_send(keeper_, pull_atom::value, std::make_shared<const download_request>(std::move(request)),
                   share(std::move(reply)));
  }
  void download_status(std::string id, one_shot<download_report> reply) override {
    caf::anon_send(keeper_, status_atom::value, std::move(id), share(std::move(reply)));
  }
  void watch_download(std::string id, download_watcher tell, one_shot<download_report> reply) override {
    caf::anon_send(keeper_, watch_atom::value, std::move(id), std::move(tell), share(std::move(reply)));
  }
  const cache::available_models& available() const override { return available_; }
  void list(one_shot<store_report> reply) override {
    caf::anon_send(keeper_, list_atom::value, share(std::move(reply)));
  }
  void find(std::string model, one_shot<artifact_status> reply) override {
    caf::anon_send(keeper_, find_atom::value, std::move(model), share(std::move(reply)));
  }
  void remove(std::string model, one_shot<removal_report> reply) override {
    caf::anon_send(keeper_, remove_atom::value, std::move(model), share(std::move(reply)));
  }
  void copy(std::string model, std::string to, one_shot<artifact_status> reply) override {
    caf::anon_send(keeper_, copy_atom::value, std::move(model), std::move(to), share(std::move(reply)));
  }
  void update(std::string model, one_shot<download_report> reply) override {
    caf::anon_send(keeper_, update_atom::value, std::move(model), share(std::move(reply)));
  }
  void retry(std::string model, bool force, one_shot<download_report> reply) override {
    caf::anon_send(keeper_, retry_atom::value, std::move(model), force, share(std::move(reply)));
  }

 private:
  caf::actor_system& system_;
  std::shared_ptr<cache::pull_kit> tools_;
  const cache::available_models available_ = shipped_list();
  artifact_keeper_actor keeper_;
};

}  // namespace

std::unique_ptr<artifact_wing> artifact_wing::make(caf::actor_system& system, const config::settings& settings,
                                                   const config::reserved_names& reserved, artifact_neighbours beside,
                                                   const inference::load_options& load, prometheus::Registry& metrics) {
  auto store = cache::store::open(settings.store_directory(), cache::store_options_of(settings));
  if (!store) {
    spdlog::warn("artifacts cannot be kept: {}", store.error().message);
    return std::make_unique<closed_wing>(store.error());
  }
  // What a crash has left goes before anybody looks, but for what the registry names still.
  std::set<std::filesystem::path> named;
  for (const auto& [name, entry] : beside.routes->load()->models) named.insert(entry->registration.load()->path);
  if (auto swept = (*store)->collect(named); !swept) spdlog::warn("the artifact store: {}", swept.error().message);
  return std::make_unique<open_wing>(system, settings, reserved, std::move(beside), load, metrics, std::move(*store));
}

}  // namespace troupe::actors
