#include "config/settings.hpp"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "config/settings_table.hpp"

namespace troupe::config {
namespace {

namespace fs = std::filesystem;
using variables = std::map<std::string, std::string>;
using overrides = std::vector<std::pair<std::string, std::string>>;

// A settings file of its own folder.
class settings_file {
 public:
  explicit settings_file(const std::string& text) {
    std::string name = (fs::temp_directory_path() / "troupe-settings-XXXXXX").string();
    folder = mkdtemp(name.data());
    path = folder / "c.json";
    std::ofstream(path) << text;
  }
  ~settings_file() { fs::remove_all(folder); }
  fs::path folder, path;
};

result<loaded_settings> from_file(const std::string& text, const variables& env = {}, const overrides& line = {}) {
  const settings_file file(text);
  return load_settings(file.path, line, env);
}

std::string complaint(const result<loaded_settings>& r) {
  return r ? "" : r.error().message + " | " + r.error().detail;
}

// ctest runs the tests in the repository's root.
fs::path repository() {
  const char* source = std::getenv("TROUPE_SOURCE");
  return source != nullptr ? fs::path(source) : fs::current_path();
}

const provenance& entry(const loaded_settings& loaded, const std::string& name) {
  for (const auto& p : loaded.table) {
    if (p.name == name) return p;
  }
  throw std::out_of_range(name);
}

TEST(settings, defaults_pass_their_own_checks) {
  const auto loaded = load_settings(std::nullopt, {}, {{"HOME", "/home/u"}});
  ASSERT_TRUE(loaded) << complaint(loaded);
  EXPECT_EQ(loaded->values.data_dir, "/home/u/.local/share/troupe");
  EXPECT_EQ(loaded->values.store_directory(), "/home/u/.local/share/troupe/models");
  for (const auto& p : loaded->table) EXPECT_EQ(p.source, "default") << p.name;
  // A default that its own bounds refuse could not be written into a file.
  const settings defaults;
  for (const auto& row : setting_rows()) {
    settings copy;
    const auto text = shown_value(row, defaults);
    EXPECT_TRUE(row.secret || assign_text(row, text, copy)) << row.name << " = " << text;
  }
}

TEST(settings, data_dir_follows_the_environment) {
  EXPECT_EQ(load_settings(std::nullopt, {}, {{"XDG_DATA_HOME", "/x"}, {"HOME", "/h"}})->values.data_dir, "/x/troupe");
  EXPECT_EQ(load_settings(std::nullopt, {}, {})->values.data_dir, "/var/lib/troupe");
  EXPECT_EQ(load_settings(std::nullopt, {}, {{"HOME", "h"}, {"XDG_DATA_HOME", "x"}})->values.data_dir,
            "/var/lib/troupe");
}

TEST(settings, document_001_block) {
  const std::string block = R"({"max_memory_usage": 0.75, "cache_ttl": 60, "preload_models": ["a", "org/b"],
    "warmup_requests": 3, "enable_auto_scaling": false, "memory_threshold": 0.5, "cleanup_interval": 9,
    "max_models": 4})";
  for (const auto& text : {block, "{\"CACHE_CONFIG\": " + block + "}", "{\"cache_config\": " + block + "}"}) {
    const auto loaded = from_file(text);
    ASSERT_TRUE(loaded) << complaint(loaded);
    const auto& v = loaded->values;
    EXPECT_EQ(v.max_memory_usage, 0.75);
    EXPECT_EQ(v.cache_ttl_s, 60u);
    EXPECT_EQ(v.preload_models, (std::vector<std::string>{"a", "org/b"}));
    EXPECT_EQ(v.warmup_requests, 3u);
    EXPECT_FALSE(v.enable_auto_scaling);
    EXPECT_EQ(v.memory_threshold, 0.5);
    EXPECT_EQ(v.cleanup_interval_s, 9u);
    EXPECT_EQ(v.max_models, 4u);
  }
}

