#pragma once
// The API families: each gives its rows of the routing table (http/core/route.hpp).

#include <vector>

#include "http/core/route.hpp"

namespace troupe::http {

// Document 001, the model cache service: model_cache.cpp.
std::vector<route> model_cache_routes();
// Documents 000 and 002, artifacts and their management: artifacts.cpp.
std::vector<route> artifact_routes();
// Hugging Face's inference form: inference.cpp.
std::vector<route> inference_routes();
// OpenAI's routes, and re-ranking beside them: openai.cpp.
std::vector<route> openai_routes();
// text-embeddings-inference's, under /tei: tei.cpp; and the same at the root, for a listener of that dialect.
std::vector<route> tei_routes();
std::vector<route> tei_dialect_routes();
// Document 003, the lifecycle of speech models: lifecycle.cpp.
std::vector<route> lifecycle_routes();
// Document 004, the catalog: catalog.cpp.
std::vector<route> catalog_routes();
// Whole recordings, and punctuation: recordings.cpp.
std::vector<route> recording_routes();
// What the server says of its own API: document.cpp.
std::vector<route> document_routes();

}  // namespace troupe::http
