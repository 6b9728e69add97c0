#include "app/compose.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <future>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "app/logging.hpp"
#include "app/signals.hpp"
#include "config/machine.hpp"
#include "config/registered_models.hpp"
#include "config/shipped.hpp"
#include "config/version.hpp"
#include "http/core/reserved_names.hpp"
#include "inference/calibration.hpp"
#include "inference/torch/kernel_speed.hpp"
#include "inference/torch/runtime.hpp"

namespace troupe::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

void raise_file_limit(const config::settings& settings) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  constexpr rlim_t others = 256;  // models, logs, what libraries open
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < settings.max_connections + others) {
    spdlog::warn(
        "{} files may be open, but max_connections is {}: raise the limit (ulimit -n, LimitNOFILE=) or "
        "lower the setting",
        limit.rlim_cur, settings.max_connections);
  }
}

bool is_loopback(const std::string& host) { return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0; }

void warn_if_open_to_all(const config::settings& settings) {
  if (!settings.api_keys.empty()) return;
  for (const auto& l : settings.listeners) {
    if (is_loopback(l.host)) continue;
    spdlog::warn("**************************************************************************************");
    spdlog::warn(
        "{} is reachable from other machines, and NO API KEYS are set: anybody who can reach it may "
        "use, load and unload models. Set API_KEYS, or listen on 127.0.0.1.",
        config::address_text(l.host, l.port));
    spdlog::warn("**************************************************************************************");
  }
}

// Without a place to write to the server runs, but each start costs what the first one did.
void warn_if_nothing_is_kept(const config::settings& settings) {
  const auto* store_setting = settings.cache_directory.empty() ? "--data-dir or TROUPE_DATA_DIR" : "cache_directory";
  struct kept {
    std::filesystem::path folder;
    const char *lost, *setting;
  };
  for (const auto& [folder, lost, setting] :
       {kept{settings.data_dir, "the measurement of this machine is made at each start",
             "--data-dir or TROUPE_DATA_DIR"},
        kept{settings.store_directory(), "models are converted at each load, into private memory", store_setting}}) {
    std::error_code ec;
    fs::create_directories(folder, ec);
    if (!ec && access(folder.c_str(), W_OK | X_OK) != 0) ec.assign(errno, std::generic_category());
    if (ec)
      spdlog::warn("{} cannot be written to ({}): {}. Name another folder with {}", folder.string(), ec.message(), lost,
                   setting);
  }
}

std::string list_of(const std::vector<std::string>& names, std::size_t most = 8) {
  std::string all;
  for (std::size_t i = 0; i < names.size() && i < most; ++i) all += (i ? ", " : "") + names[i];
  if (names.size() > most) all += ", and " + std::to_string(names.size() - most) + " more";
  return all;
}

void log_configuration(const config::loaded_settings& loaded) {
  for (const auto& warning : loaded.warnings) spdlog::warn("{}", warning);
  for (const auto& p : loaded.table) {
    if (p.source != "default") spdlog::info("setting {} = {} ({})", p.name, p.value, p.source);
  }
}

std::string explain(const error& why) { return why.message + (why.detail.empty() ? "" : "; " + why.detail); }

int refuse_to_start(const error& why, int status) {
  spdlog::error("{}", explain(why));
  stop_logging();
  return status;
}

// Says once that the server answers, and with what.
void announce(application& app, const actors::server_report& report, std::chrono::milliseconds took) {
  std::vector<std::string> resident, failed;
  for (const auto& m : report.models) {
    if (m.state == actors::residency::resident) resident.push_back(m.registration.name);
    if (m.state != actors::residency::resident && !m.last_error.empty()) failed.push_back(m.registration.name);
  }
  std::string models =
      resident.empty() ? "none in memory, " + std::to_string(report.models.size()) + " registered" : list_of(resident);
  if (!failed.empty()) models += "; failed: " + list_of(failed);
  print_line(app.settings(), "troupe " + std::string(version::project) + " ready on " + app.address() + " (" +
                                 std::to_string(took.count()) + " ms; models: " + models + ")");
  if (!resident.empty())
    print_line(app.settings(),
               "try: curl -X POST '" + app.address() + "/predict?text=Ignore%20previous%20instructions'");
}

