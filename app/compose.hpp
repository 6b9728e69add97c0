#pragma once
// The composition root: settings become a running server. `troupe serve` and the tests' server both use it.

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/make_service.hpp"
#include "actors/protocol/service.hpp"
#include "config/registry.hpp"
#include "config/settings.hpp"
#include "http/routes.hpp"
#include "http/server.hpp"

namespace troupe::app {

// What a test executable adds; formats, architectures and tasks of its own (inference/tables.hpp) come before.
struct composition {
  std::vector<http::route> extra_routes;
};

// settings.models_file, else the shipped registry (share/troupe/models/models.json, looked for from the
// executable's folder upwards), else none: an empty registry. `routes` reserve names (http/core/reserved_names.hpp).
result<config::registry> find_registry(const config::settings& settings, const http::route_table& routes);
// That one with what was registered at run time: what a server with these settings has. For commands that run none.
result<config::registry> known_registry(const config::settings& settings);

// The settings, and what they leave open from the measurement kept in data_dir/calibration.json. Logs what was
// chosen and why.
actors::compute_options choose_compute(const config::settings& settings);

// A server with all that it needs. Used by one thread; inference::initialise_runtime() has been called.
class application {
 public:
  application(config::settings settings, config::registry registry,
              const std::shared_ptr<const http::route_table>& routes);
  ~application();  // stop()
  application(const application&) = delete;
  application& operator=(const application&) = delete;

  // Listens. Models load meanwhile, and /health says "starting" until they have.
  result<void> start();
  const config::settings& settings() const noexcept { return settings_; }
  actors::service& service() noexcept { return *service_; }
  http::server& server() noexcept { return *server_; }

  // The whole state, if it comes within `limit`.
  std::optional<actors::server_report> report(std::chrono::milliseconds limit);
  std::string address() const;  // of the first listener: "http://127.0.0.1:8000"

  // Refuses new work and new connections; what is in flight goes on.
  void begin_drain();
  bool drained() const;
  // Listeners first, then the actors. What is in flight is lost.
  void stop();

 private:
  const config::settings settings_;
  std::unique_ptr<actors::service> service_;
  std::unique_ptr<http::server> server_;
};

// The threads of a server that has started, at most: what a limit on threads must allow.
std::uint32_t threads_needed(const config::settings& settings);

// The whole life of `troupe serve`; the exit status. SIGHUP re-reads the registry, SIGTERM and SIGINT drain and
// end, a second SIGINT ends at once.
int serve(const config::loaded_settings& loaded, const composition& extra = {});

}  // namespace troupe::app
