#include "actors/make_service.hpp"

#include <algorithm>
#include <condition_variable>

#include <spdlog/spdlog.h>
#include <caf/all.hpp>

#include "actors/artifacts/artifact_wing.hpp"
#include "actors/catalog/catalog_wing.hpp"
#include "actors/protocol/share.hpp"
#include "actors/residency/loader.hpp"
#include "actors/residency/registry_keeper.hpp"
#include "actors/residency/supervisor.hpp"
#include "actors/serving/abandonable_thread.hpp"
#include "actors/serving/device.hpp"
#include "actors/serving/gateway.hpp"
#include "actors/sessions/recording_wing.hpp"
#include "actors/sessions/session_wing.hpp"
#include "actors/sessions/speech_models.hpp"
#include "actors/test_hooks.hpp"
#include "cache/prediction/prediction_cache.hpp"
#include "config/machine.hpp"
#include "config/turns.hpp"

namespace troupe::actors {

namespace {

// Actors' threads hand work on within microseconds: they go before batches. (The detached ones, loaders and the
// reclaimer, choose for themselves.)
struct short_turns : caf::thread_hook {
  void init(caf::actor_system&) override {}
  void thread_started() override { config::take_short_turns(); }
  void thread_terminates() override {}
};

struct system_config : caf::actor_system_config {
  explicit system_config(std::uint32_t threads) {
    // One central queue: an idle worker sleeps on a condition variable and is woken in microseconds. Work
    // stealing polls, and sleeps between polls.
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", static_cast<std::size_t>(threads));
    set("scheduler.max-throughput", std::size_t{64});
    set("middleman.workers", std::size_t{0});
    set("logger.verbosity", caf::atom("quiet"));
    add_thread_hook<short_turns>();
  }
};

class actor_service final : public service {
 public:
  actor_service(const config::settings& settings, config::registry registry, compute_options compute)
      : settings_(settings),
        system_config_(std::max(1u, compute.actor_threads)),
        system_(system_config_),
        meter_(std::make_shared<actors::metrics>()),
        routes_(std::make_shared<routing_snapshot>()),
        in_flight_(std::make_shared<std::atomic<std::uint32_t>>(0)),
        draining_(std::make_shared<std::atomic<bool>>(false)),
        gateway_(std::make_unique<gateway>(settings_, routes_, meter_, in_flight_, draining_)) {
    cache::prediction_cache::shared().set_capacity(settings.prediction_cache_mb << 20);
    auto gauges = std::make_shared<device_gauges>();
    device_options seats;
    seats.threads_per_slot = compute.threads_per_slot;
    seats.lone_threads = compute.lone_threads;
    seats.slot_timeout = std::chrono::milliseconds(settings.slot_timeout_ms);
    const auto way = std::make_shared<right_of_way>();
    seats.way = way;
    device_ = system_.spawn(device, make_thread_slots(std::max(1u, compute.slots), way), seats, meter_, gauges);
    reclaimer_ = system_.spawn<caf::detached>(reclaimer, way);
    const watch_limits limits{.first_run_max = seats.slot_timeout};
    std::vector<supervisor_world::gentle_loader> gentle;
    for (std::uint32_t i = 0; i < std::max(1u, settings.loader_threads); ++i) {
      auto manners = std::make_shared<gentleness>(way);
      gentle.push_back({system_.spawn<caf::detached>(loader, compute.load, limits, way, manners), manners});
      loaders_.push_back(gentle.back().actor);
    }
    loaders_.push_back(system_.spawn<caf::detached>(loader, compute.load, limits, way, std::shared_ptr<gentleness>()));

    auto world = std::make_shared<supervisor_world>();
    world->settings = settings;
    world->total_bytes = memory_bytes(settings, compute.device_memory_bytes);
    world->budget_bytes =
        settings.memory_limit_mb
            ? world->total_bytes
            : static_cast<std::uint64_t>(settings.max_memory_usage * static_cast<double>(world->total_bytes));
    world->compute_slots = std::max(1u, compute.slots);
    world->meter = meter_;
    world->routes = routes_;
    world->gauges = gauges;
    world->in_flight = in_flight_;
    world->draining = draining_;
    world->device = device_;
    world->gentle_loaders = std::move(gentle);
    world->loaders = {loaders_.back()};
    world->reclaimer = reclaimer_;
    world->dispatch = [this](std::vector<pending_ptr> requests) { gateway_->resume(std::move(requests)); };
    auto registered = std::make_shared<registered_file>(settings.registered_file(), registry.reserved);
    registered->read(reading::at_start);
    if (const auto n = registered->models().size(); n > 0)
      spdlog::info("registered at run time, in {}: {} models", registered->path().string(), n);
    world->registry_trouble = registered->trouble();
    supervisor_ =
        system_.spawn(supervisor, world, std::make_shared<config::registry>(whole_registry(registry, *registered)));
    auto kept = std::make_shared<keeper_world>();
    const auto reserved = registry.reserved;
    kept->operators = std::move(registry);
    kept->file = std::move(registered);
    kept->max_registered_models = settings.max_registered_models;
    kept->supervisor = supervisor_;
    keeper_ = system_.spawn<caf::detached>(registry_keeper, std::move(kept));
    gateway_->connect(supervisor_);
    // The routes are published by the supervisor's first step; nobody may be told "unknown model" before it.
    caf::scoped_actor self{system_};
    while (!routes_->load()) std::this_thread::yield();
    artifacts_ = artifact_wing::make(system_, settings_, reserved, {routes_, keeper_, supervisor_}, compute.load,
                                     meter_->registry());
    catalog_ = catalog_wing::make(
        system_, settings_, [this] { return own_models(); }, meter_->registry());
    sessions_ = session_wing::make(system_, settings_, *gateway_, speech_models_, world->compute_slots, in_flight_,
                                   meter_->registry());
    recordings_ = recording_wing::make(system_, settings_, *gateway_, sessions_->service(), speech_models_, in_flight_,
                                       meter_->registry());
  }

