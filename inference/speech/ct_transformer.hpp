#pragma once
// CT-Punc as everybody outside knows it (inference/model/model.hpp): a text in, the same text with marks out. A
// stepping model: each step reads one window of each text, so that texts of any length, of any request, share batches.
//
// Folder: config.yaml, tokens.json, model.pt; 471067-large also jieba_usr_dict and a base dictionary, dict.txt or
// jieba.c.dict (segmentation.hpp). On a CPU.
//
// An item is a whole text, whatever the class: it ends as a sentence does. CTTransformerStreaming can be asked for
// increments, too: one state of open_increments() that goes through a session's items, one after another, keeps the
// words since the last sentence end (at most 2,000, charged to the model's account). An increment lacks the mark behind
// its last word, which heads the next one. A state whose item did not come to its end is not to be used again. An empty
// text gives an empty one, and changes nothing.

#include <memory>
#include <string>

#include "inference/speech/funasr_folder.hpp"

namespace troupe::inference {

// load_failed: something is not there; unprocessable: it is not known, or does not fit; both say what and where.
result<memory_estimate> estimate_ct_transformer(const funasr_folder& folder);
result<std::unique_ptr<const model>> load_ct_transformer(const funasr_folder& folder);

// Null: the model is no CTTransformerStreaming.
std::unique_ptr<state> open_increments(const model& of);
// What the text lacks that ends with the last increment: "。" or "？". Empty: there was none. REQUIRES a state of
// open_increments() that is in no item.
std::string end_mark(const state& increments);

}  // namespace troupe::inference