TEST(settings, later_sources_win) {
  const settings_file file("{\n  \"max_models\": 11,\n  \"warmup_requests\": 1, \"log_level\": \"warn\"}");
  const auto loaded =
      load_settings(file.path, {{"max_models", "13"}}, {{"TROUPE_MAX_MODELS", "12"}, {"TROUPE_WARMUP_REQUESTS", "2"}});
  ASSERT_TRUE(loaded) << complaint(loaded);
  EXPECT_EQ(loaded->values.max_models, 13u);
  EXPECT_EQ(loaded->values.warmup_requests, 2u);
  EXPECT_EQ(loaded->values.log_level, "warn");
  EXPECT_EQ(entry(*loaded, "max_models").source, "command line --max-models");
  EXPECT_EQ(entry(*loaded, "warmup_requests").source, "env TROUPE_WARMUP_REQUESTS");
  EXPECT_EQ(entry(*loaded, "log_level").source, "file " + file.path.string() + ":3:38");
  EXPECT_EQ(entry(*loaded, "cache_ttl").source, "default");
  EXPECT_EQ(entry(*loaded, "cache_ttl").unit, "s");
}

TEST(settings, config_file_from_the_environment) {
  const settings_file file("{\"max_models\": 3}");
  EXPECT_EQ(load_settings(std::nullopt, {}, {{"TROUPE_CONFIG", file.path}})->values.max_models, 3u);
  EXPECT_FALSE(load_settings(std::nullopt, {}, {{"TROUPE_CONFIG", "/nowhere.json"}}));
}

TEST(settings, every_setting_from_every_source) {
  for (const auto& row : setting_rows()) {
    const auto type = type_of(row);
    std::string text = "x", json = "\"x\"";
    if (type == "boolean") text = json = "true";
    if (type == "integer") text = json = std::to_string(static_cast<std::uint64_t>(row.smallest) + 1);
    if (type == "number") text = json = "0.75";
    if (type == "list of strings") text = "x", json = "[\"x\"]";
    if (type == "list of listeners") text = "127.0.0.1:81", json = "[{\"port\": 81}]";
    if (type == "list of providers") text = json = R"([{"name": "x", "type": "local"}])";
    if (!row.choices.empty()) text = row.choices.back(), json = '"' + text + '"';
    if (row.rule == text_rule::base_url) text = "http://mirror.test/x", json = '"' + text + '"';
    if (row.rule == text_rule::device) text = "cuda:1", json = "\"cuda:1\"";
    // Room for the checks between settings.
    const std::string room = row.name == "max_memory_usage" ? "" : "\"max_memory_usage\": 0.9,";
    settings values;
    EXPECT_TRUE(assign_text(row, text, values)) << row.name;
    const auto from_json = from_file("{" + room + "\"" + row.name + "\": " + json + "}");
    const auto from_env =
        load_settings(std::nullopt, {}, {{environment_name(row.name), text}, {"TROUPE_MEMORY_THRESHOLD", "0.7"}});
    const auto from_line = load_settings(std::nullopt, {{row.name, text}}, {});
    // Values that clash with another default are refused by the checks between settings, not by the table.
    for (const auto* r : {&from_json, &from_env, &from_line}) {
      if (!*r) {
        EXPECT_NE(r->error().message.find(" must be "), std::string::npos) << complaint(*r);
      }
    }
    if (from_json && from_line && type != "path") {
      EXPECT_EQ(shown_value(row, from_json->values), shown_value(row, from_line->values)) << row.name;
    }
  }
}

TEST(settings, bounds_hold_both_ways) {
  for (const auto& row : setting_rows()) {
    if (type_of(row) != "integer") continue;
    const auto smallest = static_cast<std::uint64_t>(row.smallest), largest = static_cast<std::uint64_t>(row.largest);
    settings values;
    EXPECT_TRUE(assign_text(row, std::to_string(smallest), values)) << row.name;
    EXPECT_TRUE(assign_text(row, std::to_string(largest), values)) << row.name;
    EXPECT_EQ(shown_value(row, values), std::to_string(largest)) << row.name;  // nothing is cut off
    EXPECT_FALSE(assign_text(row, std::to_string(largest + 1), values)) << row.name;
    if (smallest > 0) {
      EXPECT_FALSE(assign_text(row, std::to_string(smallest - 1), values)) << row.name;
    }
    for (const auto* text : {"", "-1", "+5", " 5", "5 ", "0x10", "1.0", "1e2", "99999999999999999999"}) {
      EXPECT_FALSE(assign_text(row, text, values)) << row.name << " = " << text;
    }
  }
}

