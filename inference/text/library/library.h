/* The tokenizers library (Rust's `tokenizers`) as this room uses it; src/lib.rs implements it.
 *
 * A tokenizer is made on one thread by make, add and frame; after that any thread may ask it. No function throws,
 * and no panic comes out of one: each that can fail returns 0 or, with the reason given to `say`, 1. `say` and `take`
 * are called before the function returns, must not throw, and what they are given lives as long as that call. Texts
 * are UTF-8, not ended by a zero. */
#ifndef TROUPE_INFERENCE_TEXT_LIBRARY_H
#define TROUPE_INFERENCE_TEXT_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct troupe_library troupe_library;
typedef void (*troupe_library_say)(void* context, const char* text, size_t size);

/* One row of ids. Places (two numbers a token, in Unicode characters) and words (-1: none) only with `details`. */
typedef struct {
  size_t size;
  const uint32_t* ids;
  const uint32_t* types;
  const uint32_t* places;
  const int32_t* words;
  const uint32_t* special;
  int truncated;
} troupe_library_row;
typedef void (*troupe_library_take)(void* context, const troupe_library_row* row);

typedef struct {
  const char* first;
  size_t first_size;
  const char* second; /* null: one text */
  size_t second_size;
  size_t room;   /* ids of the texts that are kept, without those of the frame */
  size_t stride; /* of windows: how many ids of the row before a row begins with, less than room */
  int windows;   /* all of the first text, row by row, from left to right */
  int cut_left, cut_first_only;
  int special_tokens; /* the frame's are put around */
  int details;
} troupe_library_question;

/* `json`: model (with its type), normalizer, pre_tokenizer, post_processor, decoder as in tokenizer.json; added_tokens
 * (objects with all flags, in the order in which new ones get ids) and encode_special_tokens. A model may also be of
 * the type UnigramBits: Unigram with each score as the bits of a double. */
int troupe_library_make(const char* json, size_t size, troupe_library_say say, void* context, troupe_library** out);
void troupe_library_free(troupe_library* library);
/* `json`: a list like added_tokens. */
int troupe_library_add(troupe_library* library, const char* json, size_t size, troupe_library_say say, void* context);
/* `json`: a post_processor, or null. */
int troupe_library_frame(troupe_library* library, const char* json, size_t size, troupe_library_say say,
                         void* context);

int troupe_library_encode(const troupe_library* library, const troupe_library_question* question,
                          troupe_library_take take, troupe_library_say say, void* context);
/* Says the text. `joined`: the decoder over the tokens as they are, else as decode() does. */
int troupe_library_decode(const troupe_library* library, const uint32_t* ids, size_t size, int skip_special,
                          int joined, troupe_library_say say, void* context);
/* Says the token; 1: there is none. */
int troupe_library_token(const troupe_library* library, uint32_t id, troupe_library_say say, void* context);
/* -1: there is none. */
int64_t troupe_library_id(const troupe_library* library, const char* token, size_t size);
/* How many special tokens the frame puts around a text, or two. */
size_t troupe_library_frame_size(const troupe_library* library, int pair);
/* Of the model alone, without added tokens. */
size_t troupe_library_vocabulary_size(const troupe_library* library);
/* What making it has allocated and not freed. */
size_t troupe_library_bytes(const troupe_library* library);

#ifdef __cplusplus
}
#endif

#endif
