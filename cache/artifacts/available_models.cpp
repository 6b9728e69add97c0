#include "cache/artifacts/available_models.hpp"

#include <algorithm>

#include "inference/files/files.hpp"

namespace troupe::cache {
namespace {

namespace dom = simdjson::dom;
constexpr std::uint64_t file_bytes_max = 4U << 20U;

tl::unexpected<error> bad(const std::filesystem::path& file, std::string_view key, const char* what) {
  return fail(error_code::unprocessable, file.string() + ": '" + std::string(key) + "' " + what);
}

bool marked(dom::element entry, const char* key) {
  bool yes = false;
  return !entry[key].get(yes) && yes;
}

}  // namespace

result<available_models> available_models::load(const std::filesystem::path& file) {
  inference::json_document json;
  if (auto read = inference::read_json_object(file, file_bytes_max, json); !read) return tl::unexpected(read.error());
  dom::object listed;
  if (json.root["available_models"].get(listed)) return bad(file, "available_models", "must be an object");
  available_models out;
  for (const auto [name, entry] : listed) {
    available_model m;
    std::string_view source, id;
    if (entry["source"].get(source) || entry["model_id"].get(id)) return bad(file, name, "lacks source or model_id");
    const auto known = parse_source(source);
    if (!known) return bad(file, name, "has an unknown source");
    m.name = std::string(name);
    m.source = *known;
    m.model_id = std::string(id);
    double size = 0;
    if (!entry["size_mb"].get(size)) m.size_mb = size;
    m.large = marked(entry, "large");
    m.experimental = marked(entry, "experimental");
    out.models_.push_back(std::move(m));
  }
  const auto text = simdjson::minify(json.root);
  out.members_ = text.substr(1, text.size() - 2);
  return out;
}

const available_model* available_models::find(source_kind source, std::string_view model_id) const {
  const auto at = std::find_if(models_.begin(), models_.end(), [&](const available_model& m) {
    return m.model_id == model_id && (m.source == source || source == source_kind::tts_auto);
  });
  return at == models_.end() ? nullptr : &*at;
}

result<void> available_models::check_allowed(const pull_request& request, bool large, bool experimental) const {
  const auto* m = find(request.source, request.model_id);
  if (m == nullptr) return {};
  if (m->experimental && !experimental)
    return fail(error_code::bad_request, m->model_id + " is experimental", "ask for it with \"experimental\": true");
  if (m->large && !large)
    return fail(error_code::bad_request, m->model_id + " is a large model",
                "ask for it with \"enable_large_model\": true");
  return {};
}

}  // namespace troupe::cache