TEST(settings, documented_environment_names) {
  const auto loaded = load_settings(std::nullopt, {}, {{"ADMIN_API_KEY", "secret-a"}, {"API_KEYS", "k1, k2,k3"}});
  ASSERT_TRUE(loaded) << complaint(loaded);
  EXPECT_EQ(loaded->values.admin_api_key, "secret-a");
  EXPECT_EQ(loaded->values.api_keys, (std::vector<std::string>{"k1", "k2", "k3"}));
  EXPECT_EQ(
      load_settings(std::nullopt, {}, {{"ADMIN_API_KEY", "a"}, {"TROUPE_ADMIN_API_KEY", "b"}})->values.admin_api_key,
      "b");
  EXPECT_EQ(load_settings(std::nullopt, {}, {{"API_KEYS", ""}})->values.api_keys.size(), 0u);
}

TEST(settings, secrets_are_never_shown) {
  const auto loaded = from_file(R"({"admin_api_key": "hush-hush", "api_keys": ["hush-1", "hush-2"]})");
  ASSERT_TRUE(loaded);
  for (const auto& p : loaded->table) EXPECT_EQ(p.value.find("hush"), std::string::npos);
  EXPECT_EQ(entry(*loaded, "admin_api_key").value, "(set)");
  EXPECT_EQ(entry(*loaded, "api_keys").value, "(2 set)");
  const result<loaded_settings> bad[] = {
      from_file(R"({"admin_api_key": "hush hush"})"), from_file(R"({"api_keys": ["hush,1"]})"),
      from_file(R"({"admin_api_key": 1234567})"), load_settings(std::nullopt, {{"admin_api_key", "hush hush"}}, {}),
      load_settings(std::nullopt, {}, {{"API_KEYS", "ok,hush hush"}})};
  for (const auto& r : bad) {
    ASSERT_FALSE(r);
    EXPECT_EQ(complaint(r).find("hush hush"), std::string::npos) << complaint(r);
    EXPECT_EQ(complaint(r).find("1234567"), std::string::npos) << complaint(r);
    EXPECT_NE(complaint(r).find("not shown"), std::string::npos) << complaint(r);
  }
}

TEST(settings, bad_values_in_the_file) {
  const std::pair<std::string, std::string> cases[] = {
      {"{\n \"max_models\": \"ten\"}", "c.json:2:16: max_models: found \"ten\"; allowed: a whole number from 1 to"},
      {"{\"max_models\": 0}", "found 0; allowed"},
      {"{\"max_models\": 1.5}", "found 1.5; allowed"},
      {"{\"max_models\": -1}", "found -1"},
      {"{\"max_models\": 1e2}", "found 1e2"},
      {"{\"max_models\": true}", "found true"},
      {"{\"max_models\": null}", "found null"},
      {"{\"max_models\": [1]}", "found a list"},
      {"{\"max_models\": 18446744073709551616}", "c.json:1:16: a number that is too large"},
      {"{\"max_url_bytes\": 255}", "from 256 to"},
      {"{\"max_memory_usage\": 1.01}", "a number from 0.01 to 1"},
      {"{\"max_memory_usage\": \"0.8\"}", "found \"0.8\""},
      {"{\"enable_auto_scaling\": 1}", "true or false"},
      {"{\"enable_auto_scaling\": \"true\"}", "true or false"},
      {"{\"preload_models\": \"a\"}", "a list of strings, each a model name"},
      {"{\"preload_models\": [\"a\", \"../b\"]}", "found \"../b\""},
      {"{\"preload_models\": [\"a,b\"]}", "found \"a,b\""},
      {"{\"preload_models\": [\"\"]}", "found \"\""},
      {"{\"default_model\": \"a b\"}", "a model name"},
      {"{\"log_level\": \"loud\"}", "trace, debug, info, warn, error"},
      {"{\"log_format\": \"xml\"}", "auto, human, json"},
      {"{\"precision\": \"fp64\"}", "auto, fp32, bf16"},
      {"{\"device\": \"gpu\"}", "cpu, cuda or cuda:N"},
      {"{\"device\": \"cuda:\"}", "cpu, cuda or cuda:N"},
      {"{\"cors_allow_origin\": \"a b\"}", "an origin"},
      {"{\"cors_allow_origin\": \"a\\r\\nX: y\"}", "an origin"},
      {"{\"models_file\": 3}", "a path"},
      {"{\"max_model\": 3}", "c.json:1:2: unknown setting \"max_model\" | did you mean \"max_models\"?"},
      {"{\"zzzzzzzzzzzz\": 3}", "unknown setting \"zzzzzzzzzzzz\""},
      {"{\"max_models\": 3, \"max_models\": 4}", "c.json:1:19: the key \"max_models\" is given twice"},
      {"{\"max_models\": 3, \"CACHE_CONFIG\": {\"max_models\": 4}}", "max_models is given twice"},
      {"{\"CACHE_CONFIG\": 3}", "CACHE_CONFIG: found 3"},
      {"{\"CACHE_CONFIG\": {\"CACHE_CONFIG\": {}}}", "unknown setting"},
      {"{\"max_models\": }", "c.json:1:16: expected a value"},
      {"[]", "an object of settings"},
      {"", "the text ends"},
  };
  for (const auto& [text, expected] : cases) {
    const auto loaded = from_file(text);
    ASSERT_FALSE(loaded) << text;
    EXPECT_NE(complaint(loaded).find(expected), std::string::npos) << text << "\n  said: " << complaint(loaded);
  }
}

