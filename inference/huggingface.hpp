#pragma once
// Hugging Face folders as a `model`: config.json's architecture, the checkpoint's weights, the tokenizer and the
// tasks put together.

#include "inference/model/format.hpp"

namespace troupe::inference {

// A row of the table of formats.
format huggingface_format();

}  // namespace troupe::inference