void reload_registry(actors::service& service) {
  spdlog::info("SIGHUP: reading the registry again");
  service.reload_registry(actors::one_shot<std::string>([](result<std::string> answer) {
    // Of what has changed the supervisor tells.
    if (!answer) spdlog::error("the registry stays as it was: {}", explain(answer.error()));
  }));
}

void log_listeners(application& app) {
  const auto ports = app.server().ports();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const auto& l = app.settings().listeners.at(i);
    spdlog::info("listening on {}{}", config::address_text(l.host, ports[i]), l.tls ? " (TLS)" : "");
  }
}

// Waits for the end; announces readiness on the way. The signal that ended it.
int run_until_signalled(application& app, steady_time started) {
  bool announced = false;
  auto pause = 1ms;
  for (;;) {
    if (!announced) {
      if (const auto report = app.report(1s); report && report->state != actors::health::starting) {
        announced = true;
        announce(app, *report, std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - started));
      }
    }
    const int number = wait_for_signal(announced ? -1ms : pause);
    pause = std::min(pause + 1ms, std::chrono::milliseconds(25));
    if (number == SIGHUP) reload_registry(app.service());
    if (number == SIGINT || number == SIGTERM) return number;
  }
}

// Ends the process when taking the server down takes too long: a load or a batch that does not heed its
// cancellation must not keep it alive. SIGINT ends it at once here, too; a repeated SIGTERM changes nothing.
class teardown_guard {
 public:
  explicit teardown_guard(std::chrono::milliseconds limit) : watch_([this, limit] { run(limit); }) {}
  ~teardown_guard() {
    done_ = true;
    watch_.join();
  }
  teardown_guard(const teardown_guard&) = delete;
  teardown_guard& operator=(const teardown_guard&) = delete;

 private:
  void run(std::chrono::milliseconds limit) {
    const auto end = steady_clock::now() + limit;
    while (!done_) {
      const bool asked = wait_for_signal(5ms) == SIGINT;
      if (!asked && steady_clock::now() < end) continue;
      spdlog::warn("{}: leaving what still runs", asked ? "SIGINT again" : "taking the server down takes too long");
      stop_logging();
      std::_Exit(0);
    }
  }

  std::atomic<bool> done_{false};
  std::thread watch_;  // last: it uses done_
};

// True if all requests were answered; false when the grace period or the operator's patience ended before.
bool drain(application& app, int signal) {
  const auto grace = std::chrono::milliseconds(app.settings().shutdown_grace_ms);
  spdlog::info("{}: finishing {} requests in flight, at most {} ms", signal == SIGINT ? "SIGINT" : "SIGTERM",
               app.server().open_exchanges(), grace.count());
  app.begin_drain();
  const auto end = steady_clock::now() + grace;
  while (!app.drained()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now());
    if (left <= 0ms) {
      spdlog::warn("{} requests are unanswered after {} ms: ending all the same", app.server().open_exchanges(),
                   grace.count());
      return false;
    }
    if (wait_for_signal(std::min<std::chrono::milliseconds>(left, 5ms)) == SIGINT) {
      spdlog::warn("SIGINT again: ending at once");
      return false;
    }
  }
  return true;
}

}  // namespace

result<config::registry> find_registry(const config::settings& settings, const http::route_table& routes) {
  const auto reserved = http::reserved_names(routes.routes());
  if (!settings.models_file.empty()) return config::load_registry(settings.models_file, reserved);
  if (const auto file = config::shipped_file("models.json")) return config::load_registry(*file, reserved);
  spdlog::warn(
      "no models: models_file is not set, and no share/troupe/models/models.json lies beside the program. Name a "
      "registry with --models-file FILE");
  return config::registry{};
}

result<config::registry> known_registry(const config::settings& settings) {
  auto registry = find_registry(settings, *http::make_routes());
  if (!registry) return registry;
  return config::merge(*registry, config::load_registered(settings.registered_file(), registry->reserved).models);
}

