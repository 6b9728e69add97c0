#pragma once
// The shapes of what text-embeddings-inference's routes take (tei.cpp reads it) and answer (tei_json.hpp).

#include "http/core/schema.hpp"

namespace troupe::http {

schema tei_embed_request();
schema tei_embed_all_request();
schema tei_similarity_request();
schema tei_rerank_request();
schema tei_predict_request();
schema tei_tokenize_request();
schema tei_decode_request();

schema tei_error_schema();
schema tei_embeddings_schema();
schema tei_token_embeddings_schema();
schema tei_similarity_schema();
schema tei_ranks_schema();
schema tei_predictions_schema();
schema tei_tokens_schema();
schema tei_texts_schema();
schema tei_info_schema();

}  // namespace troupe::http
