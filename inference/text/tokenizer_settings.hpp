#pragma once
// What a checkpoint says of its tokenizer outside tokenizer.json and the older files of its vocabulary:
// tokenizer_config.json, special_tokens_map.json, added_tokens.json, config.json's tokenizer_class and model_type.
// Read as transformers' AutoTokenizer does, and no class is taken for another: what is not known to be equal is
// refused. Internal to the tokenizers' reading (wordpiece_load.cpp, library_load.cpp).

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/error.hpp"
#include "inference/files/model_json.hpp"

namespace troupe::inference {

// A token that is found in the text as it stands, and where it is written.
struct declared_token {
  std::string content;
  std::shared_ptr<const model_json> file;  // where it is written, for messages; none: `implied`
  json_path at;
  std::optional<std::int64_t> id;  // as written; else it follows the vocabulary
  bool single_word = false, lstrip = false, rstrip = false;
  bool normalized = false;  // looked for in the normalized text
  bool special = true;
  bool normalized_told = false;  // else it is what `special` is not
  bool plain = false;            // written as a text: the class may give it flags
  bool implied = false;          // a default of the class, named in no file
  bool extra = false;            // of the list of further special tokens
  bool named = false;            // by a key or that list, not by a list of added tokens: those go before
  bool replaces = false;         // its flags count, where tokenizer.json has the token with others
};

// Which of transformers' classes builds the tokenizer, by its rules and with its defaults.
enum class tokenizer_family {
  bert,         // WordPiece after BERT's rules, whose flags stand in tokenizer_config.json
  mpnet,        // the same in RoBERTa's frame
  roberta,      // byte-level BPE
  gpt2,         // the same without a frame of its own
  deberta,      // the same in BERT's frame
  xlm_roberta,  // Unigram
  camembert,
  albert,
  deberta_v2,
  as_written,  // tokenizer.json alone says how
};

struct tokenizer_settings {
  using family = tokenizer_family;
  family kind = family::bert;
  bool family_told = false;  // by a class or by config.json's model_type; else `kind` is a guess
  // False: no file names class or flags, so those of tokenizer.json count. Of BERT's family only.
  bool flags_told = false;
  bool lower_case = true, chinese_chars = true;
  std::optional<bool> strip_accents;  // absent: as lower_case
  bool lower_case_named = false, chinese_chars_named = false, strip_accents_named = false;
  bool split_special_tokens = false;  // special tokens in a text are text

  std::optional<bool> add_prefix_space, trim_offsets, keep_accents, split_by_punct;
  std::optional<std::int64_t> unk_id;
  bool add_bos = false, add_eos = false;           // of folders without a tokenizer.json
  bool clean_up = false, clean_up_of_bpe = false;  // clean_up_tokenization_spaces
  bool extra_in_config = false;                    // tokenizer_config.json has a list of further special tokens

  // Texts of the tokens with a meaning, as a file names them or else the class; empty: there is none.
  std::string bos, eos, unknown = "[UNK]", sep = "[SEP]", pad, cls = "[CLS]", mask;
  std::vector<declared_token> tokens;  // in the order in which ids are given to new ones
  bool decoder_told = false;           // they are added_tokens_decoder's, which says all
  std::optional<bool> cut_left;        // truncation_side; absent: as tokenizer.json says
  std::uint32_t length_max = 0;        // 0: no limit is told
  std::optional<bool> typed;           // model_input_names has token types; absent: as the class
  std::string notes;                   // what an operator should know; empty: nothing
};

// Reads what an object says of its token, but for content and id. `special`: where it does not say.
void read_token_flags(simdjson::dom::element value, bool special, declared_token& token);
// tokenizer.json's added_tokens, in its order; none: no list. unprocessable: no list of tokens with ids.
result<std::vector<declared_token>> added_tokens_of(const std::shared_ptr<const model_json>& json);

// Whether what is made of a text has token types.
bool has_types(const tokenizer_settings& settings) noexcept;

// `has_tokenizer_json`: the folder has one; else its vocabulary is in an older file. `guess`: the family where neither
// a class nor a model type is told. unprocessable: a class or a value that is not known, named with file and line.
result<tokenizer_settings> read_tokenizer_settings(const std::filesystem::path& folder, bool has_tokenizer_json,
                                                   tokenizer_family guess);

}  // namespace troupe::inference
