#pragma once
// What a checkpoint says of its tokenizer outside tokenizer.json and vocab.txt: tokenizer_config.json,
// special_tokens_map.json, added_tokens.json, config.json's tokenizer_class, sentence_bert_config.json. Read as
// transformers' AutoTokenizer does, and no class is taken for another: what is not known to be equal is refused.
// Internal to the tokenizer's reading (tokenizer_load.cpp).

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
  bool implied = false;   // a default of the class, named in no file
  bool replaces = false;  // its flags count, where tokenizer.json has the token with others
};

struct tokenizer_settings {
  enum class family {
    bert,        // WordPiece after BERT's rules, whose flags stand in tokenizer_config.json
    as_written,  // tokenizer.json alone says how
  };
  family kind = family::bert;
  // False: no file names class or flags, so those of tokenizer.json count.
  bool flags_told = false;
  bool lower_case = true, chinese_chars = true;
  std::optional<bool> strip_accents;  // absent: as lower_case
  bool lower_case_named = false, chinese_chars_named = false, strip_accents_named = false;
  bool split_special_tokens = false;  // special tokens in a text are text

  std::string unknown = "[UNK]", cls = "[CLS]", sep = "[SEP]";
  std::vector<declared_token> tokens;  // in the order in which ids are given to new ones
  bool decoder_told = false;           // they are added_tokens_decoder's, which says all
  std::optional<bool> cut_left;        // truncation_side; absent: as tokenizer.json says
  std::uint32_t length_max = 0;        // 0: no limit is told
  std::string notes;                   // what an operator should know; empty: nothing
};

// `has_tokenizer_json`: the folder has one; else its vocabulary is vocab.txt. unprocessable: a class or a value that
// is not known, named with file and line.
result<tokenizer_settings> read_tokenizer_settings(const std::filesystem::path& folder, bool has_tokenizer_json);

}  // namespace troupe::inference