TEST(settings, bad_values_elsewhere) {
  const auto env = load_settings(std::nullopt, {}, {{"TROUPE_MAX_MODELS", "ten"}});
  EXPECT_EQ(env.error().message, "env TROUPE_MAX_MODELS: found \"ten\"; allowed: a whole number from 1 to 1000000");
  const auto line = load_settings(std::nullopt, {{"max_models", ""}}, {});
  EXPECT_EQ(line.error().message.rfind("command line --max-models: found \"\"", 0), 0u);
  const auto unknown = load_settings(std::nullopt, {{"max_modles", "1"}}, {});
  EXPECT_NE(complaint(unknown).find("did you mean \"max_models\""), std::string::npos);
  EXPECT_FALSE(load_settings(std::nullopt, {{"memory_threshold", "nan"}}, {}));
  EXPECT_FALSE(load_settings(std::nullopt, {{"memory_threshold", "0.5x"}}, {}));
}

TEST(settings, probable_typing_errors_in_the_environment_warn) {
  const auto loaded = load_settings(
      std::nullopt, {},
      {{"TROUPE_MAX_MODEL", "3"}, {"TROUPE_SOURCE", "/x"}, {"TROUPE_SERVER", "http://h"}, {"TROUPE_API_KEY", "k"}});
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->warnings.size(), 1u);
  EXPECT_NE(loaded->warnings[0].find("TROUPE_MAX_MODELS"), std::string::npos);
}

TEST(settings, listeners_in_the_file) {
  const settings_file file(R"({"listeners": [{"host": "0.0.0.0", "port": 8443, "tls":
    {"certificate_file": "c.pem", "private_key_file": "/k.pem"}}, {"port": 8003, "dialect": "http"},
    {"host": "::1", "port": 0, "tls": null, "dialect": "tei"}]})");
  const auto loaded = load_settings(file.path, {}, {});
  ASSERT_TRUE(loaded) << complaint(loaded);
  const auto& l = loaded->values.listeners;
  ASSERT_EQ(l.size(), 3u);
  EXPECT_EQ(l[0].host, "0.0.0.0");
  EXPECT_EQ(l[0].port, 8443);
  EXPECT_EQ(l[0].tls->certificate_file, (file.folder / "c.pem").string());
  EXPECT_EQ(l[0].tls->private_key_file, "/k.pem");
  EXPECT_EQ(l[1].host, "127.0.0.1");
  EXPECT_FALSE(l[2].tls);
  EXPECT_EQ(l[1].dialect, usual_dialect);
  EXPECT_EQ(l[2].dialect, "tei");
  EXPECT_EQ(entry(*loaded, "listeners").value, "0.0.0.0:8443 tls, 127.0.0.1:8003, [::1]:0 tei");
}

