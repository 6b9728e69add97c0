#pragma once
// What a model gives for one item. The task's file (inference/tasks/) makes it, http/api/ writes it in its family's
// words. A further kind is one alternative here, one maker and one writer a family.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "inference/model/tensor.hpp"

namespace troupe::inference {

// In the order of model_info::labels. After softmax they sum to 1.
struct label_scores {
  std::vector<float> values;
};

struct single_score {
  float value = 0;
};

struct embedding {
  std::vector<float> values;
};
// A vector a token, one after another, special tokens included.
struct token_embeddings {
  std::vector<float> values;
  std::uint32_t width = 0;  // of a vector; at least 1
};

// A piece of the text that has a label.
struct text_span {
  std::string label, word;
  float score = 0;
  std::uint32_t begin = 0, end = 0;  // Unicode characters of the text, [begin, end)
  std::uint32_t index = 0;           // of the token in its row; spans::tokens only
};
struct spans {
  std::vector<text_span> found;
  bool tokens = false;  // one a token, not aggregated
};

// What may stand in a mask's place, best first; masks in the order of the text.
struct mask_candidate {
  std::int32_t token_id = 0;
  float score = 0;
  std::string token, sequence;  // the token, and the text with it in place
};
struct mask_candidates {
  std::vector<std::vector<mask_candidate>> masks;
};

struct named_tensor {
  std::string name;  // empty: the model's only output
  tensor value;
};
struct named_tensors {
  std::vector<named_tensor> all;
};

// One token of a transcript, and when it was spoken.
struct spoken_token {
  std::int32_t id = 0;
  std::string text;               // as the vocabulary has it
  double begin_s = 0, end_s = 0;  // from the begin of the sound
};

// Text as it comes: of speech, or one piece of what a model generates.
struct transcript {
  std::string text;                      // of a live session: what is to be appended to what came before
  bool final = true;                     // false: more comes, or it may still change
  std::optional<double> begin_s, end_s;  // in the sound, where it is known
  std::vector<spoken_token> tokens{};    // where the model tells them
};

// A stretch of a sound in which somebody speaks, from the sound's begin. Of a live session: what is not set was told
// before, or is not there yet.
struct voice_span {
  std::optional<double> begin_s, end_s;
  bool operator==(const voice_span&) const = default;
};
// Where somebody speaks. Of a live session: what this step has found.
struct voice_activity {
  std::vector<voice_span> found;  // in order; at most the last one is open
  bool final = true;              // false: more comes
  double heard_s = 0;             // of the sound, by now
  double decided_s = 0;           // before it nothing more begins or ends: it is in a span, the open one, or silence
};

// monostate: nothing to write at this step.
using output = std::variant<std::monostate, label_scores, single_score, embedding, token_embeddings, spans,
                            mask_candidates, named_tensors, transcript, voice_activity>;

// Bytes that it holds, about: what keeping it costs.
std::uint64_t size_bytes(const output& out) noexcept;

}  // namespace troupe::inference
