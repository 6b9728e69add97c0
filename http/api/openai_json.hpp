#pragma once
// What OpenAI's clients, and those of the re-rankers beside them (Jina, Cohere, vLLM), read: answers and errors, and
// their shapes. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "actors/protocol/reports.hpp"
#include "http/api/collect.hpp"
#include "http/core/openai_words.hpp"
#include "http/core/schema.hpp"

namespace troupe::http {

// `created` is when this server started: since then it offers the model. Disabled ones are left out of the list.
std::string openai_models_json(const actors::server_report& report);
std::string openai_model_json(const actors::model_report& model, actors::wall_time created);
schema openai_models_schema();
schema openai_model_schema();

// REQUIRES answers that are vectors (else it throws). `base64`: float32, little-endian, in place of numbers.
std::string openai_embeddings_json(const collected& all, bool base64);
schema openai_embeddings_schema();

// The `top_n` best. `documents` are what the answers are of; empty: they are not told.
// REQUIRES answers that are scores (else it throws).
std::string rerank_json(const collected& all, std::size_t top_n, const std::vector<std::string>& documents);
schema rerank_schema();

}  // namespace troupe::http
