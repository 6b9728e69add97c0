#pragma once
// What is looked at in a tokenizer.json before the tokenizers library gets it: that its parts are of kinds that the
// library has (it takes an unknown one for another, or says nothing of where it is), that none makes a text grow
// without bound, and that a frame keeps a row as long as it says. Internal to library_load.cpp.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "inference/files/model_json.hpp"

namespace troupe::inference {

// Each: unprocessable, with file, line and key.
class library_checks {
 public:
  explicit library_checks(const model_json& json) : json_(json) {}

  result<void> normalizer(simdjson::dom::element part, const json_path& at);
  result<void> pre_tokenizer(simdjson::dom::element part, const json_path& at);
  result<void> decoder(simdjson::dom::element part, const json_path& at);
  result<void> post_processor(simdjson::dom::element part, const json_path& at);
  // A Precompiled normalizer's map.
  result<void> charsmap(simdjson::dom::element part, const json_path& at);

  std::int32_t largest_frame_id() const noexcept { return largest_id_; }

 private:
  using check = result<void> (library_checks::*)(simdjson::dom::element, const json_path&);
  result<void> sequence(simdjson::dom::element part, const json_path& at, const char* list, check each);
  result<void> pattern(simdjson::dom::element part, const json_path& at, std::size_t& size) const;
  result<void> replacement(simdjson::dom::element part, const json_path& at, double& growth) const;
  result<void> templates(simdjson::dom::element part, const json_path& at);
  result<void> frame_token(simdjson::dom::element part, const json_path& at, const char* key);
  result<void> frame_id(simdjson::dom::element value, const json_path& at);
  tl::unexpected<error> unknown(const json_path& at, const std::string& type, std::string_view what) const;

  const model_json& json_;
  std::size_t parts_ = 0, frame_tokens_ = 0;
  double growth_ = 1;
  int byte_levels_ = 0, maps_ = 0;
  std::int32_t largest_id_ = -1;
};

// nullopt: it is none.
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

}  // namespace troupe::inference
