#include "config/catalog_providers.hpp"

#include <charconv>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "config/names.hpp"
#include "config/provider_name_rule.hpp"

namespace troupe::config {
namespace {

constexpr std::uint64_t interval_s_max = 31'536'000;  // a year

struct member_reader {
  const located_json& json;
  const json_value& object;

  tl::unexpected<error> refuse(const json_value& at, const std::string& key, const std::string& allowed) const {
    return json.problem(at.offset, "providers." + key + ": found " + shown(at) + "; allowed: " + allowed);
  }
  result<void> text(const char* key, std::string& out) const {
    const auto* given = object.find(key);
    if (given == nullptr || given->kind == json_kind::null) return {};
    if (given->kind != json_kind::string || given->text.find('\0') != std::string::npos)
      return refuse(*given, key, "a string");
    out = given->text;
    return {};
  }
  result<void> seconds(const char* key, std::uint64_t& out) const {
    const auto* given = object.find(key);
    if (given == nullptr || given->kind == json_kind::null) return {};
    const auto* end = given->text.data() + given->text.size();
    const auto read = std::from_chars(given->text.data(), end, out);
    if (given->kind != json_kind::number || read.ec != std::errc{} || read.ptr != end || out > interval_s_max)
      return refuse(*given, key, "a whole number from 0 (only on demand) to " + std::to_string(interval_s_max));
    return {};
  }
};

bool is_url(std::string_view text) {
  return (text.starts_with("http://") || text.starts_with("https://")) &&
         text.find_first_of(" \t\r\n?#@") == std::string_view::npos;
}

result<catalog_provider> provider_of(const located_json& json, const json_value& value) {
  constexpr auto form = "{\"name\", \"type\", \"base_url\" or \"path\", \"api_key_env\", \"interval_s\"}";
  if (value.kind != json_kind::object)
    return json.problem(value.offset, "providers: found " + shown(value) + "; allowed: " + form);
  if (auto keys = refuse_unknown_keys(json, value, "a provider",
                                      {"name", "type", "base_url", "path", "api_key_env", "interval_s"});
      !keys)
    return tl::unexpected(keys.error());
  const member_reader in{json, value};
  catalog_provider out;
  std::string path;
  const std::pair<const char*, std::string*> texts[] = {{"name", &out.name},
                                                        {"type", &out.type},
                                                        {"base_url", &out.base_url},
                                                        {"path", &path},
                                                        {"api_key_env", &out.api_key_env}};
  for (const auto& [key, member] : texts)
    if (auto read = in.text(key, *member); !read) return tl::unexpected(read.error());
  if (out.type == "local") out.interval_s = local_sync_interval_s;
  if (auto read = in.seconds("interval_s", out.interval_s); !read) return tl::unexpected(read.error());
  out.path = path;

  const auto wrong = [&](const std::string& why) { return json.problem(value.offset, "providers: " + why); };
  if (!is_provider_name(out.name))
    return wrong("the name " + shown(out.name) + " is none: " + std::string(provider_name_rule));
  if (out.type != "local" && out.type != "huggingface" && out.type != "openai" && out.type != "file")
    return wrong(shown(out.type) + " is no type; allowed: local, huggingface, openai, file");
  const bool over_http = out.type == "openai" || out.type == "huggingface";
  if (out.type == "openai" && out.base_url.empty()) return wrong(out.name + " needs a \"base_url\"");
  if (!out.base_url.empty() && (!over_http || !is_url(out.base_url)))
    return wrong(over_http ? "the \"base_url\" of " + out.name + " must be an http or https address without a query"
                           : "a \"base_url\" is of no use to " + out.name + ", which is a " + out.type);
  if (out.path.empty() == (out.type == "file"))
    return wrong(out.type == "file" ? out.name + " needs a \"path\""
                                    : "a \"path\" is of no use to " + out.name + ", which is a " + out.type);
  return out;
}

}  // namespace

result<std::vector<catalog_provider>> catalog_providers_of(const located_json& json, const json_value& value) {
  if (value.kind != json_kind::array || value.items.size() > catalog_providers_max)
    return json.problem(value.offset, "providers: found " + shown(value) + "; allowed: a list of at most " +
                                          std::to_string(catalog_providers_max) + " providers");
  std::vector<catalog_provider> all;
  for (const auto& item : value.items) {
    auto one = provider_of(json, item);
    if (!one) return tl::unexpected(one.error());
    for (const auto& other : all) {
      if (other.name == one->name) return json.problem(item.offset, "providers: " + one->name + " is given twice");
      if (other.type == "local" && one->type == "local")
        return json.problem(item.offset, "providers: of type local there can be one");
    }
    all.push_back(std::move(*one));
  }
  return all;
}

std::string to_text(const std::vector<catalog_provider>& providers) {
  rapidjson::StringBuffer text;
  rapidjson::Writer<rapidjson::StringBuffer> out(text);
  const auto field = [&](const char* key, const std::string& value) {
    if (value.empty()) return;
    out.Key(key);
    out.String(value);
  };
  out.StartArray();
  for (const auto& p : providers) {
    out.StartObject();
    field("name", p.name);
    field("type", p.type);
    field("base_url", p.base_url);
    field("path", p.path.string());
    field("api_key_env", p.api_key_env);
    out.Key("interval_s");
    out.Uint64(p.interval_s);
    out.EndObject();
  }
  out.EndArray();
  return text.GetString();
}

std::vector<std::string> take_api_keys(std::vector<catalog_provider>& providers,
                                       const std::map<std::string, std::string>& environment) {
  std::vector<std::string> missing;
  for (auto& p : providers) {
    if (p.api_key_env.empty()) continue;
    const auto found = environment.find(p.api_key_env);
    if (found == environment.end() || found->second.empty())
      missing.push_back(p.api_key_env);
    else
      p.api_key = found->second;
  }
  return missing;
}

}  // namespace troupe::config