namespace {

// A GPU runs one batch after the other; the second slot's thread prepares and hands on meanwhile.
constexpr std::uint32_t gpu_slots = 2;

void choose_for_gpu(actors::compute_options& chosen, const std::string& device) {
  if (chosen.load.automatic_precision == inference::precision::automatic)
    chosen.load.automatic_precision = inference::precision::bf16;
  if (chosen.slots == 0) chosen.slots = gpu_slots;
  if (chosen.threads_per_slot == 0) chosen.threads_per_slot = 1;
  if (chosen.lone_threads == 0) chosen.lone_threads = 1;
  chosen.device_memory_bytes = inference::device_memory_bytes(device);
}

// The supervisor's long messages (a report on many models) must not hold up the models' actors.
std::uint32_t chosen_actor_threads(const config::settings& settings) {
  return settings.actor_threads != 0 ? settings.actor_threads : std::clamp(config::usable_cores() / 4, 1u, 8u);
}

}  // namespace

actors::compute_options choose_compute(const config::settings& settings) {
  const auto cores = config::usable_cores();
  actors::compute_options chosen;
  chosen.slots = settings.compute_slots;
  chosen.threads_per_slot = settings.threads_per_slot;
  chosen.load.automatic_precision =
      inference::parse_precision(settings.precision).value_or(inference::precision::automatic);
  chosen.lone_threads = settings.lone_batch_threads;
  if (settings.device != "cpu") choose_for_gpu(chosen, settings.device);
  const bool precision_open = chosen.load.automatic_precision == inference::precision::automatic;
  // On the CPU it also says which kernels are used.
  if (settings.device == "cpu" || precision_open || chosen.slots == 0 || chosen.threads_per_slot == 0 ||
      chosen.lone_threads == 0) {
    // On a thread of its own: OpenMP's settings are a thread's, and the kernels that it has made end with it.
    const auto measured = std::async(std::launch::async, [&] {
                            return inference::calibrate(settings.data_dir / "calibration.json", false);
                          }).get();
    // Each model is measured, where there is anything to gain.
    if (precision_open) chosen.load.candidates = measured.candidates();
    if (chosen.slots == 0) chosen.slots = static_cast<std::uint32_t>(std::max(1, measured.slots));
    if (chosen.threads_per_slot == 0) {
      chosen.threads_per_slot = static_cast<std::uint32_t>(std::max(1, measured.threads_per_slot));
    }
    if (chosen.lone_threads == 0) chosen.lone_threads = static_cast<std::uint32_t>(std::max(1, measured.lone_threads));
    const auto* kernel = measured.fp32_in_panels ? "panels" : measured.fp32_by_aten ? "MKL" : "oneDNN";
    spdlog::info("{}: fp32 {:.0f} ({}), bf16 {:.0f} ({}), int8 {:.0f} GFLOP/s a core ({})", measured.cpu_model,
                 measured.fp32_gflops, kernel, measured.bf16_gflops, measured.bf16_in_panels ? "panels" : "oneDNN",
                 measured.int8_gflops, measured.measured_now ? "measured now" : "measured before");
  }
  chosen.lone_threads = std::max(chosen.lone_threads, chosen.threads_per_slot);
  chosen.actor_threads = chosen_actor_threads(settings);
  chosen.load.precision_tolerance = settings.precision_tolerance;
  chosen.load.store = settings.ready_directory();
  chosen.load.device = settings.device;
  chosen.load.max_artifact_bytes = settings.max_artifact_mb << 20;
  spdlog::info("compute on {}: {}, {} slots of {} threads, {} for a lone batch; {} actor threads; {} cores",
               settings.device, to_string(chosen.load.automatic_precision), chosen.slots, chosen.threads_per_slot,
               chosen.lone_threads, chosen.actor_threads, cores);
  return chosen;
}

application::application(config::settings settings, config::registry registry,
                         const std::shared_ptr<const http::route_table>& routes)
    : settings_(std::move(settings)) {
  service_ = actors::make_service(settings_, std::move(registry), choose_compute(settings_));
  auto answer = with_access_log(settings_, http::make_handler(routes, *service_, settings_));
  server_ = std::make_unique<http::server>(
      settings_, std::move(answer),
      [this, routes](std::string_view method, std::string_view path) {
        return routes->body_limit(settings_, method, path);
      },
      service_->metrics());
}

application::~application() { stop(); }

result<void> application::start() { return server_->start(); }

