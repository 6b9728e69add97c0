// Sources `torchvision`, `pytorch_hub` and `torchaudio`.

#include "cache/artifacts/sources/published_weights.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include "cache/artifacts/sources/source_kinds.hpp"
#include "cache/artifacts/sources/urls.hpp"
#include "config/edit_distance.hpp"

namespace troupe::cache {
namespace {

enum : std::uint8_t {
  is_default = 1,     // what weights="DEFAULT" gives
  is_pretrained = 2,  // what pretrained=True gave
};
struct vision_weights {
  const char *model, *kind, *version, *file;
  double size_mb;
  const char* task;
  std::uint8_t flags;
};
struct audio_bundle {
  const char *name, *file, *vocoder, *task;
};

#include "cache/artifacts/sources/published_weights.inc"

constexpr std::size_t similar_max = 5;
constexpr std::size_t similar_distance_max = 3;
constexpr std::string_view tacotron2_bundle = "TACOTRON2_WAVERNN_CHAR_LJSPEECH";
constexpr int first_minor_without_pretrained = 13;

std::string as_name(std::string_view given) {
  auto out = lower_case(given);
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

published_weights of(const vision_weights& row) {
  return {row.model, row.version, row.file, std::string(hash_in_name(row.file)), row.size_mb, row.task, {}};
}

// Those that are near, or that the name is a part of.
std::string similar(const std::string& wanted, const std::vector<std::string>& names) {
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const auto& name : names) {
    const auto plain = as_name(name);
    const bool part = wanted.size() >= 3 && (plain.find(wanted) != plain.npos || wanted.find(plain) != wanted.npos);
    const auto distance = part ? 1 : config::edit_distance(plain, wanted, similar_distance_max);
    if (distance <= similar_distance_max) near.emplace_back(distance, name);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  near.erase(std::unique(near.begin(), near.end()), near.end());
  std::string out;
  for (std::size_t i = 0; i < near.size() && i < similar_max; ++i)
    out += (i == 0 ? "similar: " : ", ") + near[i].second;
  return out;
}

tl::unexpected<error> unknown(std::string_view id, const char* publisher, std::string similar_names) {
  return fail(error_code::model_not_found, std::string(publisher) + " publishes no weights called '" + shown(id) + "'",
              std::move(similar_names));
}

result<published_weights> find_version(const std::string& model, std::string_view version, std::string_view id,
                                       std::uint8_t preferred) {
  std::string versions;
  const vision_weights* recommended = nullptr;
  for (const auto& row : vision_table) {
    if (row.model != model) continue;
    if (!version.empty() && version == row.version) return of(row);
    if ((row.flags & preferred) != 0 || ((row.flags & is_default) != 0 && recommended == nullptr)) recommended = &row;
    versions += (versions.empty() ? "" : ", ") + std::string(row.version);
  }
  if (recommended != nullptr && (version.empty() || version == "DEFAULT")) return of(*recommended);
  if (recommended != nullptr)
    return fail(error_code::model_not_found,
                "torchvision publishes no weights '" + shown(version) + "' of '" + model + "'",
                "there are: " + versions);
  std::vector<std::string> names;
  for (const auto& row : vision_table) names.emplace_back(row.model);
  return unknown(id, "torchvision", similar(model, names));
}

// The minor version of "v0.10.0"; null: a branch, or another tag.
std::optional<int> minor_of(std::string_view tag) {
  int minor = 0;
  if (!tag.starts_with("v0.")) return std::nullopt;
  const auto rest = tag.substr(3);
  const auto [end, why] = std::from_chars(rest.data(), rest.data() + rest.size(), minor);
  if (why != std::errc() || (end != rest.data() + rest.size() && *end != '.')) return std::nullopt;
  return minor;
}

result<pull_plan> plan_of(const source_context& in, source_kind source, const std::string& base,
                          const std::string& usual, std::string_view setting, const result<published_weights>& found) {
  if (!found) return tl::unexpected(found.error());
  if (!in.request.revision.empty())
    return fail(error_code::bad_request, std::string(to_string(source)) + " has no revisions",
                "name the weights instead: \"resnet50:IMAGENET1K_V1\"");
  auto address = checked_base_url(base, setting);
  if (!address) return tl::unexpected(address.error());
  pull_plan plan;
  plan.source = source;
  plan.model_id = in.request.model_id;
  plan.revision = found->version;
  plan.task = found->task;
  plan.may_reach = *address == usual ? reach::outside : reach::anywhere;
  plan.files.emplace_back();
  auto& file = plan.files.back();
  file.path = found->file.substr(found->file.rfind('/') + 1);
  file.url = *address + '/' + encode_path(found->file);
  file.sha256_begins = found->sha256_begins;
  // The name changes with the content.
  if (!found->sha256_begins.empty()) file.identity = found->file;
  if (!found->version.empty()) plan.notes.push_back("weights " + found->model + ':' + found->version);
  return plan;
}

}  // namespace

std::string_view hash_in_name(std::string_view file) {
  const auto stem = file.substr(0, file.rfind('.'));
  const auto dash = stem.rfind('-');
  const auto hash = dash == stem.npos ? std::string_view() : stem.substr(dash + 1);
  return hash.size() >= 8 && hash.size() <= 64 && hash.find_first_not_of("0123456789abcdef") == hash.npos
             ? hash
             : std::string_view();
}

result<published_weights> find_vision_weights(std::string_view id) {
  if (const auto dot = id.find("Weights."); dot != id.npos) {
    const auto kind = id.substr(0, dot + 7), version = id.substr(dot + 8);
    for (const auto& row : vision_table)
      if (row.kind == kind) return find_version(row.model, version, id, is_default);
    std::vector<std::string> kinds;
    for (const auto& row : vision_table) kinds.emplace_back(row.kind);
    return unknown(id, "torchvision", similar(as_name(kind), kinds));
  }
  const auto colon = id.find(':');
  const auto version = colon == id.npos ? std::string_view() : id.substr(colon + 1);
  if (colon != id.npos && version.empty()) return unknown(id, "torchvision", "after ':' comes the name of the weights");
  return find_version(as_name(id.substr(0, colon)), version, id, is_default);
}

result<published_weights> find_hub_weights(std::string_view id) {
  const auto slash = id.find('/');
  if (slash == id.npos) return find_vision_weights(id);
  const auto repository = id.substr(0, id.find(':'));
  if (repository != "pytorch/vision")
    return fail(error_code::unprocessable,
                "'" + shown(repository) +
                    "' cannot be pulled from the PyTorch Hub: its models are built by Python code of that repository, "
                    "which is not run here",
                "models of pytorch/vision (\"pytorch/vision:resnet50\"), or the source that publishes the weights");
  if (repository.size() == id.size())
    return fail(error_code::bad_request, "'" + shown(id) + "' names no model", "\"pytorch/vision:resnet50\"");
  const auto rest = id.substr(repository.size() + 1);
  const auto colon = rest.find(':');
  if (colon == rest.npos) return find_vision_weights(rest);
  const auto minor = minor_of(rest.substr(0, colon));
  // Branches and tags are told from names of weights by their place: "resnet50:IMAGENET1K_V1" has the model first.
  const auto tag = rest.substr(0, colon);
  if (!minor && tag != "main" && tag != "master") return find_vision_weights(rest);
  const auto model = rest.substr(colon + 1);
  if (!minor || *minor >= first_minor_without_pretrained || model.find(':') != model.npos)
    return find_vision_weights(model);
  return find_version(as_name(model), {}, model, is_pretrained);
}

result<published_weights> find_audio_weights(std::string_view id) {
  const auto wanted = as_name(id);
  std::vector<std::string> names{"tacotron2", "wavernn"};
  for (const auto& bundle : audio_table) {
    if (wanted == "wavernn" && bundle.name == tacotron2_bundle)
      return published_weights{"wavernn", {}, bundle.vocoder, {}, {}, {}, {}};
    if (wanted == as_name(bundle.name) || (wanted == "tacotron2" && bundle.name == tacotron2_bundle))
      return published_weights{bundle.name, {},          bundle.file,   std::string(hash_in_name(bundle.file)),
                               {},          bundle.task, bundle.vocoder};
    names.emplace_back(bundle.name);
  }
  return unknown(id, "torchaudio", similar(wanted, names));
}

result<pull_plan> plan_torchvision(const source_context& in) {
  return plan_of(in, source_kind::torchvision, in.settings.torchvision_base_url, source_settings{}.torchvision_base_url,
                 "torchvision_base_url", find_vision_weights(in.request.model_id));
}

result<pull_plan> plan_pytorch_hub(const source_context& in) {
  return plan_of(in, source_kind::pytorch_hub, in.settings.pytorch_hub_base_url, source_settings{}.pytorch_hub_base_url,
                 "pytorch_hub_base_url", find_hub_weights(in.request.model_id));
}

result<pull_plan> plan_torchaudio(const source_context& in) {
  return plan_of(in, source_kind::torchaudio, in.settings.torchaudio_base_url, source_settings{}.torchaudio_base_url,
                 "torchaudio_base_url", find_audio_weights(in.request.model_id));
}

}  // namespace troupe::cache