TEST(settings, bad_listeners) {
  const std::pair<std::string, std::string> cases[] = {
      {"[]", "at least one"},
      {"{}", "at least one"},
      {"[1]", "found 1"},
      {"[{}]", "\"port\" is missing"},
      {"[{\"host\": \"h\"}]", "\"port\" is missing"},
      {"[{\"port\": 65536}]", "listeners.port: found 65536"},
      {"[{\"port\": -1}]", "listeners.port"},
      {"[{\"port\": \"80\"}]", "listeners.port"},
      {"[{\"port\": 80, \"host\": \"a b\"}]", "listeners.host"},
      {"[{\"port\": 80, \"host\": \"\"}]", "listeners.host"},
      {"[{\"port\": 80, \"dialect\": \"ftp\"}]", "listeners.dialect: found \"ftp\"; allowed: http, tei, funasr, vosk"},
      {"[{\"port\": 80, \"prot\": 1}]", "did you mean \"port\""},
      {"[{\"port\": 80, \"tls\": {}}]", "\"certificate_file\" is missing"},
      {"[{\"port\": 80, \"tls\": {\"certificate_file\": \"c\"}}]", "\"private_key_file\" is missing"},
      {"[{\"port\": 80, \"tls\": {\"certificate_file\": \"\", \"private_key_file\": \"k\"}}]", "certificate_file"},
      {"[{\"port\": 80, \"tls\": {\"cert\": \"c\"}}]", "unknown key \"cert\""},
      {"[{\"port\": 80, \"tls\": true}]", "listeners.tls"},
      {"[{\"port\": 80}, {\"port\": 80}]", "given twice"},
  };
  for (const auto& [text, expected] : cases) {
    const auto loaded = from_file("{\"listeners\": " + text + "}");
    ASSERT_FALSE(loaded) << text;
    EXPECT_NE(complaint(loaded).find(expected), std::string::npos) << complaint(loaded);
  }
  EXPECT_TRUE(from_file("{\"listeners\": [{\"port\": 0}, {\"port\": 0}]}"));
  EXPECT_FALSE(from_file("{\"listeners\": [{\"port\": 1}], \"port\": 2}"));
  EXPECT_FALSE(from_file("{\"port\": 2, \"listeners\": [{\"port\": 1}]}"));
}

TEST(settings, host_and_port_replace_the_listeners) {
  const std::string two = R"({"listeners": [{"port": 8000}, {"port": 8003}]})";
  const auto shown = [](const result<loaded_settings>& r) { return r ? entry(*r, "listeners").value : complaint(r); };
  EXPECT_EQ(shown(from_file(two)), "127.0.0.1:8000, 127.0.0.1:8003");
  EXPECT_EQ(shown(from_file(two, {}, {{"port", "9"}})), "127.0.0.1:9");
  EXPECT_EQ(shown(from_file(two, {{"TROUPE_PORT", "9"}})), "127.0.0.1:9");
  EXPECT_EQ(shown(from_file(two, {{"TROUPE_PORT", "9"}}, {{"host", "0.0.0.0"}})), "0.0.0.0:9");
  EXPECT_EQ(shown(from_file("{\"host\": \"::1\", \"port\": 7}")), "[::1]:7");
  EXPECT_EQ(shown(from_file("{\"host\": \"::1\"}", {}, {{"port", "9"}})), "[::1]:9");
  for (const std::string host : {"[::1]", "::1"}) {  // as users write it
    EXPECT_EQ(shown(from_file(two, {}, {{"host", host}, {"port", "7"}})), "[::1]:7");
    EXPECT_EQ(shown(from_file(two, {{"TROUPE_HOST", host}, {"TROUPE_PORT", "7"}})), "[::1]:7");
    EXPECT_EQ(shown(from_file("{\"listeners\": [{\"host\": \"" + host + "\", \"port\": 7}]}")), "[::1]:7");
  }
  EXPECT_EQ(shown(from_file(two, {}, {{"host", "[fe80::1%eth0]"}})), "[fe80::1%eth0]:8000");
  for (const std::string host :
       {"[::1", "::1]", "[]", "[localhost]", "[127.0.0.1]", "localhost:80", "[::1]:80", "g::1"})
    EXPECT_FALSE(from_file(two, {}, {{"host", host}})) << host;
  EXPECT_EQ(shown(from_file(two, {}, {{"listeners", "0.0.0.0:1, [::]:2,:3,4"}})),
            "0.0.0.0:1, [::]:2, 127.0.0.1:3, 127.0.0.1:4");
  EXPECT_EQ(entry(*from_file(two, {}, {{"port", "9"}}), "listeners").source, "command line --port");
  EXPECT_FALSE(from_file(two, {}, {{"port", "x"}}));
  EXPECT_FALSE(from_file(two, {}, {{"port", "65536"}}));
  EXPECT_FALSE(from_file(two, {}, {{"host", "a b"}}));
  EXPECT_FALSE(from_file(two, {}, {{"listeners", "::1:80"}}));
  EXPECT_FALSE(from_file(two, {}, {{"listeners", ""}}));
  // What Kubernetes sets for a service of that name is no port.
  EXPECT_EQ(shown(from_file(two, {{"TROUPE_PORT", "tcp://10.0.0.1:8000"}})), "127.0.0.1:8000, 127.0.0.1:8003");
}

