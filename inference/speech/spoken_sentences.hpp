#pragma once
// A punctuated transcript taken apart at the marks that end sentences. Pure; no Torch types.

#include <vector>

#include "inference/model/outputs.hpp"

namespace troupe::inference {

// Behind each "。", "？", "！", "?", "!", and behind "." where a space or the end follows. The letters of the text tell
// which of its tokens belong to which sentence, and so their times; where they are not those of the tokens, one after
// another, it stays whole. Empty sentences are left out, spaces around sentences too.
std::vector<transcript> split_sentences(transcript whole);

}  // namespace troupe::inference
