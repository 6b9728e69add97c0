#pragma once
// One page of a listing, as a whole JSON text: its rows one by one, and what it says of the pages after it. Reads
// {"data": [..]}, {"models": [..]} (where there is no `data`: llama.cpp sends both) and a bare list. Pure.

#include <cstdint>
#include <functional>
#include <string>

#include <simdjson.h>

#include "config/error.hpp"

namespace troupe::cache {

struct page_facts {
  std::string list;         // "data", "models"; empty: a bare list
  bool has_more = false;    // Anthropic, with
  std::string last_id;      // this, for after_id
  std::string page_token;   // next_page_token (Cohere); empty: none
  std::string camel_token;  // nextPageToken (Google, Fireworks); empty: none
};

class page_reader {
 public:
  // May not go on behind the value. An error of JSON is the page's, of `result` the reading's.
  using take_row = std::function<result<simdjson::error_code>(const page_facts&, simdjson::ondemand::value row)>;

  // `json` is given room for the parser. Before the first row it is known that the text is whole and which list is the
  // one. Errors: unprocessable, with what is wrong (no JSON, and where; a web page; an error in place of a list),
  // `what` named; those of `take`.
  result<page_facts> read(std::string& json, const std::string& what, const take_row& take);

 private:
  result<page_facts> look_over(simdjson::ondemand::document& document, const std::string& what);

  simdjson::ondemand::parser parser_;
};

}  // namespace troupe::cache
