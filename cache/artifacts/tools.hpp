#pragma once
// What a pull needs, made from the settings: for the server and for the command line.

#include <cstdint>
#include <memory>

#include "cache/artifacts/pull.hpp"
#include "config/settings.hpp"

namespace troupe::cache {

std::uint64_t store_limit_bytes(const config::settings& s) noexcept;  // 0: none
store_options store_options_of(const config::settings& s);
transfer_options transfer_options_of(const config::settings& s);
source_settings source_settings_of(const config::settings& s);

// Thread-safe, as its parts are.
struct pull_kit {
  std::shared_ptr<store> artifacts;
  std::unique_ptr<transfers> net;
  source_settings sources;
  std::uint64_t artifact_bytes_max = 0;

  pull_tools for_pull() const { return {*artifacts, *net, sources, artifact_bytes_max}; }
};
std::shared_ptr<pull_kit> make_tools(const config::settings& s, std::shared_ptr<store> artifacts);

}  // namespace troupe::cache
