#include "cache/artifacts/pull_request.hpp"

#include <algorithm>

#include <array>

namespace troupe::cache {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, 8> source_names = {"pytorch_hub", "torchvision", "huggingface", "url",
                                                          "tts_auto",    "torchaudio",  "s3",          "local"};

}  // namespace

std::string_view to_string(source_kind s) noexcept { return source_names[static_cast<std::size_t>(s)]; }

std::optional<source_kind> parse_source(std::string_view name) noexcept {
  for (std::size_t i = 0; i < source_names.size(); ++i)
    if (source_names[i] == name) return static_cast<source_kind>(i);
  return std::nullopt;
}

std::string public_id(const std::string& model_id) {
  const auto scheme = model_id.find("://");
  if (scheme == model_id.npos) return model_id;
  const auto begin = scheme + 3;
  auto end = model_id.find_first_of("/?#", begin);
  if (end == model_id.npos) end = model_id.size();
  const auto at = model_id.rfind('@', end - 1);
  const auto host = at != model_id.npos && at >= begin ? at + 1 : begin;
  const auto path_end = std::min(model_id.find_first_of("?#", end), model_id.size());
  return model_id.substr(0, begin) + model_id.substr(host, path_end - host);
}

}  // namespace troupe::cache
