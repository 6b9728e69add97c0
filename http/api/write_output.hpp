#pragma once
// What a model answered, as the fields of a JSON object: the same over HTTP and for `troupe predict`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/api/form_parameters.hpp"
#include "http/json/json_write.hpp"
#include "inference/model/outputs.hpp"

namespace troupe::http {

// How much of it is wanted, and in which form.
struct output_style {
  std::optional<std::uint32_t> top_k;               // labels: the best ones only
  bool base64 = false;                              // vectors as the base64 of float32 numbers
  std::optional<std::vector<std::string>> outputs;  // tensors: those of these names
};

// Into the object that `json` has open. A class without a label is LABEL_n; of no classes at all, prediction and
// confidence are null.
void write_output(json_out& json, const std::vector<std::string>& labels, const inference::output& out,
                  const output_style& style = {});

output_style style_of(const form_parameters& parameters);

// Values that all families write alike.
// The only output of a model that names none is "output".
std::string name_of(const inference::named_tensor& one);
bool is_wanted(const output_style& style, const std::string& name);
std::string label_of(const std::vector<std::string>& labels, std::size_t i);
void write_vector(json_out& json, const inference::embedding& vector, bool base64);
void write_vectors(json_out& json, const inference::token_embeddings& vectors, bool base64);
// A list of {"entity_group", "score", "word", "start", "end"}; of tokens {"entity", "score", "index", ..}.
void write_spans(json_out& json, const inference::spans& spans);
// A list of {"sequence", "score", "token", "token_str"}; for several masks a list of lists.
void write_candidates(json_out& json, const inference::mask_candidates& candidates);
// A list of {"start", "end"} in seconds.
void write_voice(json_out& json, const inference::voice_activity& voice);
// The fields of a tensor, its elements under `name`.
void write_tensor(json_out& json, std::string_view name, const inference::tensor& t);

}  // namespace troupe::http
