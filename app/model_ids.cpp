#include "app/model_ids.hpp"

#include <algorithm>
#include <array>

#include "config/names.hpp"
#include "http/json/text.hpp"

namespace troupe::app {
namespace {

using cache::source_kind;

constexpr std::array weight_extensions{".safetensors", ".pt",  ".pth", ".bin", ".ckpt", ".onnx",
                                       ".zip",         ".tar", ".gz",  ".tgz", ".jit",  ".ts"};

std::string known_sources() {
  std::string all;
  for (int i = 0; i <= static_cast<int>(source_kind::local); ++i)
    all += (i > 0 ? ", " : "") + std::string(cache::to_string(static_cast<source_kind>(i)));
  return all;
}

bool is_path(std::string_view id) {
  return id.starts_with('/') || id.starts_with("./") || id.starts_with("../") || id == "." || id == "..";
}

// https://huggingface.co/org/model, with or without /tree/revision: the page of a model, not a file.
bool read_hub_page(std::string_view url, cache::pull_request& into) {
  for (const std::string_view host : {"https://huggingface.co/", "https://hf.co/"}) {
    if (!url.starts_with(host)) continue;
    auto rest = url.substr(host.size());
    rest = rest.substr(0, rest.find_first_of("?#"));
    while (rest.ends_with('/')) rest.remove_suffix(1);
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos) return false;
    const auto second = rest.find('/', slash + 1);
    const auto after = second == std::string_view::npos ? std::string_view() : rest.substr(second);
    constexpr std::string_view tree = "/tree/";
    if (!after.empty() && !after.starts_with(tree)) return false;
    into.source = source_kind::huggingface;
    into.model_id = rest.substr(0, second);
    if (!after.empty() && into.revision.empty()) into.revision = after.substr(tree.size());
    return true;
  }
  return false;
}

// From the id alone.
void guess(const std::string& id, cache::pull_request& into) {
  into.model_id = id;
  if (id.starts_with("s3://")) {
    into.source = source_kind::s3;
  } else if (id.starts_with("http://") || id.starts_with("https://")) {
    if (!read_hub_page(id, into)) into.source = source_kind::url;
  } else if (id.starts_with("file://")) {
    into.source = source_kind::local;
    into.model_id = id.substr(std::string_view("file://").size());
  } else if (is_path(id)) {
    into.source = source_kind::local;
  } else if (const auto colon = id.find(':'); colon != std::string::npos && cache::parse_source(id.substr(0, colon))) {
    into.source = *cache::parse_source(id.substr(0, colon));
    into.model_id = id.substr(colon + 1);
  } else {
    into.source = source_kind::huggingface;
  }
}

}  // namespace

std::string name_of_id(source_kind source, std::string_view id) {
  const bool names_repository = source == source_kind::huggingface || source == source_kind::tts_auto;
  if (names_repository && config::check_model_name(id)) return std::string(id);
  std::string last(id);
  if (source == source_kind::url) {
    last = last.substr(0, last.find_first_of("?#"));
    const auto host = last.find("://");
    last = last.substr(std::min(last.size(), last.find('/', host == std::string::npos ? 0 : host + 3)));
  }
  while (last.ends_with('/')) last.pop_back();
  last = last.substr(last.find_last_of("/:") + 1);
  if (source == source_kind::url) last = http::percent_decode(last, false).value_or(last);
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view extension : weight_extensions) {
      if (last.size() <= extension.size() || !last.ends_with(extension)) continue;
      last.erase(last.size() - extension.size());
      again = true;
    }
  }
  for (auto& c : last) {
    const auto u = static_cast<unsigned char>(c);
    if (u >= 0x80 || (std::isalnum(u) == 0 && c != '.' && c != '_' && c != '-')) c = '-';
  }
  last.erase(0, std::min(last.find_first_not_of("._-"), last.size()));
  return config::check_model_name(last) ? last : std::string();
}

result<cache::pull_request> read_wanted(const wanted_model& wanted, const std::filesystem::path& here) {
  cache::pull_request out;
  out.revision = wanted.revision;
  out.task = wanted.task;
  if (wanted.id.empty()) return fail(error_code::bad_request, "which model? None is named");
  guess(wanted.id, out);
  if (!wanted.source.empty()) {
    const auto named = cache::parse_source(wanted.source);
    if (!named)
      return fail(error_code::bad_request, "no source: " + http::shown(wanted.source), "one of " + known_sources());
    // torchvision:resnet50 may say so twice.
    if (out.source != *named) out.model_id = wanted.id;
    out.source = *named;
  }
  if (out.model_id.empty()) return fail(error_code::bad_request, "which model of " + http::shown(wanted.id) + "?");
  if (out.source == source_kind::local) out.model_id = (here / out.model_id).lexically_normal().string();
  out.name = wanted.name.empty() ? name_of_id(out.source, out.model_id) : wanted.name;
  if (out.name.empty())
    return fail(error_code::bad_request, "no name follows from " + http::shown(out.model_id), "--name gives one");
  if (auto good = config::check_model_name(out.name); !good) return tl::unexpected(good.error());
  return out;
}

}  // namespace troupe::app
