#pragma once
// When the words of a sentence were spoken, as FunASR's C++ server tells it: `timestamp` and `stamp_sents`. Times are
// milliseconds from the begin of the utterance's sound. A word is a Chinese character, or one of another script. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "http/json/json_write.hpp"
#include "inference/model/outputs.hpp"

namespace troupe::http {

struct funasr_stamps {
  struct span {
    std::int64_t begin_ms = 0, end_ms = 0;
  };
  // What stands before a mark. A mark that follows no word (the one that heads the next sentence) has none.
  struct clause {
    std::string words;  // a space between two
    std::string mark;   // empty: the text ends without
    std::vector<span> times;
  };
  std::vector<clause> clauses;
  bool countable = true;  // FunASR's page finds each word's time by its own count of the text's characters
};

// Nothing: the tokens' times are not known, or the text's words are others.
std::optional<funasr_stamps> stamps_of(const inference::transcript& sentence);

// Both fields; `timestamp` only where it is countable: the page fails where its count runs past the list.
void write_stamps(json_out& json, const funasr_stamps& stamps);

}  // namespace troupe::http
