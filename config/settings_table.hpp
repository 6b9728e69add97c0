#pragma once
// The one table of settings: everything that is known about each of them. Drives the file, the environment,
// the command line, `troupe config` and docs/settings.md. Internal to config/.

#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.hpp"

namespace troupe::config {

using settings_member =
    std::variant<bool settings::*, std::uint32_t settings::*, std::uint64_t settings::*, double settings::*,
                 std::string settings::*, std::filesystem::path settings::*, std::vector<std::string> settings::*,
                 std::vector<listener> settings::*, std::vector<catalog_provider> settings::*>;

enum class text_rule : std::uint8_t { any, one_line, model_name, device, key, origin, base_url, provider_name };

struct setting_row {
  std::string group;
  std::string name;  // in the file; the command line's is the same with '-' for '_'
  settings_member member;
  std::string unit;
  std::string description;
  double smallest = 0;  // of numbers
  double largest = 0;
  std::vector<std::string> choices;  // of strings; empty: any that the rule allows
  text_rule rule = text_rule::one_line;
  std::string documented_env;  // besides TROUPE_<NAME>
  bool secret = false;
  bool basic = false;  // shown by `troupe serve --help`
};

const std::vector<setting_row>& setting_rows();
const setting_row* find_setting(std::string_view name);

std::string environment_name(std::string_view setting);  // TROUPE_<NAME>
std::string type_of(const setting_row& row);             // "integer", "list of strings", ..
std::string allowed(const setting_row& row);             // "a whole number from 0 to 256"
// The value for people; of a secret only whether it is set.
std::string shown_value(const setting_row& row, const settings& values);
std::string to_text(const listener& l);  // "127.0.0.1:8000", "[::1]:8443 tls"

// Reads a value from text (environment, command line). False: not allowed, `values` is unchanged.
bool assign_text(const setting_row& row, std::string_view text, settings& values);

// An address or a host name; "[::1]" is "::1". Null: neither.
std::optional<std::string> parse_host(std::string_view text);
// "HOST:PORT", "[V6]:PORT", ":PORT" or "PORT".
bool parse_listener(std::string_view text, listener& out);

}  // namespace troupe::config