// It was meant to close the server: it must not leave it open.
TEST(settings, a_list_of_commas_is_no_empty_list) {
  for (const std::string keys : {",", " ", " ,, "}) {
    const auto loaded = load_settings(std::nullopt, {}, {{"API_KEYS", keys}});
    ASSERT_FALSE(loaded) << keys;
    EXPECT_NE(complaint(loaded).find("env API_KEYS"), std::string::npos) << complaint(loaded);
    EXPECT_FALSE(load_settings(std::nullopt, {{"preload_models", keys}}, {}));
  }
  EXPECT_TRUE(load_settings(std::nullopt, {}, {{"API_KEYS", ""}})->values.api_keys.empty());  // as if unset
  EXPECT_EQ(load_settings(std::nullopt, {}, {{"API_KEYS", "one,,two,"}})->values.api_keys.size(), 2u);
}

TEST(settings, relative_paths) {
  const settings_file file(R"({"models_file": "m/../r.json", "data_dir": "/abs"})");
  const auto loaded = load_settings(file.path, {{"cache_directory", "store"}}, {});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->values.models_file, file.folder / "r.json");
  EXPECT_EQ(loaded->values.data_dir, "/abs");
  EXPECT_EQ(loaded->values.cache_directory, fs::current_path() / "store");
  EXPECT_EQ(load_settings(file.path, {{"models_file", "x.json"}}, {})->values.models_file,
            fs::current_path() / "x.json");
}

TEST(settings, that_must_fit_each_other) {
  const std::pair<overrides, std::string> cases[] = {
      {{{"memory_threshold", "0.9"}},
       "memory_threshold (0.9, command line --memory-threshold) must be at most "
       "max_memory_usage (0.8, default)"},
      {{{"max_request_timeout_ms", "100"}}, "request_timeout_ms"},
      {{{"restart_backoff_min_ms", "40000"}}, "restart_backoff_max_ms"},
      {{{"preload_models", "a,b"}, {"max_models", "1"}}, "preload_models"},
      {{{"max_text_bytes", "9000000"}}, "max_body_bytes"},
      {{{"max_body_bytes", "300000000"}}, "max_body_budget_mb"},
      {{{"max_batch_inputs", "20000"}}, "max_in_flight_items"},
      {{{"max_queue_items", "20000"}}, "max_in_flight_items"},
      {{{"max_queue_items", "32"}}, "max_batch_items"},
  };
  for (const auto& [line, expected] : cases) {
    const auto loaded = load_settings(std::nullopt, line, {});
    ASSERT_FALSE(loaded) << expected;
    EXPECT_NE(complaint(loaded).find(expected), std::string::npos) << complaint(loaded);
  }
  EXPECT_TRUE(load_settings(std::nullopt, {{"memory_threshold", "0.9"}, {"max_memory_usage", "0.9"}}, {}));
}

TEST(settings, table_is_complete_and_unique) {
  std::set<std::string> names;
  for (const auto& d : describe_settings()) {
    EXPECT_TRUE(names.insert(d.name).second) << d.name;
    EXPECT_FALSE(d.description.empty()) << d.name;
    EXPECT_FALSE(d.allowed.empty()) << d.name;
    EXPECT_FALSE(d.group.empty()) << d.name;
    EXPECT_NE(d.env.find("TROUPE_"), std::string::npos) << d.name;
    // A name that tells its unit tells the truth.
    const std::pair<const char*, const char*> units[] = {{"_ms", "ms"},  {"_us", "us"},  {"_mb_s", "MiB/s"},
                                                         {"_mb", "MiB"}, {"_gb", "GiB"}, {"_bytes", "bytes"},
                                                         {"_s", "s"}};
    const auto told =
        std::find_if(std::begin(units), std::end(units), [&](const auto& u) { return d.name.ends_with(u.first); });
    if (told != std::end(units)) {
      EXPECT_EQ(d.unit, told->second) << d.name;
    }
  }
}