  ~actor_service() override {
    draining_->store(true);
    caf::scoped_actor self{system_};
    // Outermost first; each is waited for before the next.
    recordings_.reset();
    sessions_.reset();
    catalog_.reset();
    artifacts_.reset();
    self->send_exit(keeper_, caf::exit_reason::user_shutdown);
    self->wait_for(keeper_);
    self->send(supervisor_, stop_atom::value);
    self->wait_for(supervisor_);
    gateway_.reset();
    for (auto& l : loaders_) self->send_exit(l, caf::exit_reason::user_shutdown);
    self->wait_for(loaders_);
    self->send_exit(device_, caf::exit_reason::user_shutdown);
    self->wait_for(device_);
    self->send_exit(reclaimer_, caf::exit_reason::user_shutdown);
    self->wait_for(reclaimer_);
  }

  cancel_handle predict(predict_request request, std::unique_ptr<reply_stream> reply) override {
    return gateway_->predict(std::move(request), std::move(reply));
  }
  cancel_handle tokenize(tokenize_request request, one_shot<tokenized_texts> reply) override {
    return gateway_->tokenize(std::move(request), std::move(reply));
  }
  cancel_handle decode(decode_request request, one_shot<decoded_texts> reply) override {
    return gateway_->decode(std::move(request), std::move(reply));
  }
  void load(std::string model, std::uint64_t wait_ms, one_shot<load_report> reply) override {
    caf::anon_send(supervisor_, load_atom::value, std::move(model), wait_ms, share(std::move(reply)));
  }
  void reload(std::string model, std::uint64_t wait_ms, one_shot<load_report> reply) override {
    caf::anon_send(supervisor_, reload_atom::value, std::move(model), wait_ms, share(std::move(reply)));
  }
  void begin_load(std::string model, bool again, one_shot<load_start> reply) override {
    caf::anon_send(supervisor_, begin_atom::value, std::move(model), again, share(std::move(reply)));
  }
  void unload(std::string model, one_shot<unload_report> reply) override {
    caf::anon_send(supervisor_, unload_atom::value, std::move(model), share(std::move(reply)));
  }
  void warmup(std::string model, std::uint64_t wait_ms, one_shot<warmup_report> reply) override {
    caf::anon_send(supervisor_, warm_atom::value, std::move(model), wait_ms, share(std::move(reply)));
  }
  void optimize(std::string model, std::uint64_t wait_ms, one_shot<optimize_report> reply) override {
    caf::anon_send(supervisor_, optimize_atom::value, std::move(model), wait_ms, share(std::move(reply)));
  }
  void cleanup(one_shot<cleanup_report> reply) override {
    caf::anon_send(supervisor_, cleanup_atom::value, share(std::move(reply)));
  }
  void report(one_shot<server_report> reply) override {
    caf::anon_send(supervisor_, report_atom::value, share(std::move(reply)));
  }
  void report_model(std::string model, one_shot<model_report> reply) override {
    caf::anon_send(supervisor_, report_atom::value, std::move(model), share(std::move(reply)));
  }

