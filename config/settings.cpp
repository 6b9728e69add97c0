#include "config/settings.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "config/catalog_providers.hpp"
#include "config/located_json.hpp"
#include "config/settings_table.hpp"

namespace troupe::config {
namespace {

namespace fs = std::filesystem;
using environment_map = std::map<std::string, std::string>;

constexpr std::uint64_t max_settings_bytes = 16ull << 20;

std::string variable(const environment_map& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

fs::path default_data_dir(const environment_map& environment) {
  // Relative ones are to be ignored, says the XDG specification.
  if (const fs::path data = variable(environment, "XDG_DATA_HOME"); data.is_absolute()) return data / "troupe";
  if (const fs::path home = variable(environment, "HOME"); home.is_absolute()) return home / ".local/share/troupe";
  return "/var/lib/troupe";
}

// As the hub's own library finds it.
fs::path default_hub_cache(const environment_map& environment) {
  if (const fs::path home = variable(environment, "HF_HOME"); home.is_absolute()) return home / "hub";
  if (const fs::path cache = variable(environment, "XDG_CACHE_HOME"); cache.is_absolute())
    return cache / "huggingface/hub";
  if (const fs::path home = variable(environment, "HOME"); home.is_absolute()) return home / ".cache/huggingface/hub";
  return {};
}

// Settings under construction: each source overrides what came before and leaves its name.
class settings_builder {
 public:
  explicit settings_builder(const environment_map& environment) : environment_(environment) {
    out_.values.data_dir = default_data_dir(environment);
    out_.values.hf_hub_cache = default_hub_cache(environment);
    for (const auto& row : setting_rows()) source_[row.name] = "default";
  }

  result<void> read_file(const fs::path& file);
  result<void> read_environment();
  result<void> read_overrides(const std::vector<std::pair<std::string, std::string>>& overrides);
  result<loaded_settings> finish();

 private:
  // The two shorthands for `listeners`, with the source that gave them.
  struct shorthand {
    std::optional<std::string> host;
    std::optional<std::uint16_t> port;
    std::string source;
    bool given() const { return host || port; }
  };

  result<void> read_member(const located_json& json, const json_member& member, shorthand& short_form);
  result<void> read_block(const located_json& json, const json_value& block, bool nested, shorthand& short_form);
  result<void> read_text(const std::string& name, const std::string& text, const std::string& source,
                         shorthand& short_form);
  void apply(const shorthand& short_form);
  result<void> resolve_paths(const std::optional<fs::path>& folder, const std::string& source);
  result<void> check_together() const;
  std::string named(const std::string& name) const;

  const environment_map& environment_;
  loaded_settings out_;
  std::map<std::string, std::string> source_;  // setting -> where its value came from
};

std::vector<std::string> known_keys() {
  std::vector<std::string> keys{"host", "port", "CACHE_CONFIG"};
  for (const auto& row : setting_rows()) keys.push_back(row.name);
  return keys;
}

tl::unexpected<error> refuse(const located_json& json, const json_value& value, const std::string& key,
                             const std::string& allowed_text, bool secret = false) {
  const auto found = secret ? "a value that is not shown" : shown(value);
  return json.problem(value.offset, key + ": found " + found + "; allowed: " + allowed_text);
}

result<std::string> string_of(const located_json& json, const json_value& value, const std::string& key) {
  if (value.kind != json_kind::string || value.text.empty()) return refuse(json, value, key, "a string");
  return value.text;
}

constexpr auto host_rule = "an address or a host name";

result<std::string> host_of(const located_json& json, const json_value& value, const std::string& key) {
  auto host = value.kind == json_kind::string ? parse_host(value.text) : std::nullopt;
  if (!host) return refuse(json, value, key, host_rule);
  return std::move(*host);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

constexpr auto port_rule = "a whole number from 0 (any free port) to 65535";

result<std::uint16_t> port_of(const located_json& json, const json_value& value, const std::string& key) {
  const auto port = value.kind == json_kind::number ? parse_port(value.text) : std::nullopt;
  if (!port) return refuse(json, value, key, port_rule);
  return *port;
}

result<tls_files> tls_of(const located_json& json, const json_value& value) {
  if (value.kind != json_kind::object) {
    return refuse(json, value, "listeners.tls", "{\"certificate_file\", \"private_key_file\"}");
  }
  if (auto keys = refuse_unknown_keys(json, value, "tls", {"certificate_file", "private_key_file"}); !keys) {
    return tl::unexpected(keys.error());
  }
  tls_files files;
  for (auto [key, member] : {std::pair{"certificate_file", &files.certificate_file},
                             std::pair{"private_key_file", &files.private_key_file}}) {
    const auto* given = value.find(key);
    if (given == nullptr) return json.problem(value.offset, std::string("listeners.tls: \"") + key + "\" is missing");
    auto text = string_of(json, *given, std::string("listeners.tls.") + key);
    if (!text) return tl::unexpected(text.error());
    *member = std::move(*text);
  }
  return files;
}

bool is_dialect(std::string_view word) {
  return word == usual_dialect || word == "tei" || word == "funasr" || word == "vosk";
}

result<listener> listener_of(const located_json& json, const json_value& value) {
  if (value.kind != json_kind::object) {
    return refuse(json, value, "listeners", "{\"host\", \"port\", \"tls\", \"dialect\"}");
  }
  if (auto keys = refuse_unknown_keys(json, value, "a listener", {"host", "port", "tls", "dialect"}); !keys) {
    return tl::unexpected(keys.error());
  }
  listener out;
  if (const auto* host = value.find("host")) {
    auto text = host_of(json, *host, "listeners.host");
    if (!text) return tl::unexpected(text.error());
    out.host = std::move(*text);
  }
  const auto* port = value.find("port");
  if (port == nullptr) return json.problem(value.offset, "listeners: \"port\" is missing", port_rule);
  auto number = port_of(json, *port, "listeners.port");
  if (!number) return tl::unexpected(number.error());
  out.port = *number;
  if (const auto* tls = value.find("tls"); tls && tls->kind != json_kind::null) {
    auto files = tls_of(json, *tls);
    if (!files) return tl::unexpected(files.error());
    out.tls = std::move(*files);
  }
  if (const auto* dialect = value.find("dialect")) {
    if (dialect->kind != json_kind::string || !is_dialect(dialect->text)) {
      return refuse(json, *dialect, "listeners.dialect", "http, tei, funasr, vosk");
    }
    out.dialect = dialect->text;
  }
  return out;
}

result<std::vector<listener>> listeners_of(const located_json& json, const json_value& value) {
  if (value.kind != json_kind::array || value.items.empty()) {
    return refuse(json, value, "listeners", "a list of at least one {\"host\", \"port\", \"tls\", \"dialect\"}");
  }
  std::vector<listener> all;
  for (const auto& item : value.items) {
    auto one = listener_of(json, item);
    if (!one) return tl::unexpected(one.error());
    for (const auto& other : all) {
      if (one->port != 0 && other.port == one->port && other.host == one->host) {
        return json.problem(item.offset, "listeners: " + to_text(*one) + " is given twice");
      }
    }
    all.push_back(std::move(*one));
  }
  return all;
}

// The text that stands for a JSON value in the table; null where its kind does not fit the setting.
std::optional<std::string> text_for(const setting_row& row, const json_value& value) {
  const auto type = type_of(row);
  const auto wanted = type == "boolean"                       ? json_kind::boolean
                      : type == "integer" || type == "number" ? json_kind::number
                                                              : json_kind::string;
  return value.kind == wanted ? std::optional(value.text) : std::nullopt;
}

result<void> assign_json(const located_json& json, const setting_row& row, const json_value& value, settings& values) {
  if (const auto* many = std::get_if<std::vector<listener> settings::*>(&row.member)) {
    return listeners_of(json, value).map([&](auto&& all) { values.** many = std::forward<decltype(all)>(all); });
  }
  if (const auto* many = std::get_if<std::vector<catalog_provider> settings::*>(&row.member)) {
    return catalog_providers_of(json, value).map([&](auto&& all) {
      values.** many = std::forward<decltype(all)>(all);
    });
  }
  if (const auto* many = std::get_if<std::vector<std::string> settings::*>(&row.member)) {
    if (value.kind != json_kind::array) return refuse(json, value, row.name, allowed(row), row.secret);
    std::vector<std::string> all;
    for (const auto& item : value.items) {
      settings one;  // each item by the rule of the text form, which would split at commas
      const bool splits = item.text.find(',') != std::string::npos;
      if (item.kind != json_kind::string || splits || !assign_text(row, item.text, one) || (one.**many).size() != 1) {
        return refuse(json, item, row.name, allowed(row), row.secret);
      }
      all.push_back(item.text);
    }
    values.** many = std::move(all);
    return {};
  }
  const auto text = text_for(row, value);
  if (!text || !assign_text(row, *text, values)) return refuse(json, value, row.name, allowed(row), row.secret);
  return {};
}

result<void> settings_builder::read_file(const fs::path& file) {
  auto text = read_text_file(file, max_settings_bytes);
  if (!text) return tl::unexpected(text.error());
  auto json = located_json::parse(*text, file.string());
  if (!json) return tl::unexpected(json.error());
  if (json->root().kind != json_kind::object) {
    return json->problem(json->root().offset, "found " + shown(json->root()) + "; allowed: an object of settings");
  }
  shorthand short_form;
  if (auto read = read_block(*json, json->root(), false, short_form); !read) return read;
  apply(short_form);
  std::error_code ec;
  return resolve_paths(fs::absolute(file, ec).parent_path(), "file ");
}

result<void> settings_builder::read_block(const located_json& json, const json_value& block, bool nested,
                                          shorthand& short_form) {
  for (const auto& member : block.members) {
    const bool is_block = member.key == "CACHE_CONFIG" || member.key == "cache_config";
    if (is_block && !nested) {
      if (member.value.kind != json_kind::object)
        return refuse(json, member.value, member.key, "an object of settings");
      if (auto read = read_block(json, member.value, true, short_form); !read) return read;
    } else if (auto read = read_member(json, member, short_form); !read) {
      return read;
    }
  }
  return {};
}

result<void> settings_builder::read_member(const located_json& json, const json_member& member, shorthand& short_form) {
  const auto source = "file " + json.where(member.value.offset);
  if (member.key == "host" || member.key == "port") {
    if (source_["listeners"] != "default") {
      return json.problem(member.key_offset, member.key + ": \"listeners\" is given too", "give one of the two");
    }
    short_form.source = source;
    if (member.key == "host") {
      return host_of(json, member.value, "host").map([&](std::string&& host) { short_form.host = std::move(host); });
    }
    return port_of(json, member.value, "port").map([&](std::uint16_t port) { short_form.port = port; });
  }
  const auto* row = find_setting(member.key);
  if (row == nullptr) {
    const auto keys = known_keys();
    const auto near = nearest(member.key, keys);
    return json.problem(member.key_offset, "unknown setting " + shown(member.key),
                        near.empty() ? "`troupe config` lists all settings" : "did you mean \"" + near + "\"?");
  }
  if (row->name == "listeners" && short_form.given()) {
    return json.problem(member.key_offset, "listeners: \"host\" or \"port\" is given too", "give one of the two");
  }
  if (source_[row->name] != "default") {
    return json.problem(member.key_offset, row->name + " is given twice", "the other: " + source_[row->name]);
  }
  if (auto assigned = assign_json(json, *row, member.value, out_.values); !assigned) return assigned;
  source_[row->name] = source;
  return {};
}

result<void> settings_builder::read_text(const std::string& name, const std::string& text, const std::string& source,
                                         shorthand& short_form) {
  const auto bad = [&](const std::string& rule, bool secret) {
    const bool empty = text.find_first_not_of(", \t") == std::string::npos;
    const auto found = secret && !empty ? "a value that is not shown" : shown(text);
    return fail(error_code::bad_request, source + ": found " + found + "; allowed: " + rule);
  };
  if (name == "host") {
    short_form.host = parse_host(text);
    if (!short_form.host) return bad(host_rule, false);
    short_form.source = source;
    return {};
  }
  if (name == "port") {
    short_form.port = parse_port(text);
    short_form.source = source;
    if (!short_form.port) return bad(port_rule, false);
    return {};
  }
  const auto* row = find_setting(name);
  if (row == nullptr) {
    const auto near = nearest(name, known_keys());
    return fail(error_code::bad_request, source + ": unknown setting " + shown(name),
                near.empty() ? "" : "did you mean \"" + near + "\"?");
  }
  if (!assign_text(*row, text, out_.values)) {
    return bad(name == "listeners" ? "HOST:PORT, several separated by commas" : allowed(*row), row->secret);
  }
  source_[name] = source;
  return {};
}

result<void> settings_builder::read_environment() {
  shorthand short_form;
  constexpr std::string_view prefix = "TROUPE_";
  std::vector<std::string> known{"CONFIG", "HOST", "PORT"};      // without the prefix
  const std::set<std::string> of_commands{"SERVER", "API_KEY"};  // where the command line finds a server
  const auto read_variable = [&](const std::string& setting, const std::string& name) -> result<void> {
    const auto text = variable(environment_, name);
    if (text.empty()) return {};
    // Kubernetes sets TROUPE_PORT=tcp://.. for every service that is called "troupe".
    if (name == "TROUPE_PORT" && text.find("://") != std::string::npos) return {};
    return read_text(setting, text, "env " + name, short_form);
  };
  for (const auto& row : setting_rows()) {
    const auto name = environment_name(row.name);
    known.push_back(name.substr(prefix.size()));
    if (!row.documented_env.empty()) {
      if (auto read = read_variable(row.name, row.documented_env); !read) return read;
    }
    if (auto read = read_variable(row.name, name); !read) return read;
  }
  for (const auto* setting : {"host", "port"}) {
    if (auto read = read_variable(setting, environment_name(setting)); !read) return read;
  }
  for (auto it = environment_.lower_bound(std::string(prefix)); it != environment_.end(); ++it) {
    if (it->first.rfind(prefix, 0) != 0) break;
    const auto name = it->first.substr(prefix.size());
    if (std::find(known.begin(), known.end(), name) != known.end() || of_commands.contains(name)) continue;
    if (const auto near = nearest(name, known); !near.empty()) {
      out_.warnings.push_back("the variable " + it->first + " is no setting; did you mean TROUPE_" + near + "?");
    }
  }
  apply(short_form);
  return resolve_paths(std::nullopt, "env ");
}

result<void> settings_builder::read_overrides(const std::vector<std::pair<std::string, std::string>>& overrides) {
  shorthand short_form;
  for (const auto& [name, text] : overrides) {
    auto option = "--" + name;
    std::replace(option.begin(), option.end(), '_', '-');
    if (auto read = read_text(name, text, "command line " + option, short_form); !read) return read;
  }
  apply(short_form);
  return resolve_paths(std::nullopt, "command line ");
}

void settings_builder::apply(const shorthand& short_form) {
  if (!short_form.given()) return;
  listener one;
  // Only a single listener of before lends what is not given now: of several, which one was meant?
  if (out_.values.listeners.size() == 1) {
    one.host = out_.values.listeners.front().host;
    one.port = out_.values.listeners.front().port;
  }
  if (short_form.host) one.host = *short_form.host;
  if (short_form.port) one.port = *short_form.port;
  out_.values.listeners = {one};
  source_["listeners"] = short_form.source;
}

// Relative paths of that source are taken from `folder`; null: the working directory, which is looked at only then,
// as it may have been deleted.
result<void> settings_builder::resolve_paths(const std::optional<fs::path>& folder, const std::string& source) {
  const auto resolve = [&](const std::string& setting, const fs::path& path) -> result<fs::path> {
    if (path.empty() || path.is_absolute()) return path.lexically_normal();
    std::error_code ec;
    const auto from = folder ? *folder : fs::current_path(ec);
    if (!ec) return (from / path).lexically_normal();
    return fail(error_code::bad_request,
                source_[setting] + ": the path " + path.string() +
                    " is relative, and the working directory cannot be told: " + ec.message(),
                "give an absolute path, or start in a folder that exists");
  };
  for (const auto& row : setting_rows()) {
    const auto* member = std::get_if<fs::path settings::*>(&row.member);
    if (member == nullptr || source_[row.name].rfind(source, 0) != 0) continue;
    auto path = resolve(row.name, out_.values.**member);
    if (!path) return tl::unexpected(path.error());
    out_.values.** member = std::move(*path);
  }
  if (source_["providers"].rfind(source, 0) == 0) {
    for (auto& p : out_.values.providers) {
      auto path = resolve("providers", p.path);
      if (!path) return tl::unexpected(path.error());
      p.path = std::move(*path);
    }
  }
  if (source_["listeners"].rfind(source, 0) != 0) return {};
  for (auto& l : out_.values.listeners) {
    if (!l.tls) continue;
    for (auto* file : {&l.tls->certificate_file, &l.tls->private_key_file}) {
      auto path = resolve("listeners", *file);
      if (!path) return tl::unexpected(path.error());
      *file = path->string();
    }
  }
  return {};
}

std::string settings_builder::named(const std::string& name) const {
  return name + " (" + shown_value(*find_setting(name), out_.values) + ", " + source_.at(name) + ")";
}

// Settings that must fit each other.
result<void> settings_builder::check_together() const {
  const auto& v = out_.values;
  struct rule {
    bool holds;
    const char *left, *relation, *right;
  };
  const auto mib = [](std::uint64_t mb) { return mb << 20; };
  const rule rules[] = {
      {v.memory_threshold <= v.max_memory_usage, "memory_threshold", "at most", "max_memory_usage"},
      {v.request_timeout_ms <= v.max_request_timeout_ms, "request_timeout_ms", "at most", "max_request_timeout_ms"},
      {v.restart_backoff_min_ms <= v.restart_backoff_max_ms, "restart_backoff_min_ms", "at most",
       "restart_backoff_max_ms"},
      {v.preload_models.size() <= v.max_models, "preload_models", "no more models than", "max_models"},
      {v.max_text_bytes <= v.max_body_bytes, "max_text_bytes", "at most", "max_body_bytes"},
      {v.max_body_bytes <= mib(v.max_body_budget_mb), "max_body_bytes", "at most", "max_body_budget_mb"},
      {v.max_batch_inputs <= v.max_in_flight_items, "max_batch_inputs", "at most", "max_in_flight_items"},
      {v.max_queue_items <= v.max_in_flight_items, "max_queue_items", "at most", "max_in_flight_items"},
      {v.max_batch_items <= v.max_queue_items, "max_batch_items", "at most", "max_queue_items"},
  };
  for (const auto& r : rules) {
    if (!r.holds) {
      return fail(error_code::bad_request, named(r.left) + " must be " + r.relation + " " + named(r.right));
    }
  }
  return {};
}

result<loaded_settings> settings_builder::finish() {
  if (auto checked = check_together(); !checked) return tl::unexpected(checked.error());
  for (const auto& name : take_api_keys(out_.values.providers, environment_))
    out_.warnings.push_back("the variable " + name + ", which holds a provider's key, is not set");
  for (const auto& row : setting_rows()) {
    provenance p;
    p.name = row.name;
    p.value = shown_value(row, out_.values);
    p.unit = row.unit;
    p.source = source_[row.name];
    p.description = row.description;
    p.env = row.documented_env.empty() ? environment_name(row.name) : row.documented_env;
    out_.table.push_back(std::move(p));
  }
  return std::move(out_);
}

}  // namespace

result<loaded_settings> load_settings(const std::optional<fs::path>& file,
                                      const std::vector<std::pair<std::string, std::string>>& overrides,
                                      const environment_map& environment) {
  settings_builder builder(environment);
  const auto path = file ? *file : fs::path(variable(environment, "TROUPE_CONFIG"));
  if (!path.empty()) {
    if (auto read = builder.read_file(path); !read) return tl::unexpected(read.error());
  }
  if (auto read = builder.read_environment(); !read) return tl::unexpected(read.error());
  if (auto read = builder.read_overrides(overrides); !read) return tl::unexpected(read.error());
  return builder.finish();
}

const std::vector<setting_description>& describe_settings() {
  static const std::vector<setting_description> all = [] {
    std::vector<setting_description> out;
    const settings defaults;
    const auto shorthand = [&](std::string name, std::string type, std::string text, std::string rule) {
      setting_description d;
      d.env = environment_name(name);
      d.name = std::move(name);
      d.type = std::move(type);
      d.default_text = std::move(text);
      d.description = "short for one listener, in place of `listeners`";
      d.group = setting_rows().front().group;
      d.allowed = std::move(rule);
      d.basic = true;
      out.push_back(std::move(d));
    };
    shorthand("host", "string", defaults.listeners.front().host, host_rule);
    shorthand("port", "integer", std::to_string(defaults.listeners.front().port), port_rule);
    for (const auto& row : setting_rows()) {
      setting_description d;
      d.name = row.name;
      d.type = type_of(row);
      d.unit = row.unit;
      d.default_text = row.secret ? "" : shown_value(row, defaults);
      d.env = (row.documented_env.empty() ? "" : row.documented_env + ", ") + environment_name(row.name);
      d.description = row.description;
      d.secret = row.secret;
      d.group = row.group;
      d.allowed = allowed(row);
      d.basic = row.basic;
      out.push_back(std::move(d));
    }
    return out;
  }();
  return all;
}

std::string settings_markdown() {
  std::string out =
      "# Settings\n\n"
      "Written by `troupe config --markdown` from the table in `config/settings_table.cpp`; a test keeps it up to\n"
      "date. Each setting is read from, the later ones winning: its default, the JSON file (`--config FILE`, or\n"
      "`TROUPE_CONFIG`), the environment, the command line (`--max-models 20`). Relative paths in the file are\n"
      "taken from the file's folder. The settings of document 001's `CACHE_CONFIG` may stand in a block of that\n"
      "name. An unknown key or a value that is not allowed stops the start and says where it stands.\n"
      "`troupe config` prints what is in force, and why.\n";
  std::string group;
  for (const auto& d : describe_settings()) {
    if (d.group != group) {
      group = d.group;
      out +=
          "\n## " + group + "\n\n| setting | default | unit | allowed | environment | |\n|---|---|---|---|---|---|\n";
    }
    out += "| `" + d.name + "` | " + (d.default_text.empty() ? "" : "`" + d.default_text + "`") + " | " + d.unit +
           " | " + d.allowed + " | " + d.env + " | " + d.description + " |\n";
  }
  return out;
}

}  // namespace troupe::config
