#pragma once
// What stands around a text and between two, as a tokenizer's class puts it. Internal to library_load.cpp.

#include <cstdint>
#include <filesystem>
#include <memory>

#include "inference/files/model_json.hpp"
#include "inference/text/library_tokenizer.hpp"
#include "inference/text/tokenizer_settings.hpp"

namespace troupe::inference {

// Puts it into `library`, which has all tokens. The largest id of tokenizer.json's own, where the class keeps that;
// else -1. unprocessable: a token of it is not in the vocabulary, or tokenizer.json's cannot be used.
result<std::int32_t> put_class_frame(const std::filesystem::path& folder, const std::shared_ptr<const model_json>& json,
                                     const tokenizer_settings& settings, library_handle& library);

}  // namespace troupe::inference