  bool knows(std::string_view model) const override { return gateway_->find(model) != nullptr; }
  std::string default_model() const override { return gateway_->default_model(); }
  std::shared_ptr<const config::registered_model> registration(std::string_view model) const override {
    const auto entry = gateway_->find(model);
    return entry ? entry->registration.load() : nullptr;
  }
  std::vector<inference::task> tasks_of(std::string_view model) const override {
    const auto entry = gateway_->find(model);
    const auto home = entry ? entry->current.load() : nullptr;
    return home ? home->model->info().tasks : service::tasks_of(model);
  }
  void for_each_name(const std::function<bool(const std::string&)>& f) const override {
    const auto table = routes_->load();
    if (!table) return;
    for (const auto& [name, entry] : table->models)
      if (!f(name)) return;
  }

  void reload_registry(one_shot<std::string> reply) override {
    caf::anon_send(keeper_, registry_atom::value, share(std::move(reply)));
  }
  void register_model(config::registered_model model, one_shot<registration_report> reply) override {
    caf::anon_send(keeper_, register_atom::value, std::make_shared<const config::registered_model>(std::move(model)),
                   share(std::move(reply)));
  }
  void unregister_model(std::string model, one_shot<registration_report> reply) override {
    caf::anon_send(keeper_, unregister_atom::value, std::move(model), share(std::move(reply)));
  }

  artifact_service& artifacts() override { return artifacts_->service(); }
  catalog_service& catalog() override { return catalog_->service(); }
  session_service& sessions() override { return sessions_->service(); }
  recording_service& recordings() override { return recordings_->service(); }

  void begin_drain() override { draining_->store(true); }
  std::uint32_t in_flight() const override { return in_flight_->load(); }
  prometheus::Registry& metrics() override { return meter_->registry(); }

  bool kill(const std::string& model) {
    const auto entry = gateway_->find(model);
    const auto home = entry ? entry->current.load() : nullptr;
    if (home) caf::anon_send_exit(home->actor, caf::exit_reason::kill);
    return home != nullptr;
  }

 private:
  // Where models live: what is allowed of it, or all there is.
  static std::uint64_t memory_bytes(const config::settings& s, std::uint64_t device_bytes) {
    if (s.memory_limit_mb) return s.memory_limit_mb << 20;
    if (device_bytes != 0) return device_bytes;
    return std::min(config::machine_memory_bytes(), config::cgroup_memory_limit_bytes());
  }

  std::vector<speech_candidate> speech_candidates() const {
    std::vector<speech_candidate> out;
    const auto table = routes_->load();
    if (!table) return out;
    for (const auto& [name, entry] : table->models) {
      const auto r = entry->registration.load();
      if (r->enabled) out.push_back({name, tasks_of(name)});
    }
    return out;
  }

  // As the catalog's provider `local` offers them.
  std::vector<cache::offer> own_models() const {
    std::vector<cache::offer> out;
    const auto table = routes_->load();
    if (!table) return out;
    for (const auto& [name, entry] : table->models) {
      const auto r = entry->registration.load();
      auto& o = out.emplace_back();
      o.id = name;
      o.name = r->display_name.empty() ? name : r->display_name;
      o.description = r->description;
      o.task = r->task;
      if (const auto tasks = tasks_of(name); o.task.empty() && !tasks.empty()) o.task = to_string(tasks.front());
    }
    return out;
  }

  const config::settings& settings_;
  system_config system_config_;
  caf::actor_system system_;
  std::shared_ptr<actors::metrics> meter_;
  std::shared_ptr<routing_snapshot> routes_;
  std::shared_ptr<std::atomic<std::uint32_t>> in_flight_;
  std::shared_ptr<std::atomic<bool>> draining_;
  std::unique_ptr<gateway> gateway_;
  device_actor device_;
  reclaimer_actor reclaimer_;
  std::vector<loader_actor> loaders_;
  supervisor_actor supervisor_;
  registry_keeper_actor keeper_;
  std::unique_ptr<artifact_wing> artifacts_;
  std::unique_ptr<catalog_wing> catalog_;
  const speech_models speech_models_{settings_, [this] { return speech_candidates(); },
                                     [this](const std::string& model) { return gateway_->is_fed(model); }};
  std::unique_ptr<session_wing> sessions_;
  std::unique_ptr<recording_wing> recordings_;
};

}  // namespace

std::unique_ptr<service> make_service(const config::settings& settings, config::registry registry,
                                      compute_options compute) {
  return std::make_unique<actor_service>(settings, std::move(registry), std::move(compute));
}

std::uint32_t abandoned_compute_threads() { return abandoned_threads(); }

namespace test_hooks {

bool kill_model(service& s, const std::string& model) { return dynamic_cast<actor_service&>(s).kill(model); }

}  // namespace test_hooks

}  // namespace troupe::actors