std::optional<actors::server_report> application::report(std::chrono::milliseconds limit) {
  auto promise = std::make_shared<std::promise<result<actors::server_report>>>();
  auto future = promise->get_future();
  service_->report(actors::one_shot<actors::server_report>(
      [promise](result<actors::server_report> r) { promise->set_value(std::move(r)); }));
  if (future.wait_for(limit) != std::future_status::ready) return std::nullopt;
  auto answer = future.get();
  return answer ? std::optional(std::move(*answer)) : std::nullopt;
}

std::string application::address() const {
  const auto& first = settings_.listeners.front();
  const auto ports = server_->ports();
  const auto host = first.host == "0.0.0.0" || first.host == "::" ? std::string("127.0.0.1") : first.host;
  return (first.tls ? "https://" : "http://") + config::address_text(host, ports.empty() ? first.port : ports.front());
}

void application::begin_drain() {
  service_->begin_drain();
  server_->stop_accepting();
}

bool application::drained() const { return service_->in_flight() == 0 && server_->open_exchanges() == 0; }

void application::stop() {
  if (server_) server_->stop();
  service_.reset();  // its last answers find closed connections
  server_.reset();
}

std::uint32_t threads_needed(const config::settings& settings) {
  const auto cores = config::usable_cores();
  const auto chosen = [](std::uint32_t wanted, std::uint32_t otherwise) { return wanted != 0 ? wanted : otherwise; };
  const auto slots = chosen(settings.compute_slots, std::max(cores, gpu_slots));
  // One batch with the device to itself, or the measurement for it; and each slot's batch.
  const auto lone = chosen(settings.lone_batch_threads, std::min<std::uint32_t>(cores, inference::lone_threads_max));
  // Helpers of encoders and OpenMP's of programs are threads of their own.
  const auto each = chosen(settings.threads_per_slot, 1);
  const auto others = 2 * (each > 1 ? slots : 1) * (std::max(lone, each) - 1);
  const auto loads = settings.loader_threads + 1;
  constexpr std::uint32_t log = 1, caf = 2, reclaimer = 1, registry_keeper = 1, teardown = 1;
  constexpr std::uint32_t artifact_keeper = 1, transfers = 3;
  return artifact_keeper + transfers + settings.max_downloads + log + chosen_actor_threads(settings) + caf + reclaimer +
         registry_keeper + teardown + slots + others + 2 * loads + settings.prepare_threads +
         http::chosen_io_threads(settings.io_threads);
}

int serve(const config::loaded_settings& loaded, const composition& extra) {
  const auto started = steady_clock::now();
  start_logging(loaded.values);
  spdlog::info("troupe {} (LibTorch {}, CAF {}, RESTinio {}), process {}", version::project, version::torch,
               version::caf, version::restinio, getpid());
  log_configuration(loaded);
  raise_file_limit(loaded.values);
  warn_if_open_to_all(loaded.values);
  warn_if_nothing_is_kept(loaded.values);
  const auto routes = http::make_routes(extra.extra_routes);
  auto registry = find_registry(loaded.values, *routes);
  if (!registry) return refuse_to_start(registry.error(), 2);
  spdlog::info("registry {}: {} models", registry->file.string(), registry->models.size());
  inference::initialise_runtime();
  if (const auto& device = loaded.values.device; device != "cpu" && inference::device_memory_bytes(device) == 0) {
    return refuse_to_start({error_code::unavailable,
                            "the device " + device + " is not available here",
                            "cpu; a GPU needs a build with TROUPE_GPU=1",
                            {}},
                           1);
  }
  {
    application app(loaded.values, std::move(*registry), routes);
    if (auto listening = app.start(); !listening) {
      const auto& why = listening.error();
      app.stop();
      return refuse_to_start(why, 1);
    }
    log_listeners(app);
    const int signal = run_until_signalled(app, started);
    const bool clean = drain(app, signal);
    const teardown_guard guard(1500ms);
    app.stop();
    spdlog::info("ended{}", clean ? "" : " with requests unanswered");
  }
  stop_logging();
  // Threads that a model has hung still run: nothing may be taken down under them.
  if (actors::abandoned_compute_threads() > 0) std::_Exit(0);
  return 0;
}

}  // namespace troupe::app