TEST(settings, documentation_is_up_to_date) {
  std::ifstream in(repository() / "docs/settings.md");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), settings_markdown()) << "run: troupe config --markdown > docs/settings.md";
}

TEST(settings, shipped_file_is_valid) {
  const auto loaded = load_settings(repository() / "config/serve.json", {}, {});
  ASSERT_TRUE(loaded) << complaint(loaded);
  EXPECT_EQ(loaded->values.listeners.size(), 2u);
}

TEST(settings, providers_of_the_catalog) {
  const auto loaded = from_file(R"({"providers": [
    {"name": "local", "type": "local"},
    {"name": "openrouter", "type": "openai", "base_url": "https://openrouter.ai/api/v1", "api_key_env": "OR_KEY"},
    {"name": "own", "type": "file", "path": "own.json", "interval_s": 0}]})",
                                {{"OR_KEY", "secret"}});
  ASSERT_TRUE(loaded) << complaint(loaded);
  const auto& all = loaded->values.providers;
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].interval_s, local_sync_interval_s);
  EXPECT_EQ(all[1].api_key, "secret");
  EXPECT_EQ(all[1].interval_s, 3600u);
  EXPECT_TRUE(all[2].path.is_absolute()) << "from the file's folder";
  EXPECT_EQ(entry(*loaded, "providers").value.find("secret"), std::string::npos);
  EXPECT_FALSE(from_file("{}")->values.providers.empty()) << "this server's own";
  EXPECT_TRUE(from_file(R"({"providers": []})")->values.providers.empty());
}

TEST(settings, providers_from_the_environment_are_json) {
  const auto loaded = from_file("{}", {{"TROUPE_PROVIDERS", R"([{"name": "a", "base_url": "http://127.0.0.1:1"}])"}});
  ASSERT_TRUE(loaded) << complaint(loaded);
  EXPECT_EQ(loaded->values.providers.at(0).type, "openai");
  EXPECT_FALSE(from_file("{}", {{"TROUPE_PROVIDERS", "openrouter"}}));
}

TEST(settings, a_providers_key_that_is_not_set_is_told) {
  const auto loaded =
      from_file(R"({"providers": [{"name": "a", "base_url": "http://x", "api_key_env": "NO_SUCH_KEY"}]})");
  ASSERT_TRUE(loaded);
  ASSERT_FALSE(loaded->warnings.empty());
  EXPECT_NE(loaded->warnings.front().find("NO_SUCH_KEY"), std::string::npos);
}

TEST(settings, providers_that_cannot_be) {
  const char* const bad[] = {
      R"({"providers": {}})",
      R"({"providers": [5]})",
      R"({"providers": [{"type": "local"}]})",
      R"({"providers": [{"name": "Upper", "type": "local"}]})",
      R"({"providers": [{"name": "a/b", "type": "local"}]})",
      R"({"providers": [{"name": "a"}]})",
      R"({"providers": [{"name": "a", "type": "ftp", "base_url": "http://x"}]})",
      R"({"providers": [{"name": "a", "base_url": "ftp://x"}]})",
      R"({"providers": [{"name": "a", "base_url": "http://u:p@x"}]})",
      R"({"providers": [{"name": "a", "type": "file"}]})",
      R"({"providers": [{"name": "a", "type": "file", "path": "x", "base_url": "http://x"}]})",
      R"({"providers": [{"name": "a", "type": "local", "path": "x"}]})",
      R"({"providers": [{"name": "a", "base_url": "http://x", "interval_s": -1}]})",
      R"({"providers": [{"name": "a", "base_url": "http://x", "interval_s": "1h"}]})",
      R"({"providers": [{"name": "a", "base_url": "http://x", "intervall_s": 5}]})",
      R"({"providers": [{"name": "a", "base_url": "http://x"}, {"name": "a", "base_url": "http://y"}]})",
      R"({"providers": [{"name": "a", "type": "local"}, {"name": "b", "type": "local"}]})",
  };
  for (const auto* text : bad) {
    const auto loaded = from_file(text);
    ASSERT_FALSE(loaded) << text;
    EXPECT_NE(loaded.error().message.find("provider"), std::string::npos) << complaint(loaded);
  }
}

}  // namespace
}  // namespace troupe::config
